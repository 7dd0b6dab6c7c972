"""Shards and pointers: what real libraries write is read, what readers disagree on is refused."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.artefact import pointer, records, table_records
from countermark.errors import CountermarkError, FormatRefused, TreeRefused, Unusable
from countermark.formats import tar
from countermark.formats.source import Memory
from countermark.lifecycle.convert import convert

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
OTHER = PNG[:-20] + PNG[-20:]


def shard(files: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT, **changes: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


SAMPLES = [("a/0.png", PNG), ("a/0.cls", b"screw\n"), ("a/1.png", PNG), ("a/1.json", b'{"label": "nut", "x": 1}')]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_shard_as_python_writes_it(form: int) -> None:
    read = list(records.webdataset(Memory(shard(SAMPLES, form))))
    assert [(r.path, r.data) for r in read] == [("screw/a-0.png", PNG), ("nut/a-1.png", PNG)]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_large_owners(form: int) -> None:
    key = "folder/" * 20 + "ä" * 40
    data = shard([(f"{key}.png", PNG), (f"{key}.cls", b"nut")], form, uid=3_000_000)
    (one,) = records.webdataset(Memory(data))
    assert one.key == key


def test_a_shard_as_gnu_tar_writes_it(tmp_path: Path) -> None:
    for name, data in SAMPLES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    subprocess.run(["tar", "--sort=name", "-cf", "s.tar", "a"], cwd=tmp_path, check=True)
    assert len(list(records.webdataset(Memory((tmp_path / "s.tar").read_bytes())))) == 2


@pytest.mark.parametrize(
    ("files", "changes", "match"),
    [
        ([("0.png", b"")], {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "type"),
        ([("0.png", b"")], {"type": tarfile.LNKTYPE, "linkname": "1.png"}, "type"),
        ([("0.png", b"")], {"type": tarfile.FIFOTYPE}, "type"),
        ([("0.png", PNG), ("0.png", PNG), ("0.cls", b"a")], {}, "two components"),
        ([("0.png", PNG), ("0.cls", b"a"), ("1.png", PNG), ("1.cls", b"a"), ("0.png", PNG), ("0.cls", b"b")], {}, "twice"),
        ([("0.png", PNG)], {}, "0 labels"),
        ([("0.png", PNG), ("0.cls", b"a"), ("0.json", b'{"label": "b"}')], {}, "2 labels"),
        ([("0.png", PNG), ("0.cls", b"a/../../b")], {}, "is no|twice"),
        ([("../0.png", PNG), ("../0.cls", b"a")], {}, "not a name inside"),
        ([("0.png", PNG), ("0.json", b'{"label": "a", "label": "b"}')], {}, "is no|twice"),
        ([("0.png", PNG), ("0.json", b'{"label": true}')], {}, "no class"),
    ],
)  # fmt: skip
def test_what_readers_disagree_on_is_refused(files, changes, match) -> None:
    with pytest.raises(CountermarkError, match=match):
        list(records.webdataset(Memory(shard(files, **changes))))


def test_an_archive_without_its_end_or_with_more_after_it() -> None:
    whole = shard(SAMPLES)
    with pytest.raises(FormatRefused, match="no end"):
        list(tar.members(Memory(whole.rstrip(b"\0") + b"\0" * (-len(whole.rstrip(b"\0")) % 512))))
    with pytest.raises(FormatRefused, match="after the end"):
        list(tar.members(Memory(whole + whole)))


def test_a_header_that_lies_about_its_size_reserves_nothing() -> None:
    data = bytearray(shard(SAMPLES, tarfile.USTAR_FORMAT))
    data[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    data[148:156] = b"%06o\0 " % (sum(data[:512]) - sum(data[148:156]) + 8 * 32)
    with pytest.raises(FormatRefused, match="does not fit"):
        list(tar.members(Memory(bytes(data))))


@given(st.integers(0, 4000), st.binary(min_size=1, max_size=8))
def test_a_changed_shard_is_read_or_refused(at: int, new: bytes) -> None:
    data = bytearray(shard(SAMPLES))
    data[at : at + len(new)] = new
    try:
        for record in records.webdataset(Memory(bytes(data))):
            assert len(record.data) <= len(data)
    except CountermarkError:
        return


def test_convert_writes_a_data_set_or_nothing(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "s0.tar").write_bytes(shard(SAMPLES))
    (shards / "s1.tar").write_bytes(shard(SAMPLES))
    done = convert(shards, tmp_path / "out")
    assert (done.rows, done.classes, done.shards) == (4, {"nut": 2, "screw": 2}, 2)
    assert (tmp_path / "out" / "nut" / "s1-a-1.png").read_bytes() == PNG
    (shards / "s2.tar").write_bytes(shard([("0.png", PNG), ("0.cls", b"a"), ("A-0.png", PNG)]))
    with pytest.raises(FormatRefused, match=r"s2\.tar"):
        convert(shards, tmp_path / "none")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "shards"]
    with pytest.raises(Unusable, match="exists"):
        convert(shards, tmp_path / "out")


def table(path: Path, **columns: object) -> Path:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    metadata = columns.pop("metadata", None)
    made = arrow.table(columns)
    writer.write_table(made.replace_schema_metadata(metadata) if metadata else made, path, row_group_size=3)
    return path


def test_a_parquet_table_with_named_classes(tmp_path: Path) -> None:
    names = {"info": {"features": {"label": {"names": ["nut", "screw"], "_type": "ClassLabel"}}}}
    path = table(
        tmp_path / "t.parquet", image=[{"bytes": PNG, "path": f"{i}.png"} for i in range(7)], label=[0, 1, 0, 1, 0, 1, 1],
        metadata={b"huggingface": json.dumps(names).encode()},
    )  # fmt: skip
    done = convert(path, tmp_path / "out")
    assert done.classes == {"nut": 3, "screw": 4}
    assert (tmp_path / "out" / "screw" / "00000006.png").read_bytes() == PNG


@pytest.mark.parametrize(
    "columns",
    [
        {"image": [PNG], "thumbnail": [PNG], "label": ["a"]},
        {"image": [PNG], "label": [1.5]},
        {"image": [PNG], "label": ["../a"]},
        {"image": [b"no picture"], "label": ["a"]},
        {"image": [PNG], "class": ["a"]},
    ],
)
def test_a_table_that_leaves_open_what_it_holds_is_refused(tmp_path: Path, columns) -> None:
    with pytest.raises(CountermarkError):
        convert(table(tmp_path / "t.parquet", **columns), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_table_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    good = table(tmp_path / "t.parquet", image=[PNG] * 20, label=["a"] * 20).read_bytes()
    for at in range(0, len(good), 97):
        bad = bytearray(good)
        bad[at] ^= 0xFF
        try:
            for record in table_records.records(Memory(bytes(bad))):
                assert record.data
        except CountermarkError:
            continue


POINTER = "outs:\n- md5: {md5}\n  size: {size}\n  hash: md5\n  path: {path}\n"


def test_a_pointer_to_a_folder_and_one_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "data" / "nut").mkdir(parents=True)
    (tmp_path / "data" / "nut" / "ä.png").write_bytes(PNG)
    (tmp_path / "data" / "b.png").write_bytes(OTHER)
    listing = [{"md5": hashlib.md5(OTHER).hexdigest(), "relpath": "b.png"},
               {"md5": hashlib.md5(PNG).hexdigest(), "relpath": "nut/ä.png"}]  # fmt: skip
    md5 = hashlib.md5(json.dumps(listing).encode()).hexdigest() + ".dir"
    said = pointer.read_pointer(POINTER.format(md5=md5, size=2 * len(PNG), path="data").encode())
    (tmp_path / "data.dvc").write_text(POINTER.format(md5=md5, size=2 * len(PNG), path="data"))
    assert pointer.follow(tmp_path / "data.dvc") == tmp_path / "data" == pointer.follow(tmp_path / "data")
    (tmp_path / "data" / "b.png").write_bytes(PNG + b"x")
    with pytest.raises(FormatRefused, match="not what its pointer names"):
        pointer.check_pointer(said, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "outs: []", "", "\udcff" * 3, "outs:\n- md5: 12\n  path: data\n", POINTER.format(md5="0" * 32, size=1, path="../data"),
        POINTER.format(md5="0" * 32, size=1, path="/etc"), POINTER.format(md5="0" * 32, size=1, path="a") + "- md5: b\n",
    ],
)  # fmt: skip
def test_other_pointers_are_refused(text: str) -> None:
    with pytest.raises((FormatRefused, TreeRefused)):
        pointer.read_pointer(text.encode(errors="surrogateescape"))
