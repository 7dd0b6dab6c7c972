"""Tables and clips go the way that pictures go: delivered, received, screened, explained, reviewed, set aside, left out of training."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

import made_up_sounds
import made_up_tables
import many_deliveries
import numpy as np
from core_world import OWNER, SECOND, World
from tables_and_clips import clips_of, table_of

from countermark.artefact.folder import read_folder
from countermark.artefact.tree import Tree
from countermark.lifecycle import letters, review, rows
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.receive import receive
from countermark.lifecycle.receive_stage import nothing_more
from countermark.lifecycle.rows import Row

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "screen-tables-and-sounds.md").read_text()
LIAR = "lab-03"
LABS = tuple(f"lab-{n:02}" for n in range(6))


@cache
def table() -> made_up_tables.MadeUp:
    """Measurements of six labs, of which one calls most rows by another class."""
    return made_up_tables.flipped(made_up_tables.honest(1, suppliers=6, rows=60), LIAR, share=0.6)


@cache
def sounds() -> made_up_sounds.MadeUp:
    """The same of clips."""
    honest = made_up_sounds.honest(1, suppliers=6, rows=24, classes=3, seconds=0.25)
    labs = np.char.replace(honest.supplier, "site", "lab")
    return made_up_sounds.flipped(replace(honest, supplier=labs), LIAR, share=0.6)


def typed(who: str) -> list[list[str]]:
    """Words of the page's commands that this party types."""
    block = PAGE.partition("## Delivered")[2].partition(f"```sh\n# at {who}\n")[2].partition("```")[0]
    return [shlex.split(line)[1:] for line in block.splitlines()]


@pytest.mark.slow
def test_the_one_way(tmp_path: Path, shell) -> None:
    """The page, typed: a liar among six labs is named by its table and by its clips, its rows alone are set aside, nobody else is accused."""
    world = many_deliveries.join(tmp_path / "manufacturer", LABS, {*table().label, *sounds().label})
    at = {name: world[name].space.root.relative_to(shell.here).as_posix() for name in (OWNER, LIAR)}
    _deliver(world)
    for words in typed(LIAR):
        shell("deliver", *words[1:], at=at[LIAR])
    receiving, screening, reviewing, setting_aside = typed("the manufacturer")
    shell(*receiving, at=at[OWNER])
    said = shell(*screening, "--json", at=at[OWNER], exit=1).json()
    every = rows.listed(world[OWNER])
    _what_was_said(said, every)
    _statement(world)
    row, clip = (next(i for i in said["flagged"] if i.endswith(end)) for end in (".json", ".wav"))
    told = shell("screen", "--explain", row, "--explain", clip, at=at[OWNER], exit=1).out
    assert f"{row} is measurements.parquet, row {int(row[-13:-5])}" in told
    assert f"{row}, delivered by {LIAR}" in told and f"{clip}, delivered by {LIAR}" in told
    shown = shell(*reviewing, "--json", at=at[OWNER], exit=1).json()
    assert {one["supplier"] for one in shown["rows"]} == {LIAR}
    _people(world, world[OWNER].space.root)
    shell(*setting_aside, at=at[OWNER])
    _what_became_of_them(lambda *words, code=0: shell(*words, at=at[OWNER], exit=code), row, len(said["flagged"]))
    handed = shell("deliver", "handover", "--admitted", "--to", SECOND, "--json", at=at[OWNER]).json()
    assert handed["digest"] == _training(world, every, said["flagged"], world[OWNER].space.root / "handover").digest


def _what_became_of_them(at_owner: Callable[..., Any], row: str, flagged: int) -> None:
    """A review says of each row how it stands by now."""
    looked = at_owner("review", "--json", code=1).json()
    assert {one["stands"] for one in looked["rows"]} == {"set aside"}
    at_owner("decide", row, "--accept")
    looked = at_owner("review", "--sheet", "sheet.html", "--json", code=1).json()
    assert [one["row"] for one in looked["rows"] if one["stands"] == "accepted"] == [row]
    assert looked["verdict"] == f"{flagged} rows to look at, 1 accepted, {flagged - 1} set aside"
    at_owner("decide", row, "--undo")
    assert "undecided" not in at_owner("review", code=1).out


def _deliver(world: World) -> None:
    """All honest labs deliver, and the liar lays its files out; a table costs the receiver a confined process, clips cost one where they are examined."""
    for lab in LABS:
        measured = table_of(table(), lab, world.root / lab / "measurements.parquet")
        clips = clips_of(sounds(), lab, world.root / lab / "clips")
        for place, examine in ((measured, Door(Contract())), (clips, nothing_more)):
            if lab != LIAR:
                deliver(world[lab], place, addressee=OWNER)
                assert receive(world[OWNER], place, examine=examine).state == "admitted"


def _what_was_said(said: dict[str, Any], every: list[Row]) -> None:
    assert [n["supplier"] for n in said["named"]] == [LIAR, LIAR] and len(said["parts"]) == 2
    forms = {part["form"]: part["rows"] for part in said["parts"]}
    assert forms == {"tables of 9 columns": 360, "clips of 1 channel": 144}
    flagged = [row for row in every if row.id in said["flagged"]]
    mine, right = np.flatnonzero(table().supplier == LIAR), 0
    for row in flagged:
        inside = row.kind == "tables"
        right += table().planted[mine[int(row.key)]] if inside else sounds().planted[int(Path(row.entry.path).stem)]
    assert {row.supplier for row in flagged} == {LIAR} and {row.kind for row in flagged} == {"tables", "clips"}
    assert len(flagged) >= 28 and right / len(flagged) >= 0.85


def _statement(world: World) -> None:
    _, said = review.newest_screening(world[OWNER])
    assert [part["kind"] for part in said.facts["parts"]] == ["tables", "clips"] and said.facts["notLookedAt"] == []
    assert [n["supplier"] for n in said.facts["named"]] == [LIAR] and said.facts["rows"] == 504
    assert said.checks["data/label-errors"]["outcome"] == "found" and "data/image-scaling" not in said.checks
    assert any(m["name"].startswith("clips of 1 channel: ") for m in said.checks["data/duplicates"]["measures"])


def _people(world: World, here: Path) -> None:
    sheet = (here / "sheet.html").read_text()
    assert "data:image/png" in sheet and "<pre>{&#34;colour&#34;:" in sheet and "does not decode" not in sheet
    assert f"{LIAR},class-" in (here / "flagged.csv").read_text()
    assert ",measurements.parquet, row " not in (here / "flagged.csv").read_text()  # a cell with a comma is quoted
    assert ',"measurements.parquet, row ' in (here / "flagged.csv").read_text()
    said = [letters.read(world[LIAR], file)[1] for file in sorted((here / "letters").iterdir())]
    assert len(said) == 2 and any(seen.startswith("measurements.parquet, row ") for one in said for _, seen in one.rows)


def _training(world: World, every: list[Row], flagged: list[str], place: Path) -> Tree:
    """The files that training gets are those that are left, each with the values that its lab sent."""
    written = read_folder(place)
    assert written == rows.select(world[OWNER], every).tree()
    left = {row.training_path(): row for row in every if row.id not in flagged}
    assert left.keys() == {entry.path for entry in written.entries} and len(left) == 504 - len(flagged)
    path, row = next((path, row) for path, row in left.items() if row.kind == "tables" and row.supplier == "lab-00")
    values, at = json.loads((place / path).read_text()), np.flatnonzero(table().supplier == "lab-00")[int(row.key)]
    assert values["colour"] == table().words["colour"][at] and list(values) == sorted(values)
    seen = [None if np.isnan(number) else number for number in table().numbers[at]]
    assert [values[f"x{i:02}"] for i in range(8)] == seen
    return written
