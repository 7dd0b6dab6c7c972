"""A sealed dataset as training loaders take one: ``len`` and ``[index]``, in any order, from several threads.

Each record is a file of the sealed dataset; only the chunks that it lies in are read and decrypted. What a record means (an
image, a label by its folder) is the loader's business, by a function of its path and bytes.

Threads read ahead of a training loop (`ahead`, and PyTorch's batches by `__getitems__`): they decrypt and decode while it computes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from countermark.errors import TreeRefused, Unusable
from countermark.seal.opened import Opened
from countermark.seal.threads import pool_of, windowed

Sample = TypeVar("Sample")
Decode = Callable[[str, memoryview], Sample]


class SealedDataset(Generic[Sample]):
    """Map-style access to the files of a sealed asset; duck-typed as `torch.utils.data.Dataset`.

    It lives as long as the `Opened` that it reads from, in one process: a loader's workers are threads, or open the asset themselves, because
    a key should not be copied into processes that a library starts. Where it has threads of its own, they are not in such a process, and it says so there.

    Attributes:
        paths: of the records, sorted; record n is `paths[n]`.
    """

    paths: tuple[str, ...]

    @overload
    def __init__(
        self: SealedDataset[memoryview], files: Opened, *, keep: Callable[[str], bool] = ..., threads: int = ...
    ) -> None: ...
    @overload
    def __init__(
        self, files: Opened, decode: Decode[Sample], *, keep: Callable[[str], bool] = ..., threads: int = ...
    ) -> None: ...
    def __init__(
        self, files: Opened, decode: Decode[Sample] | None = None, *, keep: Callable[[str], bool] = lambda path: True,
        threads: int = 1,
    ) -> None:  # fmt: skip
        """Choose the records.

        Args:
            decode: from path and bytes (writable, the sample's alone) to a sample; the bytes themselves without one. Called by several threads
                at once where `threads` says so.
            keep: which paths are records. threads: that read batches, and ahead; 1 for the caller's alone.

        Raises:
            TreeRefused: none is.
        """
        self._files, self._decode = files, decode
        self.paths = tuple(path for path in files.paths if keep(path))
        if not self.paths:
            raise TreeRefused("no file of this sealed dataset is a record", mend="widen `keep`")
        self._threads, self._pool, self._process = threads, pool_of(threads), os.getpid()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        """Record `index`, from 0, or from the end where it is negative.

        Raises:
            IndexError: there is no such record. FormatRefused: the sealed file was changed. Unusable: it was closed.
        """
        path = self.paths[index]
        data = self._files.take(path)
        return self._decode(path, data) if self._decode is not None else data  # type: ignore[return-value]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Several records, as PyTorch's loader asks for a batch; over the threads.

        Raises:
            As for one; no other record is given then.
        """
        return list(self.ahead(indices))

    def ahead(self, order: Iterable[int]) -> Iterator[Sample]:
        """Records in an order, each read while earlier ones are used: as many at once as there are threads, four times as many ready.

        Where one fails, or its reader stops, those under way end by themselves, and what was ready is let go without being overwritten.

        Raises:
            As for one, when it would be that record's turn. Unusable: the threads are another process's.
        """
        if self._pool is not None and os.getpid() != self._process:
            raise Unusable(
                "the threads of this dataset are in the process that made it", why="a process that was forked from it waits for ever",
                mend="num_workers=0, or open the sealed file in each worker",
            )  # fmt: skip
        return windowed(self._pool, self.__getitem__, order, self._threads)

    def __iter__(self) -> Iterator[Sample]:
        return self.ahead(range(len(self)))

    def labels(self) -> tuple[str, ...]:
        """The first folder of each path, "" where there is none: the class, in a folder per class."""
        return tuple(path.partition("/")[0] if "/" in path else "" for path in self.paths)
