"""Tables and clips go the way that pictures go: delivered, received, screened, explained, reviewed, set aside, left out of training."""

from __future__ import annotations

import json
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

from countermark.artefact.folder import read_folder
from countermark.lifecycle import letters, review, rows
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.receive import nothing_more, receive

LIAR = "lab-03"
LABS = tuple(f"lab-{n:02}" for n in range(6))
TABLE = made_up_tables.flipped(made_up_tables.honest(1, suppliers=6, rows=60), LIAR, share=0.6)
_SOUNDS = made_up_sounds.honest(1, suppliers=6, rows=24, classes=3, seconds=0.25)
SOUNDS = made_up_sounds.flipped(
    replace(_SOUNDS, supplier=np.char.replace(_SOUNDS.supplier, "site", "lab")), LIAR, share=0.6
)


def test_the_one_way(tmp_path: Path, shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A liar among six labs is named by its table and by its clips, its rows alone are set aside, and nobody else is accused."""
    world = many_deliveries.join(tmp_path / "world", LABS, {*TABLE.label, *SOUNDS.label})
    monkeypatch.chdir(tmp_path)
    _deliver(world)
    at = world[OWNER].space.root.relative_to(shell.here).as_posix()
    said = shell("screen", "--json", at=at, exit=1).json()
    assert [n["supplier"] for n in said["named"]] == [LIAR, LIAR]
    tables, clips = said["parts"]
    assert (tables["form"], tables["rows"], clips["form"], clips["rows"]) == (
        "tables of 9 columns",
        360,
        "clips of 1 channels",
        144,
    )
    assert not any("could not be looked at" in line for line in said["not_looked_at"])
    _flags_are_the_planted_rows(world, said["flagged"])
    _statement(world)
    row = next(i for i in said["flagged"] if i.endswith(".json"))
    clip = next(i for i in said["flagged"] if i.endswith(".wav"))
    told = shell("screen", "--explain", row, "--explain", clip, at=at, exit=1).out
    assert f"{row} is measurements.parquet, row {int(row[-13:-5])}" in told and f"delivered by {LIAR}" in told
    assert f"{clip}, delivered by {LIAR}" in told
    _people(world, shell, at)
    shell("quarantine", "--from-screening", at=at)
    _training(world, said["flagged"], tmp_path / "handover")


def _deliver(world: World) -> None:
    for lab in LABS:
        for write, data, name in ((table_of, TABLE, "measurements.parquet"), (clips_of, SOUNDS, "clips")):
            place = write(data, lab, world.root / lab / name)  # type: ignore[operator]
            deliver(world[lab], place, addressee=OWNER)
            answer = receive(
                world[OWNER], place, examine=Door(Contract()) if name != "clips" or lab == LIAR else nothing_more
            )
            assert answer.state == "admitted", answer.reasons
        world.clock.move(minutes=5)


def _flags_are_the_planted_rows(world: World, flagged: list[str]) -> None:
    by_id = {row.id: row for row in rows.listed(world[OWNER])}
    mine = np.flatnonzero(TABLE.supplier == LIAR)
    right = 0
    for row in (by_id[i] for i in flagged):
        at = mine[int(row.key)] if row.kind == "tables" else int(Path(row.entry.path).stem)
        right += (TABLE if row.kind == "tables" else SOUNDS).planted[at]
    assert len(flagged) >= 28 and right / len(flagged) >= 0.85
    assert {by_id[i].kind for i in flagged} == {"tables", "clips"}


def _statement(world: World) -> None:
    _, said = review.newest_screening(world[OWNER])
    assert [part["kind"] for part in said.facts["parts"]] == ["tables", "clips"] and said.facts["notLookedAt"] == []
    assert [n["supplier"] for n in said.facts["named"]] == [LIAR] and said.facts["rows"] == 504
    assert said.checks["data/label-errors"]["outcome"] == "found" and "data/image-scaling" not in said.checks
    assert any(m["name"].startswith("clips of 1 channels: ") for m in said.checks["data/duplicates"]["measures"])


def _people(world: World, shell, at: str) -> None:
    told = shell(
        "review", "--sheet", "sheet.html", "--csv", "flagged.csv", "--letters", "letters", "--json", at=at, exit=1
    ).json()
    assert {row["supplier"] for row in told["rows"]} == {LIAR}
    sheet = (shell.here / at / "sheet.html").read_text()
    assert "data:image/png" in sheet and "<pre>{&#34;colour&#34;:" in sheet and "does not decode" not in sheet
    assert "measurements.parquet, row " in (shell.here / at / "flagged.csv").read_text()
    found = sorted((shell.here / at / "letters").iterdir())
    said = [letters.read(world[LIAR], file)[1] for file in found]
    assert len(said) == 2 and any(seen.startswith("measurements.parquet, row ") for one in said for _, seen in one.rows)


def _training(world: World, flagged: list[str], place: Path) -> None:
    desk = world[OWNER]
    every = rows.listed(desk)
    written = rows.write_training_set(desk, place)
    assert written == read_folder(place) == rows.select(desk, every).tree() and len(written.entries) == 504 - len(
        flagged
    )
    left = {row.training_path(): row for row in every if row.id not in flagged}
    assert left.keys() == {entry.path for entry in written.entries}
    path, row = next((path, row) for path, row in left.items() if row.kind == "tables" and row.supplier == "lab-00")
    values, at = json.loads((place / path).read_text()), np.flatnonzero(TABLE.supplier == "lab-00")[int(row.key)]
    seen = TABLE.numbers[at]
    assert values["colour"] == TABLE.words["colour"][at] and list(values) == sorted(values)
    assert [values[f"x{i:02}"] for i in range(8)] == [None if np.isnan(v) else v for v in seen]
