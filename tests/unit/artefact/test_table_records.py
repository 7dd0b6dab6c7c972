"""Tables of pictures become records, and metadata.parquet tells the labels of files; each part of a file is read once."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from countermark.artefact import table_records
from countermark.artefact.dataset import describe
from countermark.artefact.tree import TreeEntry, bytes_root, tree_of
from countermark.errors import CountermarkError, FormatRefused, TreeRefused, Unusable
from countermark.formats.source import Memory
from countermark.lifecycle.convert import convert

arrow = pytest.importorskip("pyarrow")
sys.path[:0] = [str(Path(__file__).parents[3] / "attacks" / "formats")]
import images  # noqa: E402
import tables  # noqa: E402

PNG = images.png()


class Counted(Memory):
    """A source that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.taken = 0

    def read(self, offset: int, count: int) -> bytes:
        self.taken += count
        return super().read(offset, count)


def pictures(rows: int, size: int = 0) -> object:
    """A table of pictures, each with `size` more bytes and its own end."""
    more = [PNG + bytes(size) + b"%08d" % at for at in range(rows)]
    return arrow.table({"image": more, "label": ["nut", "bolt"] * (rows // 2)})


@pytest.mark.parametrize("form", ["parquet", "file", "stream"])
def test_every_known_table_is_converted_alike(tmp_path: Path, form: str) -> None:
    made = pictures(600)
    data = {"parquet": tables.parquet, "file": tables.ipc, "stream": lambda t: tables.ipc(t, stream=True)}[form](made)
    (tmp_path / "t.arrow").write_bytes(data)
    done = convert(tmp_path / "t.arrow", tmp_path / "out")
    assert done.classes == {"bolt": 300, "nut": 300}
    assert (tmp_path / "out" / "bolt" / "00000599.png").read_bytes() == PNG + b"00000599"


def test_a_row_group_is_read_once_however_many_answers_it_takes() -> None:
    made = pictures(1000, 100_000)
    source = Counted(tables.parquet(made, row_group_size=1000, compression="none", use_dictionary=False))
    assert sum(len(r.data) for r in table_records.records(source)) > 100_000_000
    assert source.taken < 1.3 * source.size


def test_other_columns_are_not_read() -> None:
    made = pictures(200).append_column("other", arrow.array([bytes(100_000)] * 200))
    made = made.set_column(2, "other", arrow.array([[1.5] * 10_000] * 200))
    source = Counted(tables.parquet(made, compression="none", use_dictionary=False))
    assert len(list(table_records.records(source))) == 200
    assert source.taken < source.size / 10


def test_a_picture_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_records, "MOST_RECORD_BYTES", 10_000)
    with pytest.raises(FormatRefused, match="the limit is 10000"):
        list(table_records.records(Memory(tables.ipc(pictures(2, 20_000)))))


def test_nothing_else_may_lie_among_shards(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.parquet").write_bytes(tables.parquet(pictures(2)))
    (tmp_path / "in" / "more.csv").write_text("x")
    with pytest.raises(Unusable, match=r"more\.csv is no table"):
        convert(tmp_path / "in", tmp_path / "out")


def described(metadata: bytes, *files: str) -> dict[str, str]:
    content = {**dict.fromkeys(files, b"x"), "metadata.parquet": metadata}
    tree = tree_of(TreeEntry(name, len(data), False, bytes_root(data)) for name, data in content.items())
    return describe(tree, content.__getitem__).labels


def told(names: list[object], labels: object) -> bytes:
    return tables.parquet(arrow.table({"file_name": names, "label": labels, "more": [1.5] * len(names)}))


def test_metadata_in_parquet() -> None:
    assert described(told(["a.png", "d/b.png"], ["nut", "bolt"]), "a.png", "d/b.png") == {
        "a.png": "nut",
        "d/b.png": "bolt",
    }
    category = arrow.array(["nut", "nut"]).dictionary_encode()
    assert set(described(told(["a.png", "b.png"], category), "a.png", "b.png").values()) == {"nut"}


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        (lambda: told(["a.png"], ["nut"]), "has no row"), (lambda: told(["a.png", "b.png", "c.png"], ["nut"] * 3), "more than 2 rows"),
        (lambda: told(["a.png", "c.png"], ["nut"] * 2), "has no row|missing"), (lambda: told(["a.png", "a.png"], ["nut"] * 2), "twice"),
        (lambda: told(["a.png", None], ["nut"] * 2), "are needed"), (lambda: told(["a.png", "../b"], ["nut"] * 2), "not a name"),
        (lambda: told(["a.png", "b.png"], ["nut", "a/b"]), "no folder name"), (lambda: told(["a.png", "b.png"], [1, 2]), "columns of text"),
        (lambda: tables.ids("a"), "columns of text"), (lambda: b"PAR1" * 9, "cannot be read"), (lambda: b"file_name,label", "no table"),
        (tables.many_nulls, "columns of text"), (lambda: tables.deep_groups(100_000), "cannot be read"),
        (lambda: tables.parquet(arrow.table({"file_name": ["a.png"] * 100_000, "label": ["nut"] * 100_000})), "twice|more than"),
    ],
)  # fmt: skip
def test_other_metadata_are_refused(metadata, match: str) -> None:
    with pytest.raises(TreeRefused, match=match):
        described(metadata(), "a.png", "b.png")


@pytest.mark.parametrize("name", [n for n, a in tables.attacks().items() if not a.shard and a.id is None])
def test_hostile_tables_give_no_records(name: str) -> None:
    with pytest.raises(CountermarkError):
        list(table_records.records(Memory(tables.attacks()[name].make())))


def test_tables_made_by_others_are_read_through_a_pipe_of_small_reads() -> None:
    out = io.BytesIO()
    with arrow.ipc.new_stream(out, pictures(4).schema, options=arrow.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for _ in range(50):
            writer.write_table(pictures(4))
    assert len(list(table_records.records(Memory(out.getvalue())))) == 200
