"""What a check of training data is given: rows as arrays, and heads fitted on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Content, Pictures
from countermark.checks.data._exhibit import strip
from countermark.checks.data._heads import Heads
from countermark.errors import Unusable

LEAST_ROWS = 8
MOST_SHOWN = 8
Counts = Mapping[str, Mapping[str, int]]
Cell = tuple[int, int, NDArray[np.intp]]


@dataclass(frozen=True)
class View:
    """Rows of a dataset.

    Attributes:
        content: what the rows are. label, supplier: (n,) codes into `classes` and `suppliers`.
        ids: n row ids. heads: out-of-fold and left-out class scores. contract: supplier -> class -> rows, or None.
        sizes: (n, 2) width and height of the pictures before they were brought to one size, or None where unknown.
        counts: rows by supplier and class as delivered, and as they are in the data now; None where they are these rows.
        files: n encoded pictures as they were delivered, or None where only pixels are known.
        sharper: heads over features that tell single labels apart better than `heads` do, but know less of suppliers; None where there are none.
        tests: pictures that a model will be tested on, of the same size, and their names; None where unknown.
        delivery: (n,) codes into `deliveries`, in which a supplier's earlier ones stand before its later ones; None and empty
            where deliveries are not known. looked: what looks at single files told of every row, by name (`_first_look`);
            properties: (n, 6) of `_properties`, or None.
        forms: how many forms of rows are screened, each by itself, in the screening that these rows are one of.
        seed: of every draw. suspected: rows that earlier checks of this battery suspect, by check id.
    """

    content: Content
    label: NDArray[np.intp]
    supplier: NDArray[np.intp]
    classes: tuple[str, ...]
    suppliers: tuple[str, ...]
    ids: tuple[str, ...]
    heads: Heads
    contract: Counts | None = None
    seed: int = 0
    sizes: NDArray[np.intp] | None = None
    suspected: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    counts: tuple[Counts, Counts] | None = None
    files: Sequence[bytes] | None = None
    sharper: Heads | None = None
    tests: tuple[NDArray[np.uint8], tuple[str, ...]] | None = None
    delivery: NDArray[np.intp] | None = None
    deliveries: tuple[str, ...] = ()
    looked: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    properties: NDArray[np.float64] | None = None
    forms: int = 1

    def told(self, name: str, look: Callable[[Sequence[bytes]], Sequence[Any]]) -> Sequence[Any] | None:
        """What a look at single files tells, one value a row: as it was told before, or by looking now; None without files."""
        if name in self.looked:
            return self.looked[name]
        return None if self.files is None else look(self.files)

    @property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (n, h, w, 3), for checks of pictures alone: the battery runs those on nothing else.

        Raises:
            Unusable: the rows are no pictures.
        """
        if not isinstance(self.content, Pictures):
            raise Unusable(f"a check of pictures was asked about {self.content.words.many}")
        return self.content.images

    def shown(self, rows: NDArray[np.intp]) -> dict[str, bytes]:
        """A strip of thumbnails of these rows, by its SHA-256 hex; nothing where rows cannot be seen."""
        seen = self.content.thumbnails(rows[:MOST_SHOWN])
        return {} if seen is None else dict([strip(seen)])

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """(supplier, class, rows) of every cell that has rows, in order of supplier, then class."""
        code = self.supplier * len(self.classes) + self.label
        order = np.argsort(code, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(code[order]) > 0) + 1)
        return tuple((int(self.supplier[g[0]]), int(self.label[g[0]]), g) for g in groups)

    @cached_property
    def makers(self) -> NDArray[np.intp]:
        """(classes,) number of suppliers that deliver each class."""
        return np.bincount([c for _, c, _ in self.cells], minlength=len(self.classes))

    @property
    def single(self) -> Heads:
        """The heads that single rows are judged by."""
        return self.sharper or self.heads

    @property
    def abstained(self) -> NDArray[np.bool_]:
        """(classes,) classes with fewer than 8 rows: too few to judge."""
        return np.asarray(np.bincount(self.label, minlength=len(self.classes)) < LEAST_ROWS)

    def suspecting(self, check: str, rows: tuple[int, ...]) -> View:
        """The same view, knowing what `check` suspects."""
        return replace(self, suspected={**self.suspected, check: rows})

    def suspects_of(self, *checks: str) -> NDArray[np.intp]:
        """Rows that any of these checks suspect, ascending."""
        return np.array(sorted({r for c in checks for r in self.suspected.get(c, ())}), np.intp)

    def names(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        """Ids of rows."""
        return tuple(self.ids[i] for i in rows)


def rows_of(view: View, cells: Iterable[Cell]) -> NDArray[np.bool_]:
    """(n,) whether each row lies in one of the cells."""
    out = np.zeros(len(view.label), bool)
    for _, _, rows in cells:
        out[rows] = True
    return out


def compared_cells(view: View, compared: int, which: str) -> tuple[str, ...]:
    """What a check that compares cells leaves out, in words; nothing where it compared all.

    Args:
        compared: number of cells. which: what they have that the others have not.
    """
    total = len(view.cells)
    return (
        (f"{total - compared} of {total} cells (supplier and class) were not compared: only those {which} are",)
        if compared < total
        else ()
    )
