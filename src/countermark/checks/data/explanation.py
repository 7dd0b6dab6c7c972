"""What a screening says of one row: every check that looked at it and what it said, and what nobody looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

CHECK_COLUMNS = ("check", "score", "p", "place", "sets it aside", "operating point")
NEAREST_COLUMNS = ("nearest row", "supplier", "class", "distance", "set aside")


@dataclass(frozen=True, slots=True)
class CheckSaid:
    """One check about one row.

    Attributes:
        looked: whether it looked at this row by itself; `reason` says why it did not.
        score: larger is worse, in the check's own unit; p: in (0, 1]; None where the check gives single rows none.
        rank: 1 for the worst of `of` rows looked at; `tied` others have the same score. set_aside: whether it would set the row aside.
        found: its findings that name the row. operating, alarms: where its line lies, and false alarms to expect there.
        precision: expected share of bad rows among those it set aside, or None where it has no calibrated expectation.
    """

    check: str
    looked: bool
    reason: str = ""
    score: float | None = None
    p: float | None = None
    rank: int | None = None
    of: int | None = None
    tied: int = 0
    set_aside: bool = False
    found: tuple[str, ...] = ()
    operating: str = ""
    alarms: str = ""
    precision: float | None = None

    def cells(self) -> tuple[str, ...]:
        """As a row of a table with `CHECK_COLUMNS`."""
        if self.rank is None or self.of is None:
            place = "gives single rows no score"
        else:
            order = f"{nth(self.rank)} of {self.of:,}" + (f", tied with {self.tied:,}" if self.tied else "")
            place = f"no order: the same score as {self.tied:,} of {self.of:,}" if 2 * self.tied > self.of else order
        score, p = ("" if v is None else f"{v:.3g}" for v in (self.score, self.p))
        return self.check, score, p, place, "yes" if self.set_aside else "no", self.operating


@dataclass(frozen=True, slots=True)
class HeadSaid:
    """A ridge head that never saw the row.

    Attributes:
        taught_by: whose rows taught it. accuracy: of it, 0 to 1, on the rows nothing was found about. likely: the three likeliest classes with
            their probabilities; label_probability: that of the label given. Probabilities are a softmax whose temperature was fitted to labels given.
    """

    taught_by: str
    accuracy: float
    likely: tuple[tuple[str, float], ...]
    label_probability: float

    def words(self, label: str) -> str:
        """For people: the likeliest classes, the label given, and how often it is right."""
        likely = ", ".join(f"{name} ({p:.0%})" for name, p in self.likely)
        return f"{likely}; the label given, {label}: {self.label_probability:.1%}; right on {self.accuracy:.0%} of rows"


@dataclass(frozen=True, slots=True)
class Standing:
    """Supplier or cell (`label` is then its class): combined p-value after correction, and whether it is named."""

    supplier: str
    label: str
    q: float
    named: bool
    why: str = ""

    def words(self) -> str:
        """For people."""
        name = f"{self.supplier}, {self.label}" if self.label else self.supplier
        return f"{name}: {'named' if self.named else 'not named'}, q = {self.q:.2g}" + (
            f"; {self.why}" if self.why else ""
        )


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another row. distance: between features, as a share of the median distance from this row to all others."""

    row: str
    supplier: str
    label: str
    distance: float
    set_aside: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that a screening says of one row.

    Attributes:
        row: its id. place: its position from 0. p: combined p-value, in (0, 1]; rank: 1 for the smallest of `of` rows.
        flagged: whether any check would set it aside. checks: in the battery's order. nearest: nearest first; alike: how many of them carry
            the same label. typical: the unflagged row nearest the middle of the class, or None. not_looked, cannot_tell: a line each.
    """

    row: str
    place: int
    supplier: Standing
    cell: Standing | None
    label: str
    flagged: bool
    p: float
    rank: int
    of: int
    checks: tuple[CheckSaid, ...]
    heads: tuple[HeadSaid, ...]
    features: str
    nearest: tuple[Neighbour, ...]
    typical: int | None
    not_looked: tuple[str, ...]
    cannot_tell: tuple[str, ...]

    @property
    def alike(self) -> int:
        """How many of the nearest rows carry the same label."""
        return sum(n.label == self.label for n in self.nearest)

    @property
    def whole(self) -> bool:
        """Whether every check that looks at single rows looked at this one."""
        return not self.not_looked

    def to_json(self) -> dict[str, Any]:
        """JSON object with every field."""
        return asdict(self) | {"alike": self.alike}

    @property
    def headline(self) -> str:
        """One line: the row, who delivered it as what, and what came of it."""
        word = "a check would set it aside" if self.flagged else "no check would set it aside"
        place = f"combined p = {self.p:.2g}, {nth(self.rank)} of {self.of:,} rows"
        return f"{self.row}, delivered by {self.supplier.supplier} as {self.label}: {word}; {place}"

    def check_rows(self) -> list[tuple[str, ...]]:
        """Cells of a table with `CHECK_COLUMNS`, one row for every check that looked."""
        return [c.cells() for c in self.checks if c.looked]

    def nearest_rows(self) -> list[tuple[str, ...]]:
        """Cells of a table with `NEAREST_COLUMNS`, nearest first."""
        return [(n.row, n.supplier, n.label, f"{n.distance:.2f}", "yes" if n.set_aside else "no") for n in self.nearest]

    def facts(self) -> list[tuple[str, str]]:
        """What stands beside the tables: name and words."""
        out = [("supplier", self.supplier.words())]
        out.append(("cell", self.cell.words() if self.cell else "not compared"))
        out += [(f"head of {h.taught_by}", h.words(self.label)) for h in self.heads]
        out.append(("nearest rows", f"{self.alike} of {len(self.nearest)} carry the same label"))
        return [*out, ("features", self.features)]

    def _repr_html_(self) -> str:
        """Tables for notebooks; every name is escaped."""
        parts = [f"<p>{escape(self.headline)}</p>", html_table(("", ""), self.facts())]
        parts += [html_table(CHECK_COLUMNS, self.check_rows()), html_table(NEAREST_COLUMNS, self.nearest_rows())]
        for title, lines in (("not looked at", self.not_looked), ("what this cannot tell", self.cannot_tell)):
            listed = "".join(f"<li>{escape(line)}</li>" for line in lines) or "<li>nothing</li>"
            parts.append(f"<p>{title}</p><ul>{listed}</ul>")
        return "".join(parts)


def nth(number: int) -> str:
    """``1st``, ``22nd``, ``5,181st``."""
    teen = 10 <= number % 100 <= 20
    return f"{number:,}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def html_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    """A table whose every cell is escaped."""
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
