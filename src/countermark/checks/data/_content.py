"""What rows are: pictures, rows of a table, or signals. Checks that compare labels and suppliers ask no more than this of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Kind = Literal["pictures", "table", "signals"]
KINDS: tuple[Kind, ...] = ("pictures", "table", "signals")
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Words:
    """How findings speak of rows.

    Attributes:
        one, many: a row, and rows. equal: what two equal ones have in common. unequal: what equality does not tell.
        rule, differ: of a supplier whose rows drift. ask: what to ask it then. look: how people look at rows.
    """

    one: str
    many: str
    equal: str
    unequal: str
    rule: str
    differ: str
    ask: str
    look: str = "look at them"


@dataclass(frozen=True, slots=True)
class Trait:
    """A property of every row that deliveries or suppliers are compared by.

    Attributes:
        share: it is 0 or 1 a row, so that means are compared, not medians. words: the cause in words, from the difference to
            others' rows (in the property's own unit), the same in spreads of single rows, and the mean of the others.
        least: spread below which differences mean nothing, in the property's unit.
    """

    share: bool
    words: Callable[[float, float, float], str]
    least: float = 1e-3


@dataclass(frozen=True, slots=True)
class Traits:
    """Properties of all rows: float64 (n, k), NaN where a row has none, one `Trait` a column.

    pooled: whether there may be too many of them, in too few suppliers, to see the null of each by itself.
    """

    values: Floats
    each: tuple[Trait, ...]
    pooled: bool = True

    @property
    def shares(self) -> NDArray[np.bool_]:
        """(k,) which are 0 or 1 a row."""
        return np.array([t.share for t in self.each], bool)


class Content(Protocol):
    """The rows of a view."""

    @property
    def kind(self) -> Kind:
        """What they are."""
        ...

    @property
    def words(self) -> Words:
        """How findings speak of them."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def digests(self) -> Sequence[bytes]:
        """One a row; two are equal exactly where the rows are, labels and suppliers apart."""
        ...

    def thumbnails(self, rows: Rows) -> Pixels | None:
        """Pictures of rows for people, uint8 (m, h, w, 3), or None where there is nothing to see."""
        ...

    def traits(self) -> Traits | None:
        """Properties for `drift`; None where they need what only the view knows."""
        ...


PICTURES = Words(
    "picture", "pictures", "equal, or near in one of eight poses",
    "a near copy may be a photograph alike",
    "photographs-differ", "photographs differently",
    "ask whether camera, light or file export changed; train with such pictures or ask for the prescribed rig",
    "look at them on the contact sheet",
)  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """Pictures: uint8 (n, h, w, 3)."""

    images: Pixels
    kind: Kind = "pictures"
    words: Words = PICTURES

    def __len__(self) -> int:
        return len(self.images)

    def digests(self) -> list[bytes]:
        """As `Content.digests`."""
        return [hashlib.sha256(image.tobytes()).digest() for image in self.images]

    def thumbnails(self, rows: Rows) -> Pixels:
        """As `Content.thumbnails`."""
        return self.images[rows]

    def traits(self) -> None:
        """As `Content.traits`: they need sizes and files (`_taking`)."""
        return
