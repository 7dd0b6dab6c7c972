"""Sorting more text than memory should hold: sorted runs in an unnamed temporary file, merged while they are read."""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from countermark.errors import Unusable

RUN = 1 << 16
_BLOCK = 32 << 10


class Sorter:
    """Lines of text in the order of their code points, which is that of their UTF-8 bytes.

    Memory: one run of `run` lines, and 32 KiB for each run while they are merged. Lines hold no line feed.
    """

    def __init__(self, run: int = RUN) -> None:
        self._run = run
        self._lines: list[str] = []
        self._file: IO[bytes] | None = None
        self._ends: list[int] = [0]

    def add(self, line: str) -> None:
        """Take one more line."""
        self._lines.append(line)
        if len(self._lines) >= self._run:
            self._spill()

    @property
    def empty(self) -> bool:
        """Whether no line was taken."""
        return not self._lines and self._file is None

    def merged(self) -> Iterator[str]:
        """All lines in order; once, and none may be added any more.

        Raises:
            Unusable: what was spilled cannot be read back whole.
        """
        self._lines.sort()
        if self._file is None:
            yield from self._lines
            return
        try:
            spans = zip(self._ends, self._ends[1:], strict=False)
            yield from heapq.merge(self._lines, *(self._read(begin, end) for begin, end in spans))
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the temporary file."""
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        self._lines.sort()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed when it was merged)
            view = memoryview("".join(f"{line}\n" for line in self._lines).encode())
            self._ends.append(self._ends[-1] + len(view))
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise Unusable("cannot sort on disk", why=str(error), mend="free some space, or set TMPDIR") from error
        self._lines = []

    def _read(self, begin: int, end: int) -> Iterator[str]:
        if self._file is None:
            return
        rest = b""
        for at in range(begin, end, _BLOCK):
            size = min(_BLOCK, end - at)
            block = os.pread(self._file.fileno(), size, at)
            if len(block) != size:  # a name lost here would be a file that the digest leaves out
                raise Unusable("what was sorted on disk cannot be read back", mend="check the disk of TMPDIR")
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line.decode()
