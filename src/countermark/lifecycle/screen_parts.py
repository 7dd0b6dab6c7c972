"""Parts of a screening: rows of one form are compared with each other, and what nobody could look at is named.

Every form's p-values are adjusted over all forms of the screening, so that anybody is named in at most 5 % of clean ones.

A statement has one outcome for each check. Where several parts were checked, the worst of theirs is it, with the findings of all;
where rows were not looked at, every check that would have to is `skipped`: nothing passes that was not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from countermark.checks.data._content import Kind as ContentKind
from countermark.checks.data._given import Beside, Known
from countermark.checks.data._kept import Kept
from countermark.checks.data.battery import CHECKS
from countermark.checks.data.screening import Screening
from countermark.errors import Unusable
from countermark.formats.limits import OverLimit
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.kept_rows import blocks_of
from countermark.lifecycle.kinds import Kind
from countermark.lifecycle.other_rows import Sheet, Sounds, sheets, sounds
from countermark.lifecycle.own_features import LEARNT, Wanted
from countermark.lifecycle.rows import Row, Selection

LEAST = 2
ALONE = "two suppliers and two classes of rows alike are needed to compare anything"
OF: dict[Kind, ContentKind] = {"pictures": "pictures", "tables": "table", "clips": "signals"}
_ORDER = ("failed", "skipped", "found", "passed")
_READ: dict[Kind, Callable[[Desk, Sequence[Row], Kept], Sequence[Sheet | Sounds]]] = {"tables": sheets, "clips": sounds}
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one form, and what the battery says of them. form: in words."""

    kind: Kind
    form: str
    rows: tuple[Row, ...]
    screening: Screening

    def flagged(self) -> list[str]:
        """Ids of the rows that the battery would set aside."""
        return [row.id for row, bad in zip(self.rows, self.screening.row_flagged, strict=True) if bad]

    def to_json(self) -> dict[str, Any]:
        """As it stands among the facts of a statement."""
        return {"kind": self.kind, "form": self.form, "rows": len(self.rows), "suppliers": len({r.supplier for r in self.rows}),
                "features": self.screening.features.to_json()}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unseen:
    """Rows that were admitted and that nobody could look at, and why."""

    kind: Kind
    rows: tuple[Row, ...]
    why: str

    def __str__(self) -> str:
        suppliers = sorted({row.supplier for row in self.rows})
        more = f" and {len(suppliers) - 5} more" if len(suppliers) > 5 else ""
        return f"{len(self.rows)} rows ({self.kind}) of {', '.join(suppliers[:5])}{more}: {self.why}"


def comparable(some: Sequence[Row]) -> bool:
    """Whether there is anybody to compare with."""
    return min(len({row.supplier for row in some}), len({row.label for row in some})) >= LEAST


@dataclass(frozen=True)
class Others:
    """How rows that are no pictures are read and screened.

    Attributes:
        selection: decisions about them. kept: what earlier screenings left. contract: supplier -> class -> rows agreed. schema: pandera's, of tables.
        engine: for clips. seed: of folds and features. wanted: models of them.
    """

    desk: Desk
    selection: Selection
    kept: Kept
    contract: dict[str, dict[str, int]] | None = None
    schema: bytes | None = None
    seed: int = 0
    engine: Any = None
    progress: Progress | None = None
    wanted: Wanted = LEARNT

    def read(self, listed: Sequence[Row]) -> Iterator[tuple[Kind, Sheet | Sounds] | Unseen]:
        """Each form of these rows by itself: content that can be screened, or why it can not.

        Raises:
            As `sheets` and `sounds`, limits apart.
        """
        for kind, read in _READ.items():
            if mine := tuple(row for row in listed if row.kind == kind):
                try:
                    found = read(self.desk, mine, self.kept)
                except OverLimit as error:
                    yield Unseen(kind, mine, error.what)
                    continue
                for some in found:
                    why = self._why_not(some)
                    yield Unseen(kind, some.rows, why) if why else (kind, some)

    def _why_not(self, some: Sheet | Sounds) -> str:
        if isinstance(some, Sheet) and not some.columns:
            return "no column is left that says something of a row"
        alone = not comparable(self._labelled(some.rows))
        return f"{ALONE}; these are {some.form} like nobody else's" if alone else ""

    def screen(self, kind: Kind, some: Sheet | Sounds, forms: int) -> Part:
        """The battery over one form of `forms` in all.

        Raises:
            As `screen_table`, `screen_signals` and `Wanted.encoder`. Unusable: a model of columns that stand in several orders.
        """
        result = self._table(some, forms) if isinstance(some, Sheet) else self._signals(some, forms)
        return Part(kind, some.form, some.rows, result)

    def _labelled(self, some: Sequence[Row]) -> list[Row]:
        decided = self.selection.relabelled
        return [replace(row, label=decided.get(row.id, row.label)) for row in some]

    def _names(self, some: Sequence[Row]) -> tuple[list[str], list[str], list[str]]:
        return [r.label for r in self._labelled(some)], [r.supplier for r in some], [r.id for r in some]

    def _known(self, some: Sequence[Row], forms: int) -> Known:
        return Known([r.label for r in some], [r.id in self.selection.aside for r in some], forms=forms)

    def _table(self, some: Sheet, forms: int) -> Screening:
        from countermark.checks.data.screen_table import screen_rows

        beside = Beside([r.delivery for r in some.rows], known=self._known(some.rows, forms))
        encoder = self.wanted.encoder("tables")
        return screen_rows(some.columns, self._names(some.rows), schema=self.schema, contract=self.contract, seed=self.seed,
                           encoder=encoder, encoder_columns=self._taken(some) if encoder else (), beside=beside,
                           progress=self.progress)  # fmt: skip

    def _taken(self, some: Sheet) -> tuple[str, ...]:
        """Names of the columns that a model takes, in its order."""
        if not (self.wanted.columns or some.order):
            raise Unusable(
                "these tables have their columns in several orders",
                mend="--model-column NAME for each that the model takes, in its order",
            )
        numbers = {column.name for column in some.columns if column.kind == "number"}
        return self.wanted.columns or tuple(name for name in some.order if name in numbers)

    def _signals(self, some: Sounds, forms: int) -> Screening:
        from countermark.checks.data.screen_signals import screen_signals

        labels, suppliers, ids = self._names(some.rows)
        return screen_signals(some.clips, labels, suppliers, rate=some.rates, ids=ids, deliveries=[r.delivery for r in some.rows],
                              contract=self.contract, seed=self.seed, engine=self.engine, progress=self.progress,
                              encoder=self.wanted.encoder("clips"),
                              known=replace(self._known(some.rows, forms), kept=self.kept, blocks=blocks_of(some.rows)))  # fmt: skip


def outcomes(parts: Sequence[Part], unseen: Sequence[Unseen]) -> dict[str, dict[str, Any]]:
    """Outcome of each check for a statement, as `CheckReport.to_json` writes one."""
    said: dict[str, list[tuple[Part, dict[str, Any]]]] = {}
    for part in parts:
        for name, report in part.screening.checks.items():
            said.setdefault(name, []).append((part, report.to_json()))
    out = {name: some[0][1] if len(parts) == 1 else _merged(some) for name, some in said.items()}
    for one in unseen:
        for check in CHECKS:
            if OF[one.kind] in check.of:
                before = out.get(check.id, {"measures": [], "version": check.version, "code": check.code})
                why = "; ".join(filter(None, (before.get("reason"), f"not looked at: {one}")))
                out[check.id] = before | {
                    "outcome": "failed" if before.get("outcome") == "failed" else "skipped",
                    "reason": why,
                }
    return out


def _merged(some: Sequence[tuple[Part, dict[str, Any]]]) -> dict[str, Any]:
    """The worst outcome, and what each part adds to it."""
    worst = min((one for _, one in some), key=lambda one: _ORDER.index(one["outcome"]))
    out = {name: value for name, value in worst.items() if name not in ("expectedPrecision", "expectedRecall")}
    out["measures"] = [m | {"name": f"{part.form}: {m['name']}"} for part, one in some for m in one["measures"]]
    out["setAside"] = sum(one["setAside"] for _, one in some)
    for name in ("findings", "leftOut"):
        if every := [line for _, one in some for line in one.get(name, [])]:
            out[name] = every
    for name in ("reason", "error"):
        if told := [f"{part.form}: {one[name]}" for part, one in some if name in one]:
            out[name] = "; ".join(told)
    return out


def named(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Suppliers that any part names, each once, with the smaller p and q, which are adjusted over all parts, and the reasons of all."""
    out: dict[str, dict[str, Any]] = {}
    for part in parts:
        for s in part.screening.suppliers:
            if s.named:
                why = s.why if len(parts) == 1 else f"{part.form}: {s.why}"
                before = out.get(s.id)
                out[s.id] = {"supplier": s.id, "p": s.p, "q": s.q, "why": why} if before is None else {
                    "supplier": s.id, "p": min(s.p, before["p"]), "q": min(s.q, before["q"]), "why": f"{before['why']}; {why}",
                }  # fmt: skip
    return list(out.values())
