"""Writing a sealed file: read once, encrypted a chunk at a time, whole and durable when it has its name.

Memory: a few chunks, whatever the asset's size. A nonce is used once: chunk 0, which needs the digests of all others' plaintext, is encrypted
last and once, into the room that was left for it; a container is never written to again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from queue import Empty, SimpleQueue

from countermark import merkle
from countermark.artefact import reading, tree, walk
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES, TreeEntry
from countermark.errors import TreeRefused, Unusable
from countermark.merkle import HashState
from countermark.seal import header as headers
from countermark.seal.container import Progress, in_threads
from countermark.seal.header import Header
from countermark.seal.manifest import Manifest, hashing, tree_commitment
from countermark.seal.memory import Scratch
from countermark.seal.prelude import AES_256_GCM, CHUNK, TAG, new_prelude
from countermark.workspace.disk import Disk

_LEAST_CHOSEN = 4 << 10
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
    """A chunk size that suits an asset: 1 MiB, less for records that are read in random order, and for what is small.

    Args:
        files, size: how many, and all their bytes.
    """
    wanted = size // max(1, files) if kind == "dataset" else size // 16
    chunk = _LEAST_CHOSEN
    while chunk < min(wanted, CHUNK):
        chunk *= 2
    return chunk


@dataclass(frozen=True, slots=True)
class About:
    """What the manifest and the header say beside what is measured."""

    kind: str
    project: str
    issued: str


def write(
    source: Path, target: Path, content_key: bytearray, about: About, *, form: Form = Form(), threads: int = 2,
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
    files = _planned(source)
    if source.is_dir() and source.resolve() in target.resolve().parents:
        raise Unusable(f"{target} would lie in what it seals", mend="name a file outside of it")
    temporary, named = target.with_name(f".{secrets.token_hex(8)}.tmp"), False
    try:
        descriptor = os.open(temporary, _CREATE, 0o600)
    except OSError as error:
        raise Unusable(f"cannot write {target}", why=error.strerror or str(error), mend="check the path") from error
    try:
        try:
            manifest = _Writer(descriptor, files, content_key, about, form).run(source, threads, progress)
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


def _planned(source: Path) -> list[TreeEntry]:
    """All files with their sizes; their roots are not known yet."""
    out = []
    try:
        for place in walk.walk(source):
            for name in place.files:
                status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
                out.append(TreeEntry(place.prefix + name, status.st_size, bool(status.st_mode & 0o100), bytes(32)))
    except OSError as error:
        raise walk.unreadable(source, error) from error
    for entry in out:
        tree.check_path(entry.path)
    return sorted(out, key=lambda entry: entry.path)


class _Writer:
    """One container under way."""

    def __init__(
        self, descriptor: int, files: list[TreeEntry], content_key: bytearray, about: About, form: Form
    ) -> None:
        self._descriptor, self._files, self._about, self._form = descriptor, files, about, form
        self._salt = secrets.token_bytes(32)
        self._index = sum(len(entry.line().encode()) for entry in files)
        self._data = sum(entry.size for entry in files)
        self._name = ""
        self._key = content_key
        self._scratch = Scratch(form.chunk + TAG)
        self._hashing = hashing(form.hash)

    def run(self, source: Path, threads: int, progress: Progress | None) -> Manifest:
        self._name, self._single = source.resolve().name[: headers.MOST_NAME], not source.is_dir()
        Header.from_bytes(self._header("0" * 64).to_bytes())  # a name that no reader takes is refused before any work
        inside = headers.fits(self._header("0" * 64), self._index, self._form.chunk)
        stream = self._data + (0 if inside else self._index)
        chunks = 1 + -(-stream // self._form.chunk)
        self._prelude = new_prelude(self._key, chunks, suite=self._form.suite, chunk=self._form.chunk)
        self._cipher, self._aad = self._prelude.cipher(self._key), self._prelude.aad()
        self._put(0, self._prelude.to_bytes())
        plain = _Stream(source, self._files, self._form.chunk, progress)

        def sealed(numbered: tuple[int, bytearray]) -> bytes:
            leaf = self._sealed(*numbered)
            plain.spare.put(numbered[1])
            return leaf

        leaves = list(in_threads(sealed, enumerate(plain.chunks(with_index=not inside), 1), threads))
        if len(leaves) != chunks - 1:
            raise _changed(source.name)
        made = tree.tree_of(plain.entries)
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
        commitment = tree_commitment(self._salt, made.digest)
        size = end + sum(map(len, leaves))
        about = self._about
        return Manifest(about.kind, self._prelude, size, self._form.hash, root, commitment, about.project, about.issued)

    def _header(self, digest: str) -> Header:
        return Header(self._about.kind, self._name, self._single, digest, self._salt, self._data, self._index)

    def _sealed(self, index: int, plain: bytes | bytearray) -> bytes:
        """Encrypt and write one chunk; its leaf hash."""
        out = self._scratch.view[: len(plain) + TAG]
        self._cipher.encrypt_into(self._prelude.nonce(index), plain, self._aad, out)
        self._put(self._prelude.at(index), out)
        return self._hashing.leaf(out)

    def _put(self, at: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._descriptor, view, at)
            view, at = view[done:], at + done


class _Stream:
    """The plaintext of all files in order, cut into chunks, and hashed as a tree on the way.

    Attributes:
        entries: of the files read so far. spare: buffers that may be filled again.
    """

    def __init__(self, source: Path, files: list[TreeEntry], chunk: int, progress: Progress | None) -> None:
        self._source, self._files, self._chunk, self._progress = source, files, chunk, progress
        self.entries: list[TreeEntry] = []
        self.spare: SimpleQueue[bytearray] = SimpleQueue()
        self._done = 0

    def chunks(self, *, with_index: bool) -> Iterator[bytearray]:
        """Buffers of `chunk` bytes, the last one shorter; none for no bytes."""
        buffer, filled = bytearray(self._chunk), 0
        for read, size in self._parts(with_index):
            left = size
            while left:
                got = read(memoryview(buffer)[filled : filled + left])
                filled, left = filled + got, left - got
                if filled == self._chunk:
                    yield buffer
                    buffer, filled = self._empty(), 0
        if filled:
            yield buffer[:filled]

    def _empty(self) -> bytearray:
        try:
            return self.spare.get_nowait()
        except Empty:
            return bytearray(self._chunk)

    def _parts(self, with_index: bool) -> Iterator[tuple[Callable[[memoryview], int], int]]:
        """What fills a view, and how many bytes it has in all, one file after the other."""
        folder = self._source if self._source.is_dir() else self._source.parent
        root = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            for number, planned in enumerate(self._files, 1):
                with walk.opened(root, planned.path, reading.OPEN_FILE) as descriptor:
                    before = os.fstat(descriptor)
                    if before.st_size != planned.size:
                        raise _changed(planned.path)
                    file = _File(descriptor, planned.path)
                    yield file.read, planned.size
                    reading.refuse_changed(planned.path, before, os.fstat(descriptor))
                self.entries.append(planned._replace(root=file.root()))
                self._done += planned.size
                if self._progress:
                    self._progress(number, self._done)
        finally:
            os.close(root)
        if with_index:
            lines = BytesIO(b"".join(entry.line().encode() for entry in self.entries))
            yield lines.readinto, len(lines.getbuffer())


class _File:
    """One file, read once, and hashed as it is read: what is encrypted is what its tree digest names."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor, self._path, self._at = descriptor, path, 0
        self._leaves: list[bytes] = []
        self._state: HashState | None = None

    def read(self, view: memoryview) -> int:
        """Fill as much of a view as one read gives.

        Raises:
            TreeRefused: the file ended early. OSError: it cannot be read.
        """
        room = CHUNK_BYTES - self._at % CHUNK_BYTES
        got = os.preadv(self._descriptor, [view[:room]], self._at)
        if not got:
            raise _changed(self._path)
        state = self._state or SHA256.new(SHA256.chunks.leaf_prefix)
        state.update(view[:got])
        self._at += got
        self._state = state
        if got == room:
            self._end()
        return got

    def root(self) -> bytes:
        """Chunk root of what was read."""
        self._end()
        return merkle.root(self._leaves, SHA256.chunks)

    def _end(self) -> None:
        if self._state is not None:
            self._leaves.append(self._state.digest())
            self._state = None


def _changed(path: str) -> TreeRefused:
    return TreeRefused(f"{path} changed while it was sealed", mend="wait until its writer is done, then try again")
