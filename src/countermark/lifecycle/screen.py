"""Screen: look at the rows that are new, run the battery over all of them, sign what it found.

Pictures, rows of tables and clips are each compared with their like (`screen_parts`); one statement says what came of all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from countermark.checks.data._kept import Kept
from countermark.checks.data._work import Work
from countermark.checks.data.screening import Screening
from countermark.errors import Unusable
from countermark.lifecycle import book, rows
from countermark.lifecycle.contract import Contract
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.first_pass import first_pass, keep
from countermark.lifecycle.kinds import Kind
from countermark.lifecycle.own_features import LEARNT, Wanted
from countermark.lifecycle.rows import Row
from countermark.lifecycle.screen_others import Others
from countermark.lifecycle.screen_parts import Part, Unseen, named, outcomes
from countermark.lifecycle.screen_pictures import looks_at, pictures
from countermark.passport.slip import Slip
from countermark.statement.predicates.checked import SCREENING, Checked
from countermark.statement.statement import EVERYBODY, Statement
from countermark.workspace.kept import Kept as Store

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Looked:
    """What the battery says of the standing rows, before anybody signs it.

    Attributes:
        parts: one at least; that of the pictures first, where there are any. unseen: rows that are in no part, and why.
        rows: all of them, pictures first. dataset: the tree digest of these rows. work: on the pictures, None without any. kept: of all.
    """

    parts: tuple[Part, ...]
    unseen: tuple[Unseen, ...]
    rows: tuple[Row, ...]
    dataset: str
    work: Work | None
    kept: Kept

    @property
    def screening(self) -> Screening:
        """The first part's result: the only one where all rows are alike."""
        return self.parts[0].screening

    def flagged(self) -> list[str]:
        """Ids of the rows that the battery would set aside."""
        return [row_id for part in self.parts for row_id in part.flagged()]


@dataclass(frozen=True, slots=True)
class Screened:
    """A finished screening: what was seen, and the slip of its statement."""

    seen: Looked
    slip: Slip

    @property
    def screening(self) -> Screening:
        """As `Looked.screening`."""
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
    for part in seen.parts:
        for data in part.screening.exhibits.values():
            desk.space.put(data)
    with desk.space.lock():
        slip = book.enter(desk, desk.trust(), [desk.sign(_statement(desk, seen, seed))])[0]
    return Screened(seen, slip)


def look(
    desk: Desk, contract: Contract | None = None, *, seed: int = 0, refit: bool = False, wanted: Wanted = LEARNT,
    progress: Progress | None = None, schema: bytes | None = None, **how: Any,
) -> Looked:  # fmt: skip
    """Run the battery over every row of the standing deliveries; nothing is signed or entered.

    What an earlier screening looked at is not decoded or encoded again. One screening of a workspace runs at a time.

    Args:
        refit: learn features anew, and look at every row again. wanted: which features. schema: pandera's, of tables. how:
            `engine` and `tests`, as `battery.screen` takes them.

    Raises:
        Unusable: nothing was admitted, no two suppliers sent anything alike, or a schema, model or test set without rows that it is of.
        MissingExtra: the screen extra is absent. FormatRefused: a stored row is no longer read. As `Wanted.settled`, `Wanted.given` and
        `Others.screen`.
    """
    with desk.space.lock("screen.lock"):
        store = Store(desk.space)
        seen = first_pass(desk, store, seed, refit=refit, progress=progress)
        listed = (*seen.pictures, *seen.others)
        kinds = {row.kind for row in listed}
        _fits(kinds, schema, how.get("tests"))
        wanted = wanted.settled(kinds)
        selection, agreed = rows.select(desk, listed), (contract.rows or None) if contract else None
        others = Others(desk, selection, seen.kept, agreed, schema, seed, how.get("engine"), progress, wanted)
        read = [*others.read(seen.others)]
        forms = looks_at(seen) + sum(not isinstance(one, Unseen) for one in read)
        told = pictures(desk, agreed, seen, selection, wanted, forms, **how, seed=seed, progress=progress)
        told += (one if isinstance(one, Unseen) else others.screen(*one, forms) for one in read)
        parts, unseen = _apart(told)
        keep(desk, store, seen)
    return Looked(parts, unseen, listed, rows.tree_of_rows(listed).digest, seen.work, seen.kept)


def _fits(kinds: Collection[Kind], schema: bytes | None, tests: object | None) -> None:
    if schema is not None and "tables" not in kinds:
        raise Unusable("a schema describes columns", why="no rows of tables were admitted", mend="leave out --schema")
    if tests is not None and "pictures" not in kinds:
        raise Unusable("test sets are of pictures", why="no pictures were admitted", mend="leave out --test")


def _apart(told: Sequence[Part | Unseen]) -> tuple[tuple[Part, ...], tuple[Unseen, ...]]:
    parts = tuple(one for one in told if isinstance(one, Part))
    unseen = tuple(one for one in told if isinstance(one, Unseen))
    if not parts:
        raise Unusable(
            "two classes and two suppliers are needed to compare anything", why="; ".join(map(str, unseen))[:400],
            mend="receive deliveries of others with rows alike",
        )  # fmt: skip
    return parts, unseen


def _statement(desk: Desk, seen: Looked, seed: int) -> Statement:
    parts, work = seen.parts, seen.work
    facts = {
        "deliveries": sorted({r.delivery for r in seen.rows}),
        "rows": len(seen.rows),
        "seed": seed,
        "flagged": sorted(seen.flagged()),
        "named": named(parts),
        "cells": [{"supplier": c.supplier, "label": c.label, "p": c.p, "q": c.q} for part in parts for c in part.screening.cells if c.named],
        "abstained": sorted({label for part in parts for label in part.screening.abstained}),
        "features": seen.screening.features.to_json() | (_frame(work) if work else {}),
        "kept": _kept(seen.kept),
    } | _parts(seen)  # fmt: skip
    predicate = Checked(desk.context(EVERYBODY), outcomes(parts, seen.unseen), facts)
    return Statement("training data", seen.dataset, SCREENING, predicate.to_json())


def _parts(seen: Looked) -> dict[str, Any]:
    """What was compared with what, where not all rows are pictures, and what nobody looked at."""
    if not seen.unseen and [part.kind for part in seen.parts] == ["pictures"]:
        return {}
    return {"parts": [part.to_json() for part in seen.parts], "notLookedAt": [str(one) for one in seen.unseen]}


def _kept(kept: Kept) -> dict[str, Any]:
    return {kind: {"read": read, "computed": computed} for kind, (read, computed) in kept.counts.items()}


def _frame(work: Work) -> dict[str, Any]:
    """Which frame rows were put on, how well heads did when it was learnt, from how many rows, and why now, where it was."""
    if work.frozen is None:
        return {}
    told = {"frame": work.frozen.frame.digest, "learnt": work.frozen.accuracy, "learntFrom": work.frozen.rows}
    return told | ({"why": work.why} if work.why else {})
