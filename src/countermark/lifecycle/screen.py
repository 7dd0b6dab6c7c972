"""Screen: decode the admitted rows, run the battery over all of them, sign what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from countermark.checks.data.battery import screen as run_battery
from countermark.checks.data.screening import Screening
from countermark.errors import Unusable
from countermark.lifecycle import book, rows
from countermark.lifecycle.contract import Contract
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.own_features import LEARNT, Wanted
from countermark.lifecycle.pixels import decoded
from countermark.lifecycle.rows import Row
from countermark.passport.slip import Slip
from countermark.statement.predicates.checked import SCREENING, Checked
from countermark.statement.statement import EVERYBODY, Statement

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


@dataclass(frozen=True, slots=True)
class Looked:
    """What the battery says of the standing rows, before anybody signs it; dataset: the tree digest of these rows."""

    screening: Screening
    rows: tuple[Row, ...]
    dataset: str


def screen(
    desk: Desk, contract: Contract | None = None, *, seed: int = 0, progress: Progress | None = None, engine: Any = None,
    wanted: Wanted = LEARNT, tests: Any = None,
) -> Screened:  # fmt: skip
    """Screen every row of the standing deliveries; the statement is signed and logged.

    Args:
        tests: pictures of a test set and their names, as `battery.screen` takes them.

    Raises:
        As `look`.
    """
    seen = look(desk, contract, seed=seed, progress=progress, engine=engine, wanted=wanted, tests=tests)
    for data in seen.screening.exhibits.values():
        desk.space.put(data)
    statement = _statement(desk, seen.screening, seen.rows, seen.dataset, seed)
    with desk.space.lock():
        slip = book.enter(desk, desk.trust(), [desk.sign(statement)])[0]
    return Screened(seen.screening, seen.rows, seen.dataset, slip)


def look(
    desk: Desk, contract: Contract | None = None, *, seed: int = 0, progress: Progress | None = None, engine: Any = None,
    wanted: Wanted = LEARNT, tests: Any = None,
) -> Looked:  # fmt: skip
    """Run the battery over every row of the standing deliveries; nothing is signed, kept or entered.

    Raises:
        Unusable: nothing was admitted. MissingExtra: the screen extra is absent. FormatRefused: a stored picture
        no longer decodes. As `Wanted.given`.
    """
    content = rows.all_rows(desk)
    listed = tuple(content)
    if not listed:
        raise Unusable("there are no rows to screen", mend="`countermark receive DIR`")
    selection = rows.select(desk, listed)
    relabelled = selection.relabelled
    files, ids = [content[r] for r in listed], [r.id for r in listed]
    given = wanted.given(files, ids, progress)
    result = run_battery(
        decode(files, ids, progress),
        [relabelled.get(r.id, r.label) for r in listed],
        [r.supplier for r in listed],
        model=given,
        features=wanted.kind,
        deliveries=[r.delivery for r in listed],
        ids=ids,
        contract=contract.rows if contract and contract.rows else None,
        delivered=[r.label for r in listed],
        aside=[r.id in selection.aside for r in listed],
        files=files,
        tests=tests,
        seed=seed,
        engine=engine,
        progress=progress,
    )
    return Looked(result, listed, rows.tree_of_rows(listed).digest)


def decode(pictures: Sequence[bytes], names: Sequence[str], progress: Progress | None = None) -> Any:
    """Pixels of all rows: uint8 (n, 64, 64, 3), decoded in a confined child.

    Raises:
        FormatRefused: a picture does not decode. MissingExtra: NumPy or Pillow is absent.
    """
    import numpy as np

    told = (lambda done: progress("decode", done)) if progress else None
    return np.concatenate(list(decoded(pictures, names, PIXELS, told)))


def _statement(desk: Desk, result: Screening, listed: Sequence[Row], dataset: str, seed: int) -> Statement:
    checks = {check_id: report.to_json() for check_id, report in result.checks.items()}
    facts = {
        "deliveries": sorted({r.delivery for r in listed}),
        "rows": len(listed),
        "seed": seed,
        "flagged": sorted(r.id for r, bad in zip(listed, result.row_flagged, strict=True) if bad),
        "named": [{"supplier": s.id, "p": s.p, "q": s.q, "why": s.why} for s in result.suppliers if s.named],
        "cells": [{"supplier": c.supplier, "label": c.label, "p": c.p, "q": c.q} for c in result.cells if c.named],
        "abstained": sorted(result.abstained),
        "features": result.features.to_json(),
    }
    predicate = Checked(desk.context(EVERYBODY), checks, facts)
    return Statement("training data", dataset, SCREENING, predicate.to_json())
