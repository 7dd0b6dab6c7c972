"""Deliveries that are tables or shards: their rows are named, quarantined, trained on and recalled like files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from core_world import OWNER, SUPPLIER, World
from test_recall import trained, trains

from countermark.artefact import shards
from countermark.artefact.folder import read_folder
from countermark.errors import CountermarkError, FormatRefused, TreeRefused, Unusable
from countermark.lifecycle import deliver, recall, rows
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.convert import convert
from countermark.lifecycle.receive import receive

arrow = pytest.importorskip("pyarrow")
sys.path[:0] = [str(Path(__file__).parents[3] / "attacks" / "formats")]
import images  # noqa: E402
import tables  # noqa: E402

PNG = images.png()
LABELS = ["nut", "screw", "nut", "screw", "nut"]


def pictures(count: int = 5) -> list[bytes]:
    return [images.png(8 + n, 8) for n in range(count)]


def made(form: str, place: Path) -> Path:
    """Five rows: a Parquet file, an Arrow file, or a folder of two shards."""
    place.mkdir(exist_ok=True)
    table = arrow.table({"image": pictures(), "label": LABELS})
    samples = [(f"{n}.{s}", d) for n, (p, c) in enumerate(zip(pictures(), LABELS, strict=True))
               for s, d in (("png", p), ("cls", c.encode()))]  # fmt: skip
    if form == "shards":
        (place / "parts").mkdir()
        (place / "parts" / "a.tar").write_bytes(tables.shard(*samples[:4]))
        (place / "parts" / "b.tar").write_bytes(tables.shard(*samples[4:]))
        return place / "parts"
    file = place / f"parts.{form}"
    file.write_bytes(tables.parquet(table) if form == "parquet" else tables.ipc(table))
    return file


@pytest.mark.parametrize("form", ["parquet", "arrow", "shards"])
def test_a_row_inside_is_set_aside_and_recalled(world: World, tmp_path: Path, form: str) -> None:
    world.amend(trains)
    source, piece = world.delivered(made(form, world.root / SUPPLIER / "in"))
    assert (piece.delivery.layout, piece.delivery.classes) == ("shards", {"nut": 3, "screw": 2})
    desk = world[OWNER]
    assert receive(desk, source, examine=Door(Contract())).state == "admitted"
    every = rows.listed(desk)
    assert len(every) == 5 and {row.delivery for row in every} == {piece.envelope.digest}
    trained(world, "1" * 64)
    victim = next(row for row in every if row.label == "screw")
    rows.must_exist(desk, [victim.id], "nut")
    with pytest.raises(Unusable, match="there is no row"):
        rows.must_exist(desk, [victim.id + "x"])
    with pytest.raises(Unusable, match="there is no row"):
        rows.must_exist(desk, [f"{victim.id.partition('/')[0]}/{piece.tree.entries[0].path}"])
    rows.quarantine(desk, [victim.id], reason="blurred", screening=None, dataset="0" * 64)
    trained(world, "2" * 64)
    written = rows.write_training_set(desk, tmp_path / "handover")
    assert written == read_folder(tmp_path / "handover") == rows.select(desk, every).tree()
    assert len(written.entries) == 4 and victim.training_path() not in {e.path for e in written.entries}
    assert victim.entry.root not in {e.root for e in written.entries}
    first, second = recall.recall(desk, supplier=SUPPLIER).models
    assert first.exact and second.exact and set(first.rows) - set(second.rows) == {victim.id}
    (only,) = recall.recall(desk, row_ids=[victim.id]).models
    assert only.model == "1" * 64 and only.rows == (victim.id,)


@pytest.mark.parametrize("form", ["parquet", "shards"])
def test_its_rows_are_those_that_convert_writes(world: World, tmp_path: Path, form: str) -> None:
    source, piece = world.delivered(made(form, world.root / SUPPLIER / "in"))
    receive(world[OWNER], source)
    convert(source, tmp_path / "out")
    folder = read_folder(tmp_path / "out")
    assert sorted(row.entry for row in rows.listed(world[OWNER])) == sorted(folder.entries)
    assert piece.delivery.rows == len(folder.entries)


def test_a_table_that_was_changed_on_disk_is_no_longer_read(world: World) -> None:
    source, _ = world.delivered(made("parquet", world.root / SUPPLIER / "in"))
    answer = receive(world[OWNER], source)
    assert answer.folder
    kept = answer.folder / "data" / "parts.parquet"
    kept.write_bytes(kept.read_bytes()[:-9] + b"x" + kept.read_bytes()[-8:])
    with pytest.raises(TreeRefused):
        rows.listed(world[OWNER])


def test_the_contract_is_held_against_rows_inside(world: World) -> None:
    file = world.root / SUPPLIER / "parts.parquet"
    file.write_bytes(tables.parquet(arrow.table({"image": [PNG, PNG + b"<script>"], "label": ["nut", "nut"]})))
    source, _ = world.delivered(file)
    answer = receive(world[OWNER], source, examine=Door(Contract()))
    assert answer.state == "refused" and any("nut/00000001.png" in reason for reason in answer.reasons)


def test_a_class_outside_the_scope_is_refused(world: World) -> None:
    file = world.root / SUPPLIER / "parts.parquet"
    file.write_bytes(tables.parquet(arrow.table({"image": [PNG], "label": ["weapon"]})))
    with pytest.raises(CountermarkError, match="may not deliver"):
        world.delivered(file)


def test_rows_that_multiply_are_refused_at_the_door(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supplier without limits signs a small file that holds one picture four thousand times."""
    one = arrow.array([PNG + bytes(100_000)])
    column = arrow.DictionaryArray.from_arrays(arrow.array([0] * 4000, arrow.int32()), one).dictionary_decode()
    file = world.root / SUPPLIER / "parts.parquet"
    file.write_bytes(
        tables.parquet(arrow.table({"image": column, "label": ["nut"] * 4000}), compression="zstd", store_schema=False)
    )
    with pytest.raises(FormatRefused, match="more rows than they may"):
        world.delivered(file)
    with monkeypatch.context() as patched:
        patched.setattr(shards, "RATIO", 1 << 40)
        source, piece = world.delivered(file)
    assert piece.delivery.rows == 4000 and file.stat().st_size < 1 << 20
    answer = receive(world[OWNER], source)
    assert answer.state == "refused" and "more rows than they may" in answer.reasons[0]


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"a.parquet": lambda: tables.ids("a")}, "columns of pictures"), ({"a.parquet": lambda: b"PAR1"}, "cannot be read"),
        ({"a.tar": lambda: tables.shard(("0.png", PNG), ("0.cls", b"nut"), ("d/0.png", PNG), ("d-0.png", PNG))}, "labels"),
        ({"a.tar": lambda: tables.shard(("d/0.png", PNG), ("d/0.cls", b"nut"), ("d-0.png", PNG), ("d-0.cls", b"nut"))}, "two records"),
        ({"a.tar": lambda: tables.shard(("A.png", PNG), ("A.cls", b"nut"), ("a.png", PNG), ("a.cls", b"nut"))}, "two records"),
        ({"a.tar": lambda: tables.shard(("0.png", b""), type=b"2", linkname="/etc/passwd")}, "type"),
        ({"a.tar": lambda: tables.shard(("0.png", PNG), ("0.cls", b"n" * 201))}, "201 characters"), ({"a.tar": lambda: bytes(1024)}, "not one record"),
        ({"a.tar": lambda: tables.shard(("0.png", PNG), ("0.cls", b"nut")), "notes.txt": lambda: b"x"}, "outside any class"),
        ({"a.parquet": tables.many_nulls}, "columns of pictures"), ({"a.parquet": lambda: tables.deep_groups(100_000)}, "cannot be read"),
        ({"a.arrow": lambda: tables.ipc(arrow.table({"image": [PNG, b""], "label": ["nut", "nut"]}))}, "no picture"),
        ({"a.arrow": lambda: tables.ipc(arrow.table({"image": [PNG], "label": ["../nut"]}))}, "not a name"),
    ],
)  # fmt: skip
def test_other_shards_are_not_delivered(tmp_path: Path, files, match: str) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data())
    with pytest.raises((FormatRefused, TreeRefused), match=match):
        deliver.look(folder)


def test_more_rows_than_a_delivery_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_ROWS", 4)
    with pytest.raises(FormatRefused, match="more rows than they may"):
        deliver.look(made("parquet", tmp_path / "in"))


def test_a_file_that_is_no_table_is_still_no_delivery(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(PNG)
    with pytest.raises((TreeRefused, Unusable)):
        deliver.look(tmp_path / "one.png")
