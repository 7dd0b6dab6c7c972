"""Tables and clips that nobody signed for, read through the confined child."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import made_up_sounds
import made_up_tables
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from countermark.artefact.labelled import Columns
from countermark.errors import CountermarkError, FormatRefused, Unusable
from countermark.features.columns import columns_of
from countermark.formats.limits import OverLimit
from countermark.lifecycle import claimed_clips, claimed_table
from countermark.lifecycle.claimed_clips import holds_clips, read_clips
from countermark.lifecycle.claimed_table import holds_no_pictures, read_table
from countermark.sandbox.limits import ChildFailed
from countermark.sandbox.pipe import Child, Reply
from countermark.sandbox.wire import RawArray

MADE = made_up_tables.honest(2)
TABLE = pa.table(MADE.table() | {"note": [[1]] * len(MADE.label)})
COLUMNS = Columns()
PATTERN = "{supplier}/{label}/*"


def wav(clip: np.ndarray, rate: int = made_up_sounds.RATE) -> bytes:
    data = (np.clip(clip, -1, 1) * 32767).astype("<i2").tobytes()
    head = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + head
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


def test_the_child_reads_what_is_there(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "t.parquet")
    feather.write_feather(TABLE, tmp_path / "t.feather", compression="uncompressed")
    ours, _ = columns_of(TABLE)
    for name in ("t.parquet", "t.feather"):
        read = read_table(str(tmp_path / name), COLUMNS)
        assert list(read.columns) == list(ours)
        assert [line.split("<")[0] for line in read.left] == ["column note: list"]
        for column, there in ours.items():
            np.testing.assert_array_equal(read.columns[column].values, there.values)
            assert read.columns[column].words == there.words
        assert holds_no_pictures(str(tmp_path / name))


def test_several_tables_are_one_behind_the_other(tmp_path: Path) -> None:
    parquet.write_table(TABLE.slice(0, 200), tmp_path / "a.parquet")
    parquet.write_table(TABLE.slice(200), tmp_path / "b.parquet")
    read = read_table(str(tmp_path), COLUMNS).columns
    assert (
        read["colour"].texts() == MADE.words["colour"].tolist() and read["supplier"].texts() == MADE.supplier.tolist()
    )
    parquet.write_table(TABLE.drop_columns(["x00"]), tmp_path / "b.parquet")
    with pytest.raises(FormatRefused, match="other columns"):
        read_table(str(tmp_path), COLUMNS)


def test_pictures_are_left_to_their_own_screening(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"image": [b"x"], "label": ["a"]}), tmp_path / "t.parquet")
    assert not holds_no_pictures(str(tmp_path / "t.parquet")) and not holds_no_pictures(str(tmp_path / "gone"))
    assert not holds_no_pictures(str(tmp_path / "t.tar")) and not holds_no_pictures("s3://bucket/t.parquet")


def test_names_that_forge_a_screen_are_refused(tmp_path: Path) -> None:
    for bad in ({"x\x1b[2J": [1.0]}, {"supplier": ["a\nb"]}):
        parquet.write_table(pa.table({"label": ["a"], "supplier": ["b"]} | bad), tmp_path / "t.parquet")
        with pytest.raises(FormatRefused):
            read_table(str(tmp_path / "t.parquet"), COLUMNS)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import countermark.features.columns as limits

    parquet.write_table(TABLE, tmp_path / "t.parquet")
    monkeypatch.setattr(limits, "MOST_CELLS", 1000)
    with pytest.raises(FormatRefused, match="cells"):
        read_table(str(tmp_path / "t.parquet"), COLUMNS)
    parquet.write_table(pa.table({f"c{i}": [1] for i in range(5000)}), tmp_path / "wide.parquet")
    with pytest.raises(FormatRefused, match="columns"):
        read_table(str(tmp_path / "wide.parquet"), COLUMNS)
    with pytest.raises(Unusable):
        read_table(str(tmp_path / "gone.parquet"), COLUMNS)


def test_broken_tables_are_refused(tmp_path: Path) -> None:
    parquet.write_table(TABLE.slice(0, 50), tmp_path / "t.parquet")
    good, rng = (tmp_path / "t.parquet").read_bytes(), random.Random(3)
    for _ in range(6):
        bad = bytearray(good)
        for _ in range(20):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        (tmp_path / "bad.parquet").write_bytes(bad[: rng.randrange(len(bad) // 2, len(bad) + 1)])
        try:
            read = read_table(str(tmp_path / "bad.parquet"), COLUMNS)
        except CountermarkError as refused:
            assert refused.what
        else:
            assert all(len(c.values) == 50 for c in read.columns.values())


@pytest.mark.parametrize("answers", [
    [({"columns": [["x", 9, ""]], "left": []}, [])], [({"columns": [["x", 0, ""], ["x", 0, ""]], "left": []}, [])], [({}, [])],
    [({"columns": [["x", 2, ""]], "left": []}, []), ({"words": {}}, [RawArray("<f8", (1, 1), np.float64(0).tobytes())])],
    [({"columns": [["x", 2, ""]], "left": []}, []), ({"words": {"7": ["a"]}}, [RawArray("<f8", (1, 0), b"")])],
    [({"columns": [["x", 0, ""]], "left": []}, []), ({"words": {}}, [RawArray("<f8", (2, 0), b"")])],
    [({"columns": [["x", 0, ""]], "left": []}, []), ({"words": {}}, [RawArray("<f4", (1, 0), b"")])],
])  # fmt: skip
def test_a_child_that_lies_is_not_believed(
    answers: list[tuple[dict, list]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(answers)
    monkeypatch.setattr(Child, "ask", lambda *_, **__: Reply(*next(left)))
    parquet.write_table(TABLE, tmp_path / "t.parquet")
    with pytest.raises(ChildFailed):
        read_table(str(tmp_path / "t.parquet"), COLUMNS)


def lay_out(root: Path, count: int = 12) -> made_up_sounds.MadeUp:
    data = made_up_sounds.honest(3, suppliers=3, rows=count // 3, seconds=0.1)
    for i, (clip, label, supplier) in enumerate(zip(data.clips, data.label, data.supplier, strict=True)):
        (root / supplier / label).mkdir(parents=True, exist_ok=True)
        (root / supplier / label / f"{i:03}.wav").write_bytes(wav(clip))
    return data


def test_clips_are_read_with_their_names(tmp_path: Path) -> None:
    data = lay_out(tmp_path)
    (tmp_path / "README.txt").write_text("not matched")
    assert holds_clips(str(tmp_path), PATTERN)
    clips = read_clips(str(tmp_path), PATTERN)
    order = [int(p[-7:-4]) for p in clips.paths]
    assert sorted(order) == list(range(12)) and set(clips.rates) == {16000.0}
    for at, row in enumerate(order):
        np.testing.assert_allclose(clips.signals[at][:, 0], data.clips[row], atol=1e-4)
        assert (clips.suppliers[at], clips.labels[at]) == (data.supplier[row], data.label[row])


def test_other_sound_is_refused_with_a_mend(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "site-00" / "machine-0" / "x.flac").parent.mkdir(exist_ok=True)
    (tmp_path / "site-00" / "machine-0" / "x.flac").write_bytes(b"fLaC" + bytes(50))
    with pytest.raises(FormatRefused, match="no WAV") as refused:
        read_clips(str(tmp_path), PATTERN)
    assert "convert to WAV" in refused.value.mend


def test_a_broken_clip_and_another_number_of_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path)
    odd = tmp_path / "site-02" / "machine-0" / "zz.wav"
    odd.parent.mkdir(exist_ok=True)
    odd.write_bytes(wav(np.zeros(100))[:-3])
    with pytest.raises(FormatRefused, match="does not decode"):
        read_clips(str(tmp_path), PATTERN)
    two = bytearray(wav(np.zeros(100)))
    two[22:24], two[32:34] = struct.pack("<H", 2), struct.pack("<H", 4)
    odd.write_bytes(two)
    with pytest.raises(FormatRefused, match="2 channels"):
        read_clips(str(tmp_path), PATTERN)
    odd.write_bytes(wav(np.zeros(100)))
    monkeypatch.setattr(claimed_clips, "MOST_SAMPLES", 5000)
    with pytest.raises(OverLimit):
        read_clips(str(tmp_path), PATTERN)


def test_pictures_are_no_clips(tmp_path: Path) -> None:
    assert not holds_clips(str(tmp_path), PATTERN) and not holds_clips(str(tmp_path / "gone"), PATTERN)
    with pytest.raises(Unusable, match="no WAV"):
        read_clips(str(tmp_path), PATTERN)
    assert claimed_table.holds_no_pictures(str(tmp_path)) is False
