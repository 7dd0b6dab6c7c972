"""What a command hands back to be printed: a verdict line, an exit code, facts for machines, text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

FINE, FOUND, UNUSABLE, INCONCLUSIVE, BUG, INTERRUPTED = 0, 1, 2, 3, 101, 130
_PRECEDENCE = (INTERRUPTED, BUG, UNUSABLE, FOUND, INCONCLUSIVE, FINE)


def worst(codes: Iterable[int]) -> int:
    """The code that a run of several parts ends with: 101 before 2 before 1 before 3 before 0."""
    seen = set(codes)
    return next((code for code in _PRECEDENCE if code in seen), FINE if not seen else BUG)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people; cells are shown as text, whatever they hold."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Aligned ``name  value`` lines."""

    items: Sequence[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that is one of several things a command tells: what, why, fix; `heading` where it is no refusal."""

    what: str
    why: str = ""
    fix: str = ""
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Lines for pipes, printed without wrapping."""

    lines: Iterable[str]


Block = "str | Table | Pairs | Refused | Verbatim | Finding"


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished command.

    Attributes:
        verdict: the last line. exit: 0, 1, 2 or 3. facts: members of the JSON object beside ``verdict`` and
            ``exit``. body: what people read above the last line.
    """

    verdict: str
    exit: int = FINE
    facts: dict[str, Any] = field(default_factory=dict)
    body: Sequence[Any] = ()
