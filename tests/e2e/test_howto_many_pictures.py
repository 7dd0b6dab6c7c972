"""The page on many pictures: its commands are typed, its Python is run, and both agree wherever the pictures lie."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bucket import BUCKET, Server, server
from made_up_parts import honest
from obstore.store import from_url
from PIL import Image
from pyarrow import parquet

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "screen-many-pictures.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()
]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
LIAR = "maker-02"
Rows = list[tuple[str, str, str, bytes]]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def lay_out(here: Path) -> None:
    """The same rows in all the ways of the page; one supplier calls every second of its rows by another class."""
    made = honest(3, classes=6, suppliers=6, makers=3, rows=8)
    rows: Rows = []
    for at, (image, label, supplier) in enumerate(zip(made.images, made.label, made.supplier, strict=True)):
        wrong = f"part-{(int(label[-2:]) + 1) % 6:02}" if supplier == LIAR and at % 2 else label
        rows.append((f"{at:05}", str(supplier), str(wrong), png(image)))
    for name, supplier, label, data in rows:
        (here / "photos" / supplier / label).mkdir(parents=True, exist_ok=True)
        (here / "photos" / supplier / label / f"{name}.png").write_bytes(data)
        from_url(f"s3://{BUCKET}").put(f"photos/{supplier}/{label}/{name}.png", data)
    _, suppliers, labels, pictures = map(list, zip(*rows, strict=True))
    parquet.write_table(pa.table({"maker": suppliers, "part": labels, "photo": pictures}), here / "deliveries.parquet")
    (here / "test-photos" / "new").mkdir(parents=True)
    for at, image in enumerate([*honest(9, classes=2, makers=1, rows=3).images, made.images[5][:, ::-1]]):
        (here / "test-photos" / "new" / f"{at}.png").write_bytes(png(image))
    (here / "shards").mkdir()
    for half, some in enumerate((rows[: len(rows) // 2], rows[len(rows) // 2 :])):
        shard(here / "shards" / f"{half:06}.tar", some)


def shard(path: Path, rows: Rows) -> None:
    with tarfile.open(path, "w") as out:
        for name, supplier, label, data in rows:
            facts = json.dumps({"supplier": supplier, "label": label}).encode()
            for suffix, content in (("png", data), ("json", facts)):
                info = tarfile.TarInfo(f"{name}.{suffix}")
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with server() as place:
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        yield place


@pytest.mark.slow
def test_the_commands(shell, s3: Server) -> None:
    lay_out(shell.here)
    seen = []
    for line in COMMANDS:
        if "daft" in line and find_spec("daft") is None:
            continue
        done = shell.ends(*line.replace("'", "").split()[1:], "--json")
        assert done.exit in (0, 1, 3), done.err
        told = json.loads(done.out)
        if "--test" in line:
            leaks = [f for f in told["checks"]["data/duplicates"]["findings"] if f["rule"] == "test-leak"]
            assert [f["where"]["rows"] for f in leaks] == [
                [next(r for r in told["flagged"] if r.endswith("/00005.png"))]
            ]
            assert leaks[0]["why"].endswith(" is new/6.png") and done.exit == 1
            continue
        seen.append(
            (line, told["rows"], told["features"], [n["supplier"] for n in told["named"]], len(told["flagged"]))
        )
    assert len(seen) >= 5 and seen[0][1] == 144
    folder = next(s[1:] for s in seen if s[0].endswith("*'"))
    # Of the same rows in the same order, every place and every engine gives the same.
    assert all(s[1:] == folder for s in seen if "s3://" in s[0] or "--engine" in s[0])
    assert all(s[1] == 144 for s in seen)


def test_the_python(shell, s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(shell.here)
    monkeypatch.chdir(shell.here)
    names: dict[str, object] = {}
    for block in PYTHON:
        exec(compile(block, str(PAGE), "exec"), names)
    values = names["values"]
    assert isinstance(values, dict) and len(values) == 6
    assert max(values, key=values.__getitem__) == f"{LIAR}-1.cmsums" and names["unreadable"] == ()
    whole, parts = names["whole"], names["parts"]
    assert (whole - parts[f"{LIAR}-1.cmsums"]).rows == 144 - 24  # type: ignore[operator, index]
    assert len(list(Path("journal").glob("*.batch"))) == 1


def test_a_cluster_belongs_to_daft(shell) -> None:
    (shell.here / "photos").mkdir()
    said = shell("screen", "photos", "--cluster", "127.0.0.1:1", exit=2)
    assert "knows no cluster" in said.err
