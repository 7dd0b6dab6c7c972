"""Rows of several forms in one screening: who is just below the line in one form alone is not named beside another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

import made_up_sounds
import made_up_tables
import many_deliveries
import numpy as np
from core_world import OWNER, World
from tables_and_clips import clips_of, table_of

from countermark.checks.data import _combine
from countermark.cli._explain import explained
from countermark.cli._screened import told
from countermark.cli.screen import _facts, _results
from countermark.lifecycle import review
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.receive import nothing_more, receive
from countermark.lifecycle.screen import Screened, screen

LIAR = "lab-03"
LABS = tuple(f"lab-{n:02}" for n in range(6))
TABLE = made_up_tables.flipped(made_up_tables.honest(2, suppliers=6, rows=60), LIAR, share=0.45)
HONEST = made_up_sounds.honest(1, suppliers=6, rows=8, classes=2, seconds=0.05)
SOUNDS = replace(HONEST, supplier=np.char.replace(HONEST.supplier, "site", "lab"))


def sent(world: World, *, clips: bool) -> None:
    """Every lab delivers its table, or its clips."""
    for lab in LABS:
        place = clips_of(SOUNDS, lab, world.root / lab / "clips") if clips else table_of(TABLE, lab, world.root / lab / "t.parquet")
        deliver(world[lab], place, addressee=OWNER)
        examine = nothing_more if clips else Door(Contract())
        assert receive(world[OWNER], place, examine=examine).state == "admitted"


def agree(world: World, done: Screened, part: int) -> tuple[float, float, bool]:
    """p, q and whether the liar is named, which the result, the finding, the statement, the answer and `--explain` say alike."""
    seen = done.seen.parts[part].screening
    mine = next(s for s in seen.suppliers if s.id == LIAR)
    report = seen.checks["data/label-errors"]
    assert report.supplier_p is not None and report.supplier_p[seen.seen.suppliers.index(LIAR)] == mine.p
    accused = [f for f in seen.findings if f.check == "data/label-errors" and f.where.supplier == LIAR]
    assert bool(accused) is mine.named is (mine.q < _combine.ALPHA)
    assert all(f"adjusted p = {mine.p:.2g}" in f.why for f in accused)
    _, said = review.newest_screening(world[OWNER])
    expected = [{"supplier": LIAR, "p": mine.p, "q": mine.q}] if mine.named else []
    assert [{k: n[k] for k in ("supplier", "p", "q")} for n in said.facts["named"]] == expected
    answer = told(_results(done.seen), {"flagged": done.flagged()} | _facts(done.seen))
    assert [{k: n[k] for k in ("supplier", "p", "q")} for n in answer.facts["named"]] == expected
    row = next(row.id for row in done.seen.parts[part].rows if row.supplier == LIAR)
    why = explained(_results(done.seen), [row], _facts(done.seen), None).facts["rows"][0]["supplier"]
    assert (why["q"], why["named"]) == (mine.q, mine.named)
    share = _combine.SHARE / len(done.seen.parts)
    assert any(m.name == "expected wrong accusations of suppliers" and m.value == share for m in report.outcome.measures)
    return mine.p, mine.q, mine.named


@pytest.mark.slow
def test_the_bound_holds_over_all_forms(tmp_path: Path) -> None:
    """A lab whose table alone is just below the line is named by it, and not once clips of all are screened beside it."""
    world = many_deliveries.join(tmp_path / "world", LABS, {*TABLE.label, *SOUNDS.label})
    sent(world, clips=False)
    p, q, named = agree(world, screen(world[OWNER]), 0)
    assert named and _combine.ALPHA / 2 < q < _combine.ALPHA
    sent(world, clips=True)
    beside = screen(world[OWNER])
    assert [part.kind for part in beside.seen.parts] == ["tables", "clips"]
    assert agree(world, beside, 0) == (2 * p, pytest.approx(2 * q), False)
    assert not any(row.startswith("lab") for row in beside.flagged())
    assert LIAR not in {n["supplier"] for n in review.newest_screening(world[OWNER])[1].facts["named"]}
