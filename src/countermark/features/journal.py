"""A run that was killed goes on: each result is kept under the digest of what it was computed from, once it is durable.

Whether a batch was done is told by its content and the function's digest, never by its place; so a rerun may have other
batches before it. docs/reference/formats/journal.md has the layout.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from countermark.engines.engine import Engine
from countermark.errors import FormatRefused, Unusable
from countermark.features import arrow
from countermark.workspace.disk import Disk

if TYPE_CHECKING:
    import pyarrow

SUFFIX = ".batch"
_DIGEST_BYTES = 32
Progress = Callable[[int, int], None]


class Function(Protocol):
    """What is journalled: a pure function of batches that names its version and all that it depends on."""

    @property
    def digest(self) -> str:
        """Equal only where the function gives equal results."""
        ...

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """The result of one batch."""
        ...


class Journal:
    """Results in a private folder, one file each: SHA-256 of the rest, then an Arrow IPC stream of one batch."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        """Take or make the folder; what a killed run left half written is swept.

        Raises:
            Unusable: it cannot be made.
        """
        self._disk = disk or Disk()
        self._folder = self._disk.folder(folder)
        self._disk.sweep(folder)

    @staticmethod
    def key(function: Function, batch: pyarrow.RecordBatch) -> str:
        """SHA-256, hex, of the function's digest and the batch as an Arrow IPC stream."""
        return hashlib.sha256(f"cm-journal/v1\n{function.digest}\n".encode() + arrow.to_bytes(batch)).hexdigest()

    def has(self, key: str) -> bool:
        """Whether a whole and undamaged result is there; a damaged one is as good as none."""
        try:
            self.read(key)
        except FormatRefused:
            return False
        return True

    def read(self, key: str) -> pyarrow.RecordBatch:
        """A result.

        Raises:
            FormatRefused: it is not there, or damaged. Unusable: it cannot be read.
        """
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError:
            raise FormatRefused(f"the journal has no {key}") from None
        except OSError as error:
            raise Unusable(f"cannot read {self._path(key)}", why=error.strerror or str(error)) from error
        body = memoryview(data)[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != data[:_DIGEST_BYTES]:
            raise FormatRefused(f"{self._path(key)} is damaged", mend="remove it: its batch is computed again")
        return arrow.from_bytes(bytes(body))

    def write(self, key: str, result: pyarrow.RecordBatch) -> None:
        """Keep a result; it is durable when this returns, and replaces a damaged one.

        Raises:
            Unusable: it cannot be written.
        """
        body = arrow.to_bytes(result)
        self._disk.write(self._path(key), hashlib.sha256(body).digest() + body)

    def _path(self, key: str) -> Path:
        return self._folder / (key + SUFFIX)


def resumed(
    engine: Engine,
    function: Function,
    batches: Iterable[pyarrow.RecordBatch],
    journal: Journal,
    progress: Progress | None = None,
) -> Iterator[pyarrow.RecordBatch]:
    """Results in the order of the batches; those in the journal are read, the others computed and kept.

    Args:
        progress: called with (batches done, those of them that the journal had).

    Raises:
        As the function, and as `Journal.write`.
    """  # fmt: skip
    order: deque[tuple[str, bool]] = deque()
    done = [0, 0]

    def missing() -> Iterator[pyarrow.RecordBatch]:
        for batch in batches:
            key = journal.key(function, batch)
            known = journal.has(key)
            order.append((key, known))
            if not known:
                yield batch

    def tell(kept: bool) -> None:
        done[0] += 1
        done[1] += kept
        if progress:
            progress(done[0], done[1])

    for result in engine.map(function, missing()):
        while order[0][1]:
            yield journal.read(order.popleft()[0])
            tell(True)
        journal.write(order.popleft()[0], result)
        yield result
        tell(False)
    while order:
        yield journal.read(order.popleft()[0])
        tell(True)
