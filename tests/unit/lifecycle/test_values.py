"""Rows of values and clips at the door: what a row is, what is refused, and what a screening says of rows that it could not look at."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from core_world import OWNER, SUPPLIER, World

from countermark.artefact import shards
from countermark.artefact.dataset import Dataset
from countermark.artefact.folder import read_folder
from countermark.artefact.table_records import Reader
from countermark.checks.data import battery
from countermark.cli._answer import INCONCLUSIVE
from countermark.cli._explain import explained
from countermark.cli._screened import told
from countermark.cli.screen import _facts, _results
from countermark.errors import CountermarkError, FormatRefused, MissingExtra, StatementRefused, Unusable
from countermark.lifecycle import clips as clips_module
from countermark.lifecycle import contract, deliver, review, rows, screen_parts
from countermark.lifecycle import screen as screen_module
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.convert import convert
from countermark.lifecycle.receive import receive

arrow = pytest.importorskip("pyarrow")
np = pytest.importorskip("numpy")
sys.path[:0] = [str(Path(__file__).parents[3] / "attacks" / "formats")]
import hostile_rows  # noqa: E402
import images  # noqa: E402
import tables  # noqa: E402
from tables_and_clips import wav_of  # noqa: E402

HOSTILE = hostile_rows.attacks()
CLIP = wav_of(np.arange(400, dtype="<i2").tobytes())


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One confined child for all tables here; one that a table kills is replaced."""
    with Reader() as opened:
        yield opened


def read(place: Path, data: bytes, reader: Reader, name: str = "t.parquet") -> list[shards.Inside]:
    place.mkdir(exist_ok=True)
    (place / name).write_bytes(data)
    return list(shards.contents(place, read_folder(place), reader))


def test_a_row_is_what_checks_see_of_it(tmp_path: Path, reader: Reader) -> None:
    """Whole numbers to the last digit, times as seconds, a list's numbers one by one, nothing where nothing is; no supplier."""
    columns: dict[str, Any] = {
        "label": arrow.array(["nut", "screw"]).dictionary_encode(), "big": [2**63 - 1, None], "half": arrow.array([0.5, float("nan")], arrow.float32()),
        "when": arrow.array([datetime(2026, 11, 27, tzinfo=UTC), None], arrow.timestamp("us", "UTC")), "yes": [True, False],
        "word": arrow.array(["Ä \"x\"", None]).dictionary_encode(), "price": [Decimal("1.50"), Decimal("2.25")],
        "at": arrow.array([[1.0, 2.0], None], arrow.list_(arrow.float64(), 2)), "supplier": ["acme", "acme"],
    }  # fmt: skip
    first, second = read(tmp_path / "d", tables.parquet(arrow.table(columns)), reader)
    assert (first.entry.path, first.label, first.shard, first.key) == (
        "nut/00000000.json",
        "nut",
        "t.parquet",
        "00000000",
    )
    assert json.loads(first.data) == {
        "at[0]": 1.0, "at[1]": 2.0, "big": 2**63 - 1, "half": 0.5, "price": 1.5, "when": 1795737600.0,
        "word": 'Ä "x"', "yes": True,
    }  # fmt: skip
    assert second.label == "screw" and {v for k, v in json.loads(second.data).items() if k not in ("yes", "price")} == {
        None
    }
    again = read(tmp_path / "d", tables.parquet(arrow.table(columns), compression="zstd", row_group_size=1), reader)
    assert [row.entry for row in again] == [first.entry, second.entry]  # however the table is stored


@pytest.mark.parametrize("name", [name for name, one in HOSTILE.items() if not one.name.endswith(".wav")])
def test_a_hostile_table_is_not_read(tmp_path: Path, reader: Reader, name: str) -> None:
    with pytest.raises(CountermarkError, match=HOSTILE[name].refusal):
        read(tmp_path / "d", HOSTILE[name].make(), reader, HOSTILE[name].name)


def test_hostile_clips_are_named_each_by_itself(world: World) -> None:
    """One delivery of a clip in order and of many that are not, of which those with a good header are decoded."""
    folder = world.root / SUPPLIER / "sounds"
    (folder / "nut").mkdir(parents=True)
    (folder / "nut" / "good.wav").write_bytes(CLIP)
    found = {f"nut/{n}.wav": one for n, one in enumerate(o for o in HOSTILE.values() if o.name.endswith(".wav"))}
    for path, one in found.items():
        (folder / path).write_bytes(one.make())
    source, _ = world.delivered(folder)
    first = receive(world[OWNER], source, examine=Door(Contract()))
    files = [(path, one.make()) for path, one in found.items()]
    told = [*first.reasons, *clips_module.reasons(files, 100)]
    assert first.state == "refused" and not any("good.wav" in reason for reason in told)
    for path, one in found.items():
        assert any(reason.startswith(path) and re.search(one.refusal, reason) for reason in told)


def test_what_another_program_signed_is_refused_at_the_door(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supplier's own `deliver` would not sign this table; a hostile one does."""
    file = world.root / SUPPLIER / "t.parquet"
    file.write_bytes(HOSTILE["a list in a cell"].make())
    with pytest.raises(FormatRefused, match="no number, time or text"):
        world.delivered(file)
    lie = deliver.Outlook(read_folder(file), Dataset(shards.LAYOUT, {"nut/00000000.json": "nut"}), ())
    with monkeypatch.context() as patched:
        patched.setattr(deliver, "look", lambda *_: lie)
        source, _ = world.delivered(file)
    answer = receive(world[OWNER], source, examine=Door(Contract()))
    assert answer.state == "refused" and "no number, time or text" in answer.reasons[0]


def test_who_agreed_on_pictures_is_delivered_nothing_else() -> None:
    pictures = contract.parse(b'{"format": 1, "image": {"width": 16}}')
    assert contract.parse(b'{"format": 1}').kinds == ("pictures", "tables", "clips") and pictures.kinds == ("pictures",)
    both = contract.parse(b'{"format": 1, "image": {"width": 16}, "kinds": ["pictures", "clips"]}')
    row = ("folder-per-class", {"nut/0.wav": "nut"}, ("nut/0.wav", CLIP))
    for agreed, reasons in ((pictures, ["nut/0.wav: is one of clips, the contract takes pictures"]), (both, [])):
        assert list(Door(agreed)("acme", Dataset(*row[:2]), iter([row[2]]))) == reasons
    value = Dataset(shards.LAYOUT, {"nut/00000000.json": "nut"})
    assert Door(both)("acme", value, iter([("nut/00000000.json", b"{}")]))
    with pytest.raises(StatementRefused, match="unknown kind"):
        contract.parse(b'{"format": 1, "kinds": ["films"]}')


def test_clips_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips_module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="NumPy"):
        clips_module.reasons([("nut/0.wav", CLIP)], 9)
    assert clips_module.reasons([], 9) == []


def test_a_table_of_values_is_no_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(hostile_rows.values(n=[1, 2]))
    with pytest.raises(FormatRefused, match="no column of pictures"):
        convert(tmp_path / "t.parquet", tmp_path / "out")


def test_a_row_is_called_by_its_file_and_number(world: World) -> None:
    """Pictures and values may stand in tables of one delivery; each row says where its supplier finds it."""
    folder = world.root / SUPPLIER / "both"
    folder.mkdir()
    (folder / "seen.parquet").write_bytes(tables.parquet(arrow.table({"image": [images.png()], "label": ["nut"]})))
    (folder / "told.parquet").write_bytes(hostile_rows.values(n=[1, 2]))
    source, _ = world.delivered(folder)
    assert receive(world[OWNER], source, examine=Door(Contract())).state == "admitted"
    found = {row.place: row for row in rows.listed(world[OWNER])}
    assert {place: row.kind for place, row in found.items()} == {
        "seen.parquet, row 0": "pictures", "told.parquet, row 0": "tables", "told.parquet, row 1": "tables",
    }  # fmt: skip
    row = found["told.parquet, row 1"]
    assert row.id.endswith("/screw/told-00000001.json") and row.training_path() == "screw/acme-1-told-00000001.json"
    alone = screen_parts.Unseen("tables", tuple(found.values()), screen_parts.ALONE)
    with pytest.raises(Unusable, match="two classes and two suppliers") as refused:
        screen_module._apart([alone])
    assert refused.value.why == f"3 rows (tables) of {SUPPLIER}: {screen_parts.ALONE}"


def test_rows_that_nobody_else_has_are_named_as_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two makers' pictures are screened; one of them also sent clips and a table that nobody can be compared with."""
    many_deliveries = pytest.importorskip("many_deliveries")
    made_up_parts = pytest.importorskip("made_up_parts")
    slow = ("data/spectral", "data/frequency", "data/recurring-patch")
    monkeypatch.setattr(battery, "CHECKS", tuple(check for check in battery.CHECKS if check.id not in slow))
    data = made_up_parts.honest(0, classes=2, suppliers=2, makers=2, rows=3)
    names = tuple(map(str, np.unique(data.supplier)))
    world = many_deliveries.join(tmp_path / "world", names, [*np.unique(data.label), "nut", "screw"])
    for name in names:
        rows_of = np.flatnonzero(data.supplier == name)
        many_deliveries.send(world, name, many_deliveries.photographed(tmp_path / name, data, name, rows_of))
    sent = world.root / names[0]
    (sent / "sounds" / "nut").mkdir(parents=True)
    (sent / "sounds" / "nut" / "0.wav").write_bytes(CLIP)
    (sent / "t.parquet").write_bytes(hostile_rows.values(n=[1, 2]))
    for place in (sent / "sounds", sent / "t.parquet"):
        receive(world[OWNER], world.delivered(place, by=names[0])[0], examine=Door(Contract()))
    done = screen_module.screen(world[OWNER])
    assert [part.kind for part in done.seen.parts] == ["pictures"] and len(done.rows) == len(data.label) + 3
    facts, checks = (getattr(review.newest_screening(world[OWNER])[1], name) for name in ("facts", "checks"))
    assert [line.split(" of ")[0] for line in facts["notLookedAt"]] == ["2 rows (tables)", "1 rows (clips)"]
    assert checks["data/image-scaling"]["outcome"] == "passed"  # of pictures alone: all of them were looked at
    for check in ("data/label-errors", "data/schema", "data/drift"):
        assert checks[check]["outcome"] == "skipped" and f"of {names[0]}" in checks[check]["reason"]
    answer = told(_results(done.seen), {"flagged": done.flagged()} | _facts(done.seen))
    assert answer.exit == INCONCLUSIVE and answer.facts["not_looked_at"][:2] == facts["notLookedAt"]
    assert (
        "2 kinds of rows could not be looked at" in answer.verdict
        and f"not looked at: {facts['notLookedAt'][0]}" in answer.body
    )
    two = told([("a", done.screening), ("b", done.screening)], {"flagged": done.flagged()} | _facts(done.seen))
    assert any(
        str(line).startswith("p and q are adjusted over the 2 forms") and "at most 5 %" in str(line)
        for line in two.body
    )
    lost = next(row for row in done.rows if row.kind == "tables")
    with pytest.raises(Unusable, match="was not looked at"):
        explained(_results(done.seen), [lost.id], _facts(done.seen), None)
    with pytest.raises(Unusable, match="a schema describes columns"):
        screen_module._fits(["pictures", "clips"], b"{}", None)
    with pytest.raises(Unusable, match="test sets are of pictures"):
        screen_module._fits(["tables", "clips"], None, (done, ()))
