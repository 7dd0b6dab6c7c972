"""Screen: look at the rows that are new, run the battery over all of them, sign what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from countermark.checks.data._given import Known
from countermark.checks.data._work import Work
from countermark.checks.data.battery import screen as run_battery
from countermark.checks.data.screening import Screening
from countermark.lifecycle import book, rows
from countermark.lifecycle.contract import Contract
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.first_pass import first_pass, keep
from countermark.lifecycle.own_features import LEARNT, Wanted
from countermark.lifecycle.pixels import decoded
from countermark.lifecycle.rows import Row
from countermark.passport.slip import Slip
from countermark.statement.predicates.checked import SCREENING, Checked
from countermark.statement.statement import EVERYBODY, Statement
from countermark.workspace.kept import Kept

Progress = Callable[[str, float], None]
PIXELS = (64, 64)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the battery says of the standing rows, before anybody signs it; dataset: the tree digest of these rows."""

    screening: Screening
    rows: tuple[Row, ...]
    dataset: str
    work: Work

    def flagged(self) -> list[str]:
        """Ids of the rows that the battery would set aside."""
        return [row.id for row, bad in zip(self.rows, self.screening.row_flagged, strict=True) if bad]


@dataclass(frozen=True, slots=True)
class Screened:
    """A finished screening: what was seen, and the slip of its statement."""

    seen: Looked
    slip: Slip

    @property
    def screening(self) -> Screening:
        """The battery's result."""
        return self.seen.screening

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows it saw."""
        return self.seen.rows

    @property
    def dataset(self) -> str:
        """Tree digest of these rows."""
        return self.seen.dataset

    def flagged(self) -> list[str]:
        """Ids of the rows that the battery would set aside."""
        return self.seen.flagged()


def screen(desk: Desk, contract: Contract | None = None, *, seed: int = 0, **how: Any) -> Screened:
    """Screen every row of the standing deliveries; the statement is signed and logged.

    Args:
        how: as `look` takes it.

    Raises:
        As `look`.
    """
    seen = look(desk, contract, seed=seed, **how)
    for data in seen.screening.exhibits.values():
        desk.space.put(data)
    with desk.space.lock():
        slip = book.enter(desk, desk.trust(), [desk.sign(_statement(desk, seen, seed))])[0]
    return Screened(seen, slip)


def look(
    desk: Desk, contract: Contract | None = None, *, seed: int = 0, refit: bool = False, wanted: Wanted = LEARNT,
    progress: Progress | None = None, **how: Any,
) -> Looked:  # fmt: skip
    """Run the battery over every row of the standing deliveries; nothing is signed or entered.

    Rows that an earlier screening looked at are not decoded or encoded again. One screening of a workspace runs at a time.

    Args:
        refit: learn features anew, and look at every row again. wanted: which features. how: `engine` and `tests`, as
            `battery.screen` takes them.

    Raises:
        Unusable: nothing was admitted. MissingExtra: the screen extra is absent. FormatRefused: a stored picture
        no longer decodes. As `Wanted.given`.
    """
    with desk.space.lock("screen.lock"):
        store = Kept(desk.space)
        listed, work = first_pass(desk, store, seed, refit=refit, progress=progress)
        given = None if wanted.model is None else _given(desk, listed, wanted, progress)
        how |= {"seed": seed, "progress": progress, "model": given, "features": wanted.kind}
        result = _battery(desk, contract, listed, work, **how)
        keep(desk, store, work)
    return Looked(result, listed, rows.tree_of_rows(listed).digest, work)


def _given(desk: Desk, listed: Sequence[Row], wanted: Wanted, progress: Progress | None) -> Any:
    """Features of the user's own model, which sees pictures as they were delivered."""
    content = rows.all_rows(desk)
    return wanted.given([content[r] for r in listed], [r.id for r in listed], progress)


def _battery(desk: Desk, contract: Contract | None, listed: Sequence[Row], work: Work, **how: Any) -> Screening:
    selection = rows.select(desk, listed)
    relabelled = selection.relabelled
    return run_battery(
        work.look.pixels,
        [relabelled.get(r.id, r.label) for r in listed],
        [r.supplier for r in listed],
        deliveries=[r.delivery for r in listed],
        ids=[r.id for r in listed],
        contract=contract.rows if contract and contract.rows else None,
        known=Known([r.label for r in listed], [r.id in selection.aside for r in listed], work=work),
        **how,
    )


def decode(pictures: Sequence[bytes], names: Sequence[str], progress: Progress | None = None) -> Any:
    """Pixels of all rows: uint8 (n, 64, 64, 3), decoded in a confined child.

    Raises:
        FormatRefused: a picture does not decode. MissingExtra: NumPy or Pillow is absent.
    """
    import numpy as np

    told = (lambda done: progress("decode", done)) if progress else None
    return np.concatenate(list(decoded(pictures, names, PIXELS, told)))


def _statement(desk: Desk, seen: Looked, seed: int) -> Statement:
    result, work = seen.screening, seen.work
    facts = {
        "deliveries": sorted({r.delivery for r in seen.rows}),
        "rows": len(seen.rows),
        "seed": seed,
        "flagged": sorted(seen.flagged()),
        "named": [{"supplier": s.id, "p": s.p, "q": s.q, "why": s.why} for s in result.suppliers if s.named],
        "cells": [{"supplier": c.supplier, "label": c.label, "p": c.p, "q": c.q} for c in result.cells if c.named],
        "abstained": sorted(result.abstained),
        "features": result.features.to_json() | _frame(work),
        "kept": {kind: {"read": read, "computed": computed} for kind, (read, computed) in work.kept.counts.items()},
    }
    checks = {check_id: report.to_json() for check_id, report in result.checks.items()}
    predicate = Checked(desk.context(EVERYBODY), checks, facts)
    return Statement("training data", seen.dataset, SCREENING, predicate.to_json())


def _frame(work: Work) -> dict[str, Any]:
    """Which frame rows were put on, how well heads did when it was learnt, from how many rows, and why now, where it was."""
    if work.frozen is None:
        return {}
    told = {"frame": work.frozen.frame.digest, "learnt": work.frozen.accuracy, "learntFrom": work.frozen.rows}
    return told | ({"why": work.why} if work.why else {})
