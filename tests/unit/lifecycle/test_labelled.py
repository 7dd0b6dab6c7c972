"""The same rows from a folder, a table, a shard and a bucket of each; what does not hold is refused, and told with its file."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bucket import BUCKET, Server, server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import from_url
from PIL import Image
from pyarrow import parquet

from countermark.artefact import labelled
from countermark.artefact.bucket import Bucket
from countermark.artefact.labelled import Columns, Row
from countermark.errors import CountermarkError, FormatRefused, Unusable
from countermark.lifecycle import claimed

Told = list[tuple[str, str, bytes]]


def picture(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)).save(out, "png")
    return out.getvalue()


ROWS: Told = [
    (s, c, picture(9 * i + j)) for i, s in enumerate(("acme", "bolt")) for j, c in enumerate(("nut", "screw"))
]


def told(rows: list[Row]) -> Told:
    return [(r.supplier, r.label, r.picture) for r in rows]


def folder(root: Path) -> Path:
    for supplier, label, data in ROWS:
        (root / supplier / label).mkdir(parents=True)
        (root / supplier / label / "0.png").write_bytes(data)
    (root / "acme" / "notes.txt").write_text("no picture")
    return root


def table(path: Path, rows: Told = ROWS, **more: list) -> Path:
    suppliers, labels, pictures = map(list, zip(*rows, strict=True))
    parquet.write_table(pa.table({"supplier": suppliers, "label": labels, "picture": pictures, **more}), path)
    return path


def shard(path: Path, rows: Told = ROWS) -> Path:
    with tarfile.open(path, "w") as out:
        for at, (supplier, label, data) in enumerate(rows):
            facts = json.dumps({"supplier": supplier, "label": label}).encode()
            for suffix, content in (("png", data), ("json", facts)):
                info = tarfile.TarInfo(f"{at:04d}.{suffix}")
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
    return path


PLACES: dict[str, Callable[[Path], Path]] = {
    "folder": lambda at: folder(at / "photos"), "table": lambda at: table(at / "rows.parquet"),
    "shard": lambda at: shard(at / "rows.tar"),
}  # fmt: skip


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with server() as place:
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        yield place


def put(root: Path, prefix: str) -> None:
    for file in [root] if root.is_file() else sorted(root.rglob("*")):
        if file.is_file():
            name = file.name if root.is_file() else str(file.relative_to(root))
            from_url(f"s3://{BUCKET}").put(f"{prefix}/{name}", file.read_bytes())


@pytest.mark.parametrize("kind", PLACES)
def test_the_same_rows_wherever_they_lie(kind: str, tmp_path: Path, s3: Server) -> None:
    place = PLACES[kind](tmp_path)
    rows = list(labelled.rows(str(place)))
    assert told(rows) == ROWS and len({r.id for r in rows}) == 4
    put(place, "photos")
    put(folder(tmp_path / "other"), "photos-2")
    assert list(labelled.rows(f"s3://{BUCKET}/photos")) == rows
    assert list(labelled.rows(f"s3://{BUCKET}/photos/")) == rows
    if place.is_file():
        assert list(labelled.rows(f"s3://{BUCKET}/photos/{place.name}")) == rows


def test_ids_of_several_files_have_the_files_names_before_them(tmp_path: Path) -> None:
    table(tmp_path / "a.parquet", ROWS[:2])
    shard(tmp_path / "b.tar", ROWS[2:])
    rows = list(labelled.rows(str(tmp_path)))
    assert [r.id for r in rows] == ["a.parquet/00000000", "a.parquet/00000001", "b.tar/0000", "b.tar/0001"]
    assert told(rows) == ROWS


def test_columns_by_other_names(tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", who=["x", "y", "z", "w"], part=[1, 2, 3, 4], thumb=[b"t"] * 4)
    with pytest.raises(FormatRefused, match=r"t\.parquet: this table has 2 columns of bytes"):
        list(labelled.rows(str(path)))
    rows = list(labelled.rows(str(path), columns=Columns("picture", "part", "who", "part")))
    assert [(r.id, r.supplier, r.label) for r in rows] == [
        ("1", "x", "1"),
        ("2", "y", "2"),
        ("3", "z", "3"),
        ("4", "w", "4"),
    ]
    with pytest.raises(FormatRefused, match="0 columns are called 'nobody'"):
        list(labelled.rows(str(path), columns=Columns("picture", "nobody")))
    with pytest.raises(FormatRefused, match="comes twice"):
        list(labelled.rows(str(path), columns=Columns("picture", id="label")))


@pytest.mark.parametrize(
    "rows", [[("", "nut", b"x")], [("acme", None, b"x")], [("acme", "nut", b"")], [("acme", "a\x1b[2J", b"x")]]
)
def test_rows_that_lack_something_are_refused(tmp_path: Path, rows: Told) -> None:
    with pytest.raises(FormatRefused):
        list(labelled.rows(str(table(tmp_path / "t.parquet", rows))))


def test_samples_without_facts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as out:
        out.addfile(info := tarfile.TarInfo("0.png"), io.BytesIO(b""))
    assert info.size == 0
    with pytest.raises(FormatRefused, match=r"1 pictures and 0 \.json"):
        list(labelled.rows(str(path)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    make = data.draw(st.sampled_from([table, shard]))
    whole = make(tmp_path / ("f.tar" if make is shard else "f.parquet")).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    bad = bytearray(whole[: data.draw(st.sampled_from([len(whole), at]))])
    if at < len(bad):
        bad[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / ("f.tar" if make is shard else "f.parquet")
    path.write_bytes(bytes(bad))
    try:
        assert len(list(labelled.rows(str(path)))) <= 4
    except CountermarkError as error:
        assert error.what


def test_batches_are_a_stream_of_the_same_rows(tmp_path: Path) -> None:
    found = list(claimed.batches(str(table(tmp_path / "t.parquet")), at_once=3))
    assert [b.num_rows for b in found] == [3, 1]
    assert [p for b in found for p in b.column("picture").to_pylist()] == [data for _, _, data in ROWS]


def test_an_object_replaced_while_it_is_read_is_refused(tmp_path: Path, s3: Server) -> None:
    put(table(tmp_path / "t.parquet"), "t")
    bucket = Bucket(f"s3://{BUCKET}/t")
    source = bucket.opened(next(bucket.files()))
    assert source.read(0, 4) == b"PAR1"
    with pytest.raises(FormatRefused):
        source.read(source.size - 2, 3)
    other = bucket.opened(next(bucket.files()))
    put(table(tmp_path / "t.parquet", [(s, c, p + b"more") for s, c, p in ROWS]), "t")
    with pytest.raises(FormatRefused, match="replaced while it was being read"):
        other.whole(1 << 20)


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/x", "s3://bucket/x?sig=secret", "s3:///x", "s3://b/../x\n"])
def test_urls_with_secrets_or_odd_characters_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Unusable) as said:
        list(labelled.rows(url))
    assert "secret" not in str(said.value)


@pytest.mark.parametrize(
    ("lies", "asked", "fits"),
    [("acme/clips/nut/1.wav", "{supplier}/{label}/*", "--label-from '{supplier}/*/{label}/*'"),
     ("nut/1.wav", "{supplier}/{label}/*", "--label-from '{label}/*'"),
     ("acme/nut/1.txt", "{supplier}/{label}/*", "name the folder that holds them")],
)  # fmt: skip
def test_a_pattern_that_fits_nothing_is_mended_by_what_lies_there(
    tmp_path: Path, lies: str, asked: str, fits: str
) -> None:
    (tmp_path / lies).parent.mkdir(parents=True)
    (tmp_path / lies).write_bytes(b"no picture")
    with pytest.raises(Unusable, match="no picture at") as said:
        list(labelled.rows(str(tmp_path), asked))
    assert (said.value.why, said.value.mend) == (f"one file there is {lies}", fits)


def test_nothing_there(tmp_path: Path, s3: Server) -> None:
    with pytest.raises(Unusable, match="nothing at"):
        list(labelled.rows(f"s3://{BUCKET}/photos"))
    with pytest.raises(Unusable):
        list(labelled.rows("s3://no-such-bucket/photos"))
    folder(tmp_path / "photos")
    with pytest.raises(Unusable, match="no picture"):
        list(labelled.rows(str(tmp_path / "photos"), "{label}.png"))
