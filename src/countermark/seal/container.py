"""A sealed file as everybody can read it: prelude, ciphertext chunks and the table of their hashes, held against the manifest.

Needs no key. A chunk is read once into memory of this process alone and hashed there; what is decrypted later is that copy.
"""

from __future__ import annotations

import hmac
import os
import stat
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from countermark import merkle
from countermark.errors import FormatRefused, Unusable
from countermark.seal.manifest import Manifest
from countermark.seal.memory import Scratch
from countermark.seal.prelude import BYTES, LEAF_BYTES, TAG
from countermark.seal.threads import in_threads

_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_MEND = "fetch it again from its owner"
MOST_TABLE = 1 << 30
"""Bytes of the table of hashes: of 32 TiB in chunks of 1 MiB."""
Progress = Callable[[int, int], None]


class Container:
    """An open sealed file whose prelude, size and table of hashes are the manifest's; each chunk is compared when it is read.

    Attributes:
        manifest: what it is held against.

    Raises:
        FormatRefused: it is another file, was cut or changed. Unusable: it cannot be read.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self._name = path.name
        try:
            self._descriptor = os.open(path, _FLAGS)
        except OSError as error:
            raise Unusable(f"cannot read {path}", why=error.strerror or str(error), mend="check the path") from error
        self._end = weakref.finalize(self, os.close, self._descriptor)
        try:
            self._check_outside()
            self._leaves = self._table()
        except BaseException:
            self.close()
            raise
        self._hashing = manifest.hashing()
        self._scratch = Scratch(manifest.prelude.chunk + TAG, self._hashing.leaf_prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._end()

    def _check_outside(self) -> None:
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FormatRefused(f"{self._name} is not a file")
        if status.st_size != self.manifest.size:
            raise FormatRefused(
                f"{self._name} has {status.st_size} bytes, its manifest says {self.manifest.size}", mend=_MEND
            )
        head = self._read(0, bytearray(BYTES))
        if bytes(head) != self.manifest.prelude.to_bytes():
            raise FormatRefused(
                f"{self._name} does not begin as its manifest says",
                why="another file, or its prelude was changed",
                mend=_MEND,
            )

    def _table(self) -> memoryview:
        """Hashes of all chunks, 32 bytes each: read once, and folded to the signed root before any counts."""
        prelude = self.manifest.prelude
        if LEAF_BYTES * prelude.chunks > MOST_TABLE:
            raise FormatRefused(
                f"{self._name} has {prelude.chunks} chunks", why=f"a table of {MOST_TABLE} bytes is the most that is read",
                mend="seal it with larger chunks, or in parts",
            )  # fmt: skip
        table = self._read(prelude.table_at(self.manifest.size), bytearray(LEAF_BYTES * prelude.chunks))
        entries = (bytes(table[at : at + LEAF_BYTES]) for at in range(0, len(table), LEAF_BYTES))
        if not hmac.compare_digest(merkle.root(entries, self.manifest.hashing()), self.manifest.root):
            raise FormatRefused(f"the table of hashes in {self._name} is not the signed one", mend=_MEND)
        return table.toreadonly()

    def _read(self, at: int, target: bytearray | memoryview) -> memoryview:
        view = memoryview(target)
        self._refuse_closed()
        try:
            done = got = os.preadv(self._descriptor, [view], at)
            while got and done < len(view):
                got = os.preadv(self._descriptor, [view[done:]], at + done)
                done += got
        except OSError as error:
            self._refuse_closed()
            raise Unusable(f"cannot read {self._name}", why=error.strerror or str(error)) from error
        self._refuse_closed()  # by another thread meanwhile: the descriptor may be another file's, and these its bytes
        if done < len(view):
            raise FormatRefused(f"{self._name} ends early", why=f"at byte {at + done}", mend=_MEND)
        return view

    def _refuse_closed(self) -> None:
        if not self._end.alive:
            raise Unusable(f"{self._name} was closed before it was read", mend="open it again")

    def chunk(self, index: int) -> memoryview:
        """Ciphertext and tag of a chunk, in this thread's scratch, which the next call overwrites; it has the signed hash.

        Raises:
            FormatRefused: it was changed, or there is no such chunk. Unusable: it cannot be read.
        """
        if not 0 <= index < self.manifest.prelude.chunks:
            raise FormatRefused(f"{self._name} has no chunk {index}")
        begin, end = self.manifest.prelude.extent(index, self.manifest.size)
        copy = self._read(begin, self._scratch.view[: end - begin])
        expected = self._leaves[index * LEAF_BYTES : (index + 1) * LEAF_BYTES]
        if not hmac.compare_digest(self._hashing.leaf_behind(self._scratch.prefixed(end - begin)), expected):
            raise FormatRefused(
                f"chunk {index} of {self._name} is not the signed one",
                why=f"bytes {begin} to {end} were changed",
                mend=_MEND,
            )
        return copy

    def check_all(self, *, threads: int = 2, progress: Progress | None = None) -> None:
        """Read every chunk: afterwards the whole file was seen to be what was signed. Needs no key.

        Args:
            progress: called with (chunks, bytes) so far.

        Raises:
            FormatRefused: something was changed. Unusable: it cannot be read.
        """
        done = 0
        for number, size in enumerate(
            in_threads(lambda i: len(self.chunk(i)), range(self.manifest.prelude.chunks), threads)
        ):
            done += size
            if progress:
                progress(number + 1, done)
