"""Rows of several forms in one screening: who is just below the line in one form alone is not named beside another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import made_up_sounds
import made_up_tables
import many_deliveries
import numpy as np
import own_networks
from core_world import OWNER, World
from tables_and_clips import clips_of, table_of

from countermark.checks.data import _combine
from countermark.cli._explain import explained
from countermark.cli._screened import told
from countermark.cli.screen import _facts, _results
from countermark.errors import Unusable
from countermark.features.columns import Column
from countermark.lifecycle import review
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.other_rows import Sheet
from countermark.lifecycle.own_features import Wanted
from countermark.lifecycle.receive import nothing_more, receive
from countermark.lifecycle.rows import Selection
from countermark.lifecycle.screen import Screened, look, screen
from countermark.lifecycle.screen_others import Others

LIAR = "lab-03"
LABS = tuple(f"lab-{n:02}" for n in range(6))
MEASURED = made_up_tables.honest(3, suppliers=6, rows=60)
MEASURED.numbers[:, :2] = np.nan_to_num(MEASURED.numbers[:, :2])
TABLE = made_up_tables.flipped(MEASURED, LIAR, share=0.3)
HONEST = made_up_sounds.honest(1, suppliers=6, rows=8, classes=2, seconds=0.05)
SOUNDS = replace(HONEST, supplier=np.char.replace(HONEST.supplier, "site", "lab"))


def sent(world: World, *, clips: bool) -> None:
    """Every lab delivers its table, or its clips."""
    for lab in LABS:
        place = (
            clips_of(SOUNDS, lab, world.root / lab / "clips")
            if clips
            else table_of(TABLE, lab, world.root / lab / "t.parquet")
        )
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
    assert any(
        m.name == "expected wrong accusations of suppliers" and m.value == share for m in report.outcome.measures
    )
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
    by_own_models(world, tmp_path)


def by_own_models(world: World, place: Path) -> None:
    """Each kind of rows by a model of its own: columns as named, clips cut to its length; no model of any rows, of pictures, or of missing cells."""
    (place / "values.onnx").write_bytes(own_networks.flat([None, 2])[0])
    (place / "sounds.onnx").write_bytes(own_networks.flat([None, 1, 500])[0])
    models: dict[Any, Path] = {"tables": place / "values.onnx", "clips": place / "sounds.onnx"}
    seen = look(world[OWNER], wanted=Wanted(models=models, columns=("x01", "x00")))
    said = [part.screening.features.name for part in seen.parts]
    assert "values.onnx" in said[0] and "2 columns" in said[0]
    assert "sounds.onnx" in said[1] and "(48 cut, 0 padded with zeros)" in said[1]
    straight = look(world[OWNER], wanted=Wanted(models={"tables": models["tables"]}, columns=("x00", "x01")))
    rows = [one.parts[0].screening.seen.heads.features for one in (seen, straight)]
    assert not np.array_equal(*rows) and straight.parts[1].screening.features.name.startswith("summary statistics")
    for wrong, words in (
        (Wanted(models={"any": models["clips"]}), "for which rows"), (Wanted(models={"pictures": models["clips"]}), "model or network of pictures"),
        (Wanted(models={"tables": models["tables"]}), r"takes \(n, 2\), and these are 8 columns|no number that a model can take"),
        (Wanted(columns=("x00",)), "no model"), (Wanted("net"), "model or network of pictures"),
    ):  # fmt: skip
        with pytest.raises(Unusable, match=words):
            look(world[OWNER], wanted=wrong)


def test_columns_in_several_orders_have_to_be_named() -> None:
    columns = tuple(Column(name, "number", np.zeros(2)) for name in "abc")
    select = Selection((), frozenset(), {}, frozenset())
    others = Others(None, select, None)  # type: ignore[arg-type]
    assert others._taken(Sheet((), columns, ("c", "a", "b"))) == ("c", "a", "b")
    with pytest.raises(Unusable, match="several orders"):
        others._taken(Sheet((), columns))
    assert replace(others, wanted=Wanted(columns=("b",)))._taken(Sheet((), columns)) == ("b",)
