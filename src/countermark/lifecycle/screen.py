"""Screen: look at the rows that are new, run the battery over all of them, sign what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from countermark.checks.data._work import Work
from countermark.checks.data.battery import screen as run_battery
from countermark.checks.data.screening import Screening
from countermark.errors import FormatRefused
from countermark.finding import outcome_to_json
from countermark.formats.decode import Decoder
from countermark.lifecycle import book, rows
from countermark.lifecycle.contract import BATCH, Contract
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.first_pass import first_pass, keep
from countermark.lifecycle.rows import Row
from countermark.passport.slip import Slip
from countermark.statement.predicates.checked import SCREENING, Checked
from countermark.statement.statement import EVERYBODY, Statement
from countermark.workspace.kept import Kept

Progress = Callable[[str, float], None]
PIXELS = (64, 64)


@dataclass(frozen=True, slots=True)
class Screened:
    """A finished screening: the battery's result, the rows it saw, and the slip of its statement."""

    screening: Screening
    rows: tuple[Row, ...]
    dataset: str
    slip: Slip

    def flagged(self) -> list[str]:
        """Ids of the rows that the battery would set aside."""
        return [row.id for row, bad in zip(self.rows, self.screening.row_flagged, strict=True) if bad]


def screen(
    desk: Desk, contract: Contract | None = None, *, seed: int = 0, refit: bool = False,
    progress: Progress | None = None, engine: Any = None,
) -> Screened:  # fmt: skip
    """Screen every row of the standing deliveries; the statement is signed and logged.

    Rows that an earlier screening looked at are not decoded or encoded again. One screening of a workspace runs at a time.

    Args:
        refit: learn features anew, and look at every row again.

    Raises:
        Unusable: nothing was admitted. MissingExtra: the screen extra is absent. FormatRefused: a stored picture
        no longer decodes.
    """
    with desk.space.lock("screen.lock"):
        store = Kept(desk.space)
        listed, work = first_pass(desk, store, seed, refit=refit, progress=progress)
        result = _battery(desk, contract, listed, work, seed=seed, progress=progress, engine=engine)
        keep(desk, store, work)
    for data in result.exhibits.values():
        desk.space.put(data)
    dataset = rows.tree_of_rows(listed).digest
    with desk.space.lock():
        slip = book.enter(desk, desk.trust(), [desk.sign(_statement(desk, result, (listed, work), dataset, seed))])[0]
    return Screened(result, listed, dataset, slip)


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
        delivered=[r.label for r in listed],
        aside=[r.id in selection.aside for r in listed],
        work=work,
        **how,
    )


def decode(pictures: Sequence[bytes], names: Sequence[str], progress: Progress | None = None) -> Any:
    """Pixels of all rows: uint8 (n, 64, 64, 3), decoded in a confined child.

    Raises:
        FormatRefused: a picture does not decode. MissingExtra: NumPy or Pillow is absent.
    """
    parts = []
    with Decoder() as decoder:
        for start in range(0, len(pictures), BATCH):
            done = decoder.batch(pictures[start : start + BATCH], PIXELS)
            for name, error in zip(names[start:], done.errors, strict=False):
                if error:
                    raise FormatRefused(
                        f"{name} does not decode", why=error, mend="reject the row, or receive it again"
                    )
            parts.append(done.pixels)
            if progress:
                progress("decode", min(1.0, (start + BATCH) / len(pictures)))
    import numpy as np

    return np.concatenate(parts)


def _statement(desk: Desk, result: Screening, seen: tuple[Sequence[Row], Work], dataset: str, seed: int) -> Statement:
    listed, work = seen
    checks = {
        check_id: outcome_to_json(report.outcome) | {"version": report.version, "code": report.code}
        for check_id, report in result.checks.items()
    }
    facts = {
        "deliveries": sorted({r.delivery for r in listed}),
        "rows": len(listed),
        "seed": seed,
        "flagged": sorted(r.id for r, bad in zip(listed, result.row_flagged, strict=True) if bad),
        "named": [{"supplier": s.id, "p": s.p, "q": s.q, "why": s.why} for s in result.suppliers if s.named],
        "cells": [{"supplier": c.supplier, "label": c.label, "p": c.p, "q": c.q} for c in result.cells if c.named],
        "abstained": sorted(result.abstained),
        "features": result.features.to_json() | _frame(work),
        "kept": {kind: {"read": read, "computed": computed} for kind, (read, computed) in work.kept.counts.items()},
    }
    predicate = Checked(desk.context(EVERYBODY), checks, facts)
    return Statement("training data", dataset, SCREENING, predicate.to_json())


def _frame(work: Work) -> dict[str, Any]:
    """Which frame rows were put on, how well heads did when it was learnt, from how many rows, and why now, where it was."""
    if work.frozen is None:
        return {}
    told = {"frame": work.frozen.frame.digest, "learnt": work.frozen.accuracy, "learntFrom": work.frozen.rows}
    return told | ({"why": work.why} if work.why else {})
