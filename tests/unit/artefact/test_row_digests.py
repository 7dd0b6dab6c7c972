"""Rows inside tables and shards: hostile files are refused within the child's limits, lists bind what they name."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path

import pytest

from countermark.artefact import row_list, rows
from countermark.artefact.row_list import Heading
from countermark.artefact.rows import Row
from countermark.errors import CountermarkError, FormatRefused, StatementRefused, TreeRefused, Unusable
from countermark.formats.source import Memory
from countermark.lifecycle import rows_inside

arrow = pytest.importorskip("pyarrow")
sys.path[:0] = [str(Path(__file__).parents[3] / "attacks" / "formats")]
import tables  # noqa: E402

ATTACKS = tables.attacks()
DIGEST = bytes(range(32))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_table_is_refused(tmp_path: Path, name: str) -> None:
    attack = ATTACKS[name]
    file = tmp_path / ("t.tar" if attack.shard else "t.parquet")
    file.write_bytes(attack.make())
    with pytest.raises(FormatRefused) as caught:
        row_list.write(rows.rows(file, attack.id), io.BytesIO(), attack.id)
    assert attack.says in f"{caught.value}"


def test_the_other_side_ordinary_readers_take_them() -> None:
    """What makes these attacks: pyarrow itself reads them without a word."""

    def read(name: str):
        return arrow.ipc.open_stream(ATTACKS[name].make()).read_all()

    assert read("cut stream").num_rows == 2000 < arrow.ipc.open_stream(tables.long_stream()).read_all().num_rows
    assert read("bytes after the stream").num_rows == 3000
    assert arrow.ipc.open_file(ATTACKS["2**31 nulls"].make()).get_batch(0).num_rows == (1 << 31) - 1
    assert arrow.ipc.open_file(ATTACKS["index outside"].make()).read_all().num_rows == 3
    assert arrow.ipc.open_file(ATTACKS["two columns of one name"].make()).read_all().num_columns == 2


@pytest.mark.parametrize("form", ["parquet", "file", "stream", "tar"])
def test_a_changed_file_is_read_or_refused(form: str) -> None:
    """Mutations with a fixed seed; a child that dies is an answer too, this process is never hurt."""
    chance = random.Random(11)
    made = tables.table(key=[f"r{i}" for i in range(50)], v=[[i, None] for i in range(50)], s=[{"a": "x"}] * 50)
    samples = [(f"{i}.{s}", b"abc") for i in range(4) for s in ("cls", "txt")]
    data = {"parquet": tables.parquet, "file": tables.ipc, "stream": lambda t: tables.ipc(t, stream=True)}
    good = tables.shard(*samples) if form == "tar" else data[form](made)
    for _ in range(25):
        bad = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(bad))
            bad[at : at + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(0, 9))
        try:
            assert (
                len(
                    list(
                        rows.rows_of(
                            Memory(bytes(bad[: chance.choice([len(bad), chance.randrange(len(bad))])])),
                            shard=form == "tar",
                        )
                    )
                )
                <= 50
            )
        except CountermarkError:
            continue


def listed(these: list[Row], id_column: str | None = "key") -> tuple[Heading, bytes]:
    out = io.BytesIO()
    heading = row_list.write(these, out, id_column)
    return heading, heading.line() + out.getvalue()


def test_a_list_is_sorted_and_bound() -> None:
    these = [Row(name, DIGEST) for name in ("b", "a", "ä", "a b", 'q"\\', "aa", "\U0001f600", "\uffee")]
    heading, data = listed(these)
    file = io.BytesIO(data)
    assert row_list.check(file) == heading and heading.rows == len(these)
    read = list(row_list.lines(file))
    assert read == sorted(these, key=lambda row: row.id.encode())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda d: d.replace(b'["a"', b'["A"'), TreeRefused), (lambda d: d.replace(b'"rows":3', b'"rows":2'), TreeRefused),
        (lambda d: d[: d.index(b'["b"')], TreeRefused), (lambda d: d + b'["z","' + b"00" * 32 + b'"]\n', TreeRefused),
        (lambda d: d + d[d.index(b'["c"') :], FormatRefused), (lambda d: d + d[d.index(b'["a"') :], StatementRefused),
        (lambda d: d.replace(b'["a",', b'["a", '), StatementRefused), (lambda d: d.replace(b'"a"', b'"\\u0061"'), StatementRefused),
        (lambda d: d[:-1], StatementRefused), (lambda d: d.replace(b'"format":1', b'"format":2'), StatementRefused),
        (lambda d: d.replace(b'"rows":3', b'"rows":3,"x":1'), StatementRefused), (lambda d: d[: d.index(b'["a"')], FormatRefused),
        (lambda d: d.replace(b'["a"', b'["\x07"'), CountermarkError), (lambda d: d.replace(b'["a"', b'["' + b"a" * 513 + b'"'), CountermarkError),
        (lambda d: b"x" * 100_000, StatementRefused), (lambda d: b"", StatementRefused),
    ],
)  # fmt: skip
def test_a_changed_list_is_refused(change, error) -> None:
    _, data = listed([Row(name, DIGEST) for name in "abc"])
    with pytest.raises(error):
        row_list.check(io.BytesIO(change(data)))


def test_only_tables_and_shards_lie_in_a_folder_of_them(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="holds no tables"):
        rows.files_of(tmp_path)
    (tmp_path / "a.parquet").write_bytes(tables.ids("a"))
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(Unusable, match=r"readme\.txt is no table"):
        list(rows.rows(tmp_path))


def test_rows_of_a_folder_and_of_its_files_put_together(tmp_path: Path) -> None:
    for name, some in (("a", ["r1", "r3"]), ("b", ["r2"])):
        (tmp_path / f"{name}.parquet").write_bytes(tables.ids(*some))
    apart, together = list(rows.rows(tmp_path, "key")), tmp_path / "all.arrow"
    assert [r.id for r in rows.rows(tmp_path)] == ["a.parquet/00000000", "a.parquet/00000001", "b.parquet/00000000"]
    together.write_bytes(tables.ipc(tables.table(key=["r3", "r2", "r1"])))
    assert sorted(rows.rows(together, "key")) == sorted(apart)
    (tmp_path / "c.arrow").write_bytes(together.read_bytes())
    together.unlink()
    with pytest.raises(FormatRefused, match="two rows have the id 'r1'"):
        row_list.write(rows.rows(tmp_path, "key"), io.BytesIO())


def test_shards_cut_otherwise_have_the_same_rows(tmp_path: Path) -> None:
    samples = [(f"s/{i}.{suffix}", f"{i}{suffix}".encode() * 400_000) for i in range(3) for suffix in ("cls", "TXT")]
    for name, part in (("one", [samples]), ("two", [samples[2:], samples[:2]])):
        (tmp_path / name).mkdir()
        for at, some in enumerate(part):
            (tmp_path / name / f"{at}.tar").write_bytes(tables.shard(*some))
    roots = {rows_inside_root(tmp_path / name, "__key__") for name in ("one", "two")}
    assert len(roots) == 1
    assert rows_inside_root(tmp_path / "two", None) not in roots, "places are named by file"


def rows_inside_root(source: Path, id_column: str | None) -> str:
    with rows_inside.listed(source, id_column) as listing:
        return listing.heading.root


def test_rows_are_compared_by_their_ids(tmp_path: Path) -> None:
    old, new, kept = tmp_path / "old.parquet", tmp_path / "new.arrow", tmp_path / "old.cmrows"
    old.write_bytes(tables.parquet(tables.table(key=["a", "b", "c"], n=[1, 2, 3])))
    new.write_bytes(tables.ipc(tables.table(n=[3, 20, 4], key=["c", "b", "d"])))
    with rows_inside.listed(old, "key") as before:
        rows_inside.write(kept, before)
    with rows_inside.listed(kept) as before, rows_inside.listed(new, "key") as now:
        seen = rows_inside.differences(before, now)
    assert seen.counts == {"added": 1, "removed": 1, "changed": 1} and seen.same == 1
    with (
        rows_inside.listed(kept) as before,
        rows_inside.listed(new) as now,
        pytest.raises(Unusable, match="named differently"),
    ):
        rows_inside.differences(before, now)


def test_rows_named_by_their_place_may_move(tmp_path: Path) -> None:
    data = tables.ids("a", "b")
    for folder, name in (("old", "a"), ("new", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.parquet").write_bytes(data)
    with rows_inside.listed(tmp_path / "old") as before, rows_inside.listed(tmp_path / "new") as now:
        assert rows_inside.differences(before, now).counts == {"moved": 2}


def test_a_list_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "old.arrow"
    file.write_bytes(tables.ipc(tables.table(key=["a"])))
    with rows_inside.listed(file, "key") as listing, pytest.raises(Unusable):
        rows_inside.write(tmp_path / "none" / "x.cmrows", listing)
    assert [p.name for p in tmp_path.iterdir()] == ["old.arrow"]
