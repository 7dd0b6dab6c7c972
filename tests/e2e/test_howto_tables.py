"""The page on tables and sounds: its commands are typed, its Python is run, and both name the one who lied."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import made_up_sounds
import made_up_tables
import numpy as np
import pyarrow as pa
import pytest
import tables_and_clips
from PIL import Image
from pyarrow import parquet

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "screen-tables-and-sounds.md"
CLAIMED = PAGE.read_text().partition("## Delivered")[0]  # the rest is typed by test_tables_and_clips
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", CLAIMED, re.DOTALL) for line in block.splitlines()]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
LAB, SITE = "lab-03", "site-03"
PICTURES = {
    "data/picture-integrity",
    "data/privacy",
    "data/image-scaling",
    "data/recurring-patch",
    "data/spectral",
    "data/frequency",
}


def lay_out(here: Path) -> None:
    """A table in which one lab calls half of its rows by another class, what was agreed, and clips of sites of which one does the same."""
    honest = made_up_tables.honest(1, suppliers=16)
    honest.numbers[:, :2] = np.nan_to_num(honest.numbers[:, :2])
    columns = made_up_tables.flipped(honest, LAB, share=0.5).table()
    columns["grade"], columns["lab"] = columns.pop("label"), columns.pop("supplier")
    columns["width"], columns["height"] = columns.pop("x00"), columns.pop("x01")
    columns["sample"] = [f"sample-{i:04}" for i in range(len(columns["lab"]))]
    parquet.write_table(pa.table(columns), here / "measurements.parquet")
    agreed = json.loads(made_up_tables.schema(honest)) | {"strict": False}
    agreed["columns"] |= {new: agreed["columns"].pop(old) for old, new in (("x00", "width"), ("x01", "height"))}
    (here / "agreed.json").write_text(json.dumps(agreed))
    data = made_up_sounds.flipped(made_up_sounds.honest(1, suppliers=12, seconds=0.25), SITE, share=0.6)
    for i, (clip, label, supplier) in enumerate(zip(data.clips, data.label, data.supplier, strict=True)):
        (here / "clips" / supplier / label).mkdir(parents=True, exist_ok=True)
        (here / "clips" / supplier / label / f"{i:04}.wav").write_bytes(tables_and_clips.wav(clip))


@pytest.mark.slow
def test_the_commands(shell) -> None:
    own_networks = pytest.importorskip("own_networks", reason="needs onnx")
    pytest.importorskip("onnxruntime")
    lay_out(shell.here)
    (shell.here / "values.onnx").write_bytes(own_networks.flat([None, 2])[0])
    (shell.here / "sounds.onnx").write_bytes(own_networks.averaging(1, kernel=64, inner=96)[0])
    assert len(COMMANDS) == 6
    for line in COMMANDS:
        if "--model" in line:
            _own(json.loads(shell.ends(*shlex.split(line)[1:], "--json").out), of_clips="clips" in line)
            continue
        done = shell.ends(*shlex.split(line)[1:], "--json")
        assert done.exit == 1, done.err
        told = json.loads(done.out)
        assert [n["supplier"] for n in told["named"]] == [SITE if "clips" in line else LAB]
        assert set(told["not_applicable"]) >= PICTURES and not set(told["checks"]) & PICTURES
        if "--id-column" in line:
            assert all(row.startswith("sample-") for row in told["flagged"])
        if "clips" not in line:
            assert told["checks"]["data/schema"]["outcome"] == "passed" and told["rows"] == 640
    flagged = (shell.here / "flagged.csv").read_text().splitlines()
    assert flagged[0] == "row,supplier,label" and sum(LAB in row for row in flagged) >= 15


def _own(told: dict[str, Any], *, of_clips: bool) -> None:
    """Whose features they are is said; nobody honest is named."""
    words = "inner layer of sounds.onnx (SHA-256 " if of_clips else "inner layer of values.onnx (SHA-256 "
    assert told["features"]["name"].startswith(words) and "out of fold" in told["features"]["name"]
    assert {n["supplier"] for n in told["named"]} <= {SITE if of_clips else LAB}
    assert (
        told["checks"]["data/drift"]["outcome"] in ("passed", "found")
        and told["checks"]["data/duplicates"]["outcome"] == "passed"
    )


def test_the_python(shell, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(shell.here)
    monkeypatch.chdir(shell.here)
    names: dict[str, object] = {}
    for block in PYTHON:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["result"].named == (LAB,) and names["seen"].named == ()  # type: ignore[attr-defined]
    assert set(names["seen"].not_applicable) == {*PICTURES, "data/schema"}  # type: ignore[attr-defined]


def test_what_does_not_fit_together_is_refused(shell) -> None:
    (shell.here / "photos" / "a" / "b").mkdir(parents=True)
    Image.new("RGB", (16, 16)).save(shell.here / "photos" / "a" / "b" / "1.png")
    (shell.here / "agreed.json").write_text("{}")
    assert "--content table" in shell("screen", "photos", "--schema", "agreed.json", exit=2).err
    assert "no WAV" in shell("screen", "photos", "--content", "clips", exit=2).err
    (shell.here / "photos" / "a" / "b" / "1.mp3").write_bytes(b"ID3" + bytes(20))
    assert "WAV" in shell("screen", "photos", "--content", "clips", exit=1).err


def test_a_row_of_a_table_is_explained_and_what_is_of_pictures_is_refused(shell) -> None:
    lay_out(shell.here)
    named = ("measurements.parquet", "--label-column", "grade", "--supplier-column", "lab", "--id-column", "sample")
    alone = shell("screen", *named, "--explain", "sample-0003", exit=3).out
    assert "not looked at: data/schema: single rows: no schema was given" in alone
    told = shell("screen", *named, "--schema", "agreed.json", "--explain", "sample-0003").out
    assert "sample-0003, delivered by lab-" in told and "data/label-errors" in told and "column" in told
    assert "cannot be seen" in shell("screen", *named, "--explain", "sample-0003", "--picture", "row.png", exit=2).err
    assert "of pictures" in shell("screen", *named, "--features", "net", exit=2).err
    assert "is no file" in shell("screen", *named, "--model", "model.onnx", exit=2).err
    assert "of clips, and there are none" in shell("screen", *named, "--model", "clips=model.onnx", exit=2).err
    assert "two models" in shell("screen", *named, "--model", "a.onnx", "--model", "b.onnx", exit=2).err
    assert "no model" in shell("screen", *named, "--model-column", "width", exit=2).err
    (shell.here / "photos" / "nut").mkdir(parents=True)
    Image.new("RGB", (16, 16)).save(shell.here / "photos" / "nut" / "1.png")
    assert "test sets are of pictures" in shell("screen", *named, "--test", "photos", exit=2).err
