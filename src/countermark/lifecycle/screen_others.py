"""Rows that are no pictures: read form by form, and each form screened beside all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from countermark.checks.data._given import Beside, Known
from countermark.checks.data._kept import Kept
from countermark.checks.data.screening import Screening
from countermark.errors import Unusable
from countermark.formats.limits import OverLimit
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.kept_rows import blocks_of
from countermark.lifecycle.kinds import Kind
from countermark.lifecycle.other_rows import Sheet, Sounds, sheets, sounds
from countermark.lifecycle.own_features import LEARNT, Wanted
from countermark.lifecycle.rows import Row, Selection
from countermark.lifecycle.screen_parts import ALONE, Part, Unseen, comparable

_READ: dict[Kind, Callable[[Desk, Sequence[Row], Kept], Sequence[Sheet | Sounds]]] = {"tables": sheets, "clips": sounds}
Progress = Callable[[str, float], None]


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
