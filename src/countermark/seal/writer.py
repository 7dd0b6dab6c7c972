"""Writing a sealed file: read once, encrypted a chunk at a time, whole and durable when it has its name.

Memory: a few chunks, whatever the asset's size. A nonce is used once: chunk 0, which needs the digests of all others' plaintext, is encrypted
last and once, into the room that was left for it; a container is never written to again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark import merkle
from countermark.artefact import tree
from countermark.artefact.tree import TreeEntry
from countermark.errors import Unusable
from countermark.seal import header as headers
from countermark.seal.container import Progress
from countermark.seal.early import Early
from countermark.seal.header import Header
from countermark.seal.manifest import Manifest, hashing, tree_commitment
from countermark.seal.memory import Scratch
from countermark.seal.plain import Folder, Plain, changed
from countermark.seal.prelude import AES_256_GCM, CHUNK, LEAST_CHUNK, TAG, new_prelude
from countermark.seal.stream import Block, Stream
from countermark.seal.threads import pool_of, windowed
from countermark.workspace.disk import Disk

_MOST_OF_RECORDS = 256 << 10
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Form:
    """How a container is made.

    Attributes:
        suite: of `prelude.SUITES`. chunk: bytes, a power of two from 4 KiB to 16 MiB. hash: over ciphertext, of `manifest.HASHES`.
    """

    suite: int = AES_256_GCM
    chunk: int = CHUNK
    hash: str = "blake3"


def chunk_for(kind: str, files: int, size: int) -> int:
    """A chunk size that suits an asset: 1 MiB, less for what is small, and for records that are read in random order.

    A record lies somewhere in its chunks, so that its first and last are decrypted for other records' bytes too: chunks as large as the mean record, the power of two
    below, and at most 256 KiB, cost the least for records of many sizes (`docs/explanation/evaluation.md`).

    Args:
        files, size: how many, and all their bytes.
    """
    if kind == "dataset":
        mean = size // max(1, files)
        return min(max(1 << mean.bit_length() >> 1, LEAST_CHUNK), _MOST_OF_RECORDS)
    return min(max(1 << (size // 16 - 1).bit_length(), LEAST_CHUNK), CHUNK)


@dataclass(frozen=True, slots=True)
class About:
    """What the manifest and the header say beside what is measured; `sealer` is the id of the key that will sign, hex."""

    kind: str
    sealer: str
    project: str
    issued: str


def write(
    source: Path | Plain, target: Path, content_key: bytearray, about: About, *, form: Form = Form(), threads: int = 2,
    progress: Progress | None = None, disk: Disk | None = None,
) -> Manifest:  # fmt: skip
    """Seal a folder or file into `target`, mode 0600.

    Args:
        content_key: 32 fresh bytes (`prelude.new_content_key`), never used before. progress: called with (files, bytes) so far.

    Returns:
        the manifest, to be signed.

    Raises:
        Unusable: `target` exists, or something cannot be read or written. TreeRefused: links, devices, odd names, no files, or a file that
        changed meanwhile. Nothing is left then.
    """
    if target.exists() or target.is_symlink():
        raise Unusable(f"{target} exists", why="a sealed file is never written over", mend="name another file")
    if isinstance(source, Path) and source.is_dir() and source.resolve() in target.resolve().parents:
        raise Unusable(f"{target} would lie in what it seals", mend="name a file outside of it")
    plain = Folder(source) if isinstance(source, Path) else source
    temporary, named = target.with_name(f".{secrets.token_hex(8)}.tmp"), False
    try:
        descriptor = os.open(temporary, _CREATE, 0o600)
    except OSError as error:
        raise Unusable(f"cannot write {target}", why=error.strerror or str(error), mend="check the path") from error
    try:
        try:
            manifest = _Writer(descriptor, plain, content_key, about, form).run(threads, progress)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        named = True
        (disk or Disk()).move(temporary, target)
    except BaseException as error:
        for left in (temporary, *([target] if named else [])):
            with contextlib.suppress(OSError):
                left.unlink()
        if isinstance(error, OSError):
            raise Unusable(f"cannot write {target}", why=error.strerror or str(error), mend="make room") from error
        raise
    return manifest


class _Writer:
    """One container under way."""

    def __init__(self, descriptor: int, plain: Plain, content_key: bytearray, about: About, form: Form) -> None:
        self._descriptor, self._plain, self._about, self._form = descriptor, plain, about, form
        self._salt = secrets.token_bytes(32)
        self._index = sum(len(entry.line().encode()) for entry in plain.entries)
        self._data = sum(entry.size for entry in plain.entries)
        self._key = content_key
        self._hashing = hashing(form.hash)
        self._scratch = Scratch(form.chunk + TAG, self._hashing.leaf_prefix)

    def run(self, threads: int, progress: Progress | None) -> Manifest:
        Header.from_bytes(self._header("0" * 64).to_bytes())  # a name that no reader takes is refused before any work
        inside = headers.fits(self._header("0" * 64), self._index, self._form.chunk)
        stream = self._data + (0 if inside else self._index)
        chunks = 1 + -(-stream // self._form.chunk)
        about = self._about
        self._prelude = new_prelude(self._key, chunks, about.sealer, suite=self._form.suite, chunk=self._form.chunk)
        self._cipher, self._aad = self._prelude.cipher(self._key), self._prelude.aad()
        self._put(0, self._prelude.to_bytes())
        leaves, entries = self._streamed(threads, progress, with_index=not inside)
        if len(leaves) != chunks - 1:
            raise changed(self._plain.name)
        made = tree.tree_of(entries)
        header = self._header(made.digest)
        packed = headers.packed(header, made.manifest() if inside else b"", self._form.chunk)
        leaves.insert(0, self._sealed(0, packed))
        end = (
            self._prelude.at(chunks - 1)
            + TAG
            + (self._form.chunk if chunks == 1 else (stream - 1) % self._form.chunk + 1)
        )
        self._put(end, b"".join(leaves))
        root = merkle.root(leaves, self._hashing)
        commitment = tree_commitment(self._salt, about.sealer, made.digest)
        size = end + sum(map(len, leaves))
        return Manifest(about.kind, self._prelude, size, self._form.hash, root, commitment, about.project, about.issued)

    def _streamed(
        self, threads: int, progress: Progress | None, *, with_index: bool
    ) -> tuple[list[bytes], list[TreeEntry]]:
        """Encrypt and write all chunks but the first: their leaf hashes, and the files with their roots."""
        leaves: list[bytes] = []
        with pool_of(threads) or contextlib.nullcontext() as pool, Early(self._descriptor) as early:
            plain = Stream(self._plain, self._form.chunk, pool, progress)
            blocks = self._numbered(plain.blocks(with_index=with_index))
            for some in windowed(pool, self._block, blocks, threads):
                leaves += some
                early.wrote(len(some) * self._form.chunk)
        return leaves, plain.entries

    def _header(self, digest: str) -> Header:
        return Header(
            self._about.kind, self._plain.name, self._plain.single, digest, self._salt, self._data, self._index
        )

    def _numbered(self, blocks: Iterator[Block]) -> Iterator[tuple[int, Block]]:
        """Each block with the number of its first chunk."""
        first = 1
        for block in blocks:
            count = -(-len(block.view) // self._form.chunk)
            yield first, block
            first += count

    def _block(self, numbered: tuple[int, Block]) -> list[bytes]:
        """Encrypt and write the chunks of a block; their leaf hashes."""
        first, block = numbered
        view, chunk = block.view, self._form.chunk
        try:
            starts = range(0, len(view), chunk)
            return [self._sealed(number, view[at : at + chunk]) for number, at in enumerate(starts, first)]
        finally:
            block.release()

    def _sealed(self, index: int, plain: bytes | bytearray | memoryview) -> bytes:
        """Encrypt and write one chunk; its leaf hash."""
        out = self._scratch.view[: len(plain) + TAG]
        self._cipher.encrypt_into(self._prelude.nonce(index), plain, self._aad, out)
        self._put(self._prelude.at(index), out)
        return self._hashing.leaf_behind(self._scratch.prefixed(len(out)))

    def _put(self, at: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._descriptor, view, at)
            view, at = view[done:], at + done
