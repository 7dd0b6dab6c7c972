"""A container opened with its content key: verified plaintext, in memory of this process alone.

Each ciphertext chunk is read once, its copy hashed and compared, then decrypted from that copy straight to where the plaintext is due. Where
anything fails, what was decrypted is overwritten: OpenSSL leaves unverified plaintext behind a bad tag, and nobody sees a view before all tags under it held.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

from cryptography.exceptions import InvalidTag

from countermark.artefact.pages import STRETCH_BYTES
from countermark.artefact.tree import Tree, TreeEntry
from countermark.errors import FormatRefused, TreeRefused, Unusable
from countermark.seal import header as headers
from countermark.seal.container import Container
from countermark.seal.memory import Fill, Given, Private, Scratch
from countermark.seal.prelude import TAG, wipe
from countermark.seal.threads import in_threads

RUN_BYTES = 8 << 20
"""What a thread decrypts before it takes the next, in whole chunks."""
SMALL = 4 << 20
"""Bytes up to which memory comes from the heap, and is dumped with it: a mapping of its own would cost more than reading them."""


class Opened:
    """The files of a sealed asset, each readable whole or in part; a context manager.

    Attributes:
        digest: tree digest of the plaintext, hex. paths: of its files, sorted. kind: of `manifest.KINDS`. name: as it was sealed.
        signed_by: whoever sealed it, as the reader's authority names him. single: whether one file was sealed, not a folder. whole: True, as of an `artefact.handle.Handle`.
    """

    whole = True

    def __init__(self, container: Container, content_key: bytearray, *, threads: int = 2, signed_by: str = "") -> None:
        """Read and check the secret header. The content key stays the caller's, who overwrites it.

        Raises:
            FormatRefused: another container's key, or a chunk or the header does not hold. Unusable: it cannot be read.
        """
        self._container, self._threads, self.signed_by = container, max(1, threads), signed_by
        manifest = container.manifest
        self._prelude = manifest.prelude
        self._cipher: Any = self._prelude.cipher(content_key)
        self._aad = self._prelude.aad()
        self._edges = Scratch(self._prelude.chunk)
        first = memoryview(bytearray(self._prelude.chunk))
        self._decrypt(0, container.chunk(0), first)
        header, index = headers.unpacked(first)
        header.check(manifest)
        self.kind, self.name, self.single, self.digest = header.kind, header.name, header.single, header.tree
        self.salt, self.total = header.salt, header.size
        self._stream = self._length()
        if self._stream != header.size + (0 if index is not None else header.index):
            raise FormatRefused("a sealed header means another number of bytes than the file has")
        self.tree: Tree = headers.files_of(header, index if index is not None else self._index(header))
        starts = accumulate((entry.size for entry in self.tree.entries), initial=0)
        self._at: dict[str, tuple[int, TreeEntry]] = {
            e.path: (at, e) for at, e in zip(starts, self.tree.entries, strict=False)
        }
        self.paths = tuple(self._at)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __contains__(self, path: object) -> bool:
        return path in self._at

    def __repr__(self) -> str:
        return f"Opened(name={self.name!r}, files={len(self.paths)})"

    def close(self) -> None:
        """Close the file and let go of the key; what was given out stays good, and is its holder's to overwrite."""
        self._cipher = None
        self._container.close()

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self._entry(path)[1].size

    def executable(self, path: str) -> bool:
        """Whether a file was sealed as one that can be run."""
        return self._entry(path)[1].executable

    def entry(self, path: str) -> TreeEntry:
        """A file's size, executable bit and chunk root, as its header names them."""
        return self._entry(path)[1]

    def view(self, path: str) -> memoryview:
        """A file's bytes, read-only, in fresh private memory; more than 4 MiB of it are left out of core dumps, where the system can.

        Raises:
            TreeRefused: no such file. FormatRefused: the container was changed. Unusable: it cannot be read, or there is no memory.
        """
        return self.take(path).toreadonly()

    def take(self, path: str) -> memoryview:
        """As `view`, writable: the caller's alone."""
        return self.read(path, 0, self.size(path))

    def content(self, path: str) -> bytes:
        """As `view`, as one object, for libraries that take nothing else: a second copy, and one that nobody can overwrite."""
        data = self.take(path)
        try:
            return bytes(data)
        finally:
            wipe(data)

    def read(self, path: str, start: int, stop: int) -> memoryview:
        """Bytes [start, stop) of a file, writable, in fresh private memory; only the chunks that they lie in are read.

        Raises:
            As `view`; TreeRefused: the file has no such bytes.
        """
        begin, end = self._span(path, start, stop)
        size = stop - start
        memory = Private(size, starts=begin) if size > SMALL else Given(memoryview(bytearray(size)))
        self._plain(begin, end, memory)
        return memory.view

    def check_rest(self) -> None:
        """Read every chunk once more against its signed hash: afterwards the whole asset was seen.

        Raises:
            FormatRefused: the container was changed. Unusable: it cannot be read.
        """
        self._container.check_all(threads=self._threads)

    def read_into(self, path: str, start: int, stop: int, target: memoryview) -> None:
        """Bytes [start, stop) of a file into `target`: writable bytes, exactly so many. Overwritten with zeros where it fails.

        Raises:
            As `read`.
        """
        begin, end = self._span(path, start, stop)
        if len(target) != end - begin:
            raise TreeRefused(f"room for {len(target)} bytes, where {end - begin} are asked for")
        self._plain(begin, end, Given(target))

    def pieces(self, path: str, piece: int = 4 << 20) -> Iterator[memoryview]:
        """A file in order, in writable pieces which the caller overwrites; for more than memory should hold."""
        size = self.size(path)
        for at in range(0, size, piece):
            yield self.read(path, at, min(size, at + piece))

    def _entry(self, path: str) -> tuple[int, TreeEntry]:
        if path not in self._at:
            raise TreeRefused(f"{path!r:.120} is not among the files that were sealed")
        return self._at[path]

    def _span(self, path: str, start: int, stop: int) -> tuple[int, int]:
        """Where bytes [start, stop) of a file lie in the stream of all files."""
        at, entry = self._entry(path)
        if not 0 <= start <= stop <= entry.size:
            raise TreeRefused(f"{path!r:.120} has no bytes {start} to {stop}", why=f"it has {entry.size} bytes")
        return at + start, at + stop

    def _plain(self, begin: int, end: int, memory: Private | Given) -> None:
        """Bytes [begin, end) of the stream of all files into `memory`, which has so many; overwritten where it fails."""
        try:
            self._runs(begin, end, memory)
        except BaseException:
            wipe(memory.view)
            raise

    def _runs(self, begin: int, end: int, memory: Private | Given) -> None:
        if begin == end:
            return
        span = max(RUN_BYTES, self._prelude.chunk)

        def run(start: int) -> None:
            self._run(max(begin, start), min(end, start + span), begin, memory)

        starts = range(begin - begin % span, end, span)
        if len(starts) == 1:
            run(starts[0])
            return
        for _ in in_threads(run, starts, self._threads):
            pass

    def _run(self, begin: int, end: int, origin: int, memory: Private | Given) -> None:
        """Bytes [begin, end) into `memory`, whose first byte is `origin`: chunk by chunk, as many at a time as are on pages of one kind."""
        chunk = self._prelude.chunk
        span = max(STRETCH_BYTES, chunk)
        for start in range(begin - begin % span, end, span):
            low, high = max(begin, start), min(end, start + span)
            with memory.stretch(low - origin, high - low) as stretch:
                for at in range(low - low % chunk, high, chunk):
                    first, last = max(low, at), min(high, at + chunk)
                    self._chunk_into(at // chunk, first - at, partial(stretch.fill, first - origin, last - first))

    def _chunk_into(self, index: int, skip: int, fill: Fill) -> None:
        """Plaintext of the data chunk `index`, from byte `skip` on, as much as there is room for."""
        copy = self._container.chunk(index + 1)
        size = len(copy) - TAG

        def decrypt(room: memoryview) -> None:
            if len(room) == size:
                self._decrypt(index + 1, copy, room)
                return
            edge = self._edges.view[:size]
            try:
                self._decrypt(index + 1, copy, edge)
                room[:] = edge[skip : skip + len(room)]
            finally:
                wipe(edge)

        fill(decrypt)

    def _decrypt(self, index: int, copy: memoryview, target: memoryview) -> None:
        cipher = self._cipher  # once: another thread may close this meanwhile
        if cipher is None:
            raise Unusable("the sealed file was closed before it was read", mend="open it again")
        try:
            cipher.decrypt_into(self._prelude.nonce(index), copy, self._aad, target)
        except InvalidTag as error:
            wipe(target)
            raise FormatRefused(
                f"chunk {index} does not open",
                why="it has the signed hash, so that whoever sealed it wrote what cannot be opened",
            ) from error

    def _length(self) -> int:
        """Bytes of plaintext behind chunk 0."""
        prelude = self._prelude
        if prelude.chunks == 1:
            return 0
        begin, end = prelude.extent(prelude.chunks - 1, self._container.manifest.size)
        return (prelude.chunks - 2) * prelude.chunk + end - begin - TAG

    def _index(self, header: headers.Header) -> bytes:
        if header.index > headers.MOST_INDEX:
            raise FormatRefused(
                f"a sealed list of files of {header.index} bytes", why=f"at most {headers.MOST_INDEX} are taken"
            )
        out = bytearray(header.index)
        self._plain(header.size, header.size + header.index, Given(memoryview(out)))
        return bytes(out)
