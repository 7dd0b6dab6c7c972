"""Golden rows: what version 1 called them once, it calls them for ever."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import make_rows_vectors
import pytest

from countermark.artefact import row_list, rows
from countermark.artefact.rows import Row
from countermark.formats.source import Memory

CASES = json.loads(Path(__file__).with_name("rows-v1.json").read_text())["cases"]


def arrow_type(word: Any) -> Any:
    arrow = pytest.importorskip("pyarrow")
    if isinstance(word, str):
        unit, _, zone = word.partition("[")[2].rstrip("]").partition(", ")
        named = {"text": arrow.string(), "bytes": arrow.binary(), "bool": arrow.bool_()}
        return (
            arrow.timestamp(unit, zone or None)
            if word.startswith("timestamp")
            else named.get(word) or getattr(arrow, word)()
        )
    ((kind, inner),) = word.items()
    if kind == "list":
        return arrow.list_(arrow_type(inner))
    if kind == "map":
        return arrow.map_(*map(arrow_type, inner))
    return arrow.struct([(name, arrow_type(member)) for name, member in inner.items()])


def as_arrow_takes(value: Any, word: Any) -> Any:
    if value is not None and word == "bytes":
        return value.encode()
    return [tuple(pair) for pair in value] if value is not None and isinstance(word, dict) and "map" in word else value


def as_table(case: dict[str, Any]) -> bytes:
    arrow = pytest.importorskip("pyarrow")
    names, out = list(case["schema"]), io.BytesIO()
    cells = {n: [as_arrow_takes(r[n], case["schema"][n]) for r in case["rows"]] for n in names}
    made = arrow.table([arrow.array(cells[n], arrow_type(case["schema"][n])) for n in names], names=names)
    with arrow.ipc.new_file(out, made.schema) as writer:
        writer.write_table(made)
    return out.getvalue()


def as_shard(case: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for row in case["rows"]:
            for suffix, text in row.items():
                if suffix != "__key__":
                    info = tarfile.TarInfo(f"{row['__key__']}.{suffix}")
                    info.size = len(text)
                    archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def seen(data: bytes, case: dict[str, Any], *, shard: bool) -> tuple[dict[str, str], str]:
    found = list(rows.rows_of(Memory(data), shard=shard, id_column=case["id"]))
    return {r.id: r.digest.hex() for r in found}, row_list.root(sorted(found))[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden_rows_of_tables(case: dict[str, Any]) -> None:
    assert seen(as_table(case), case, shard=False) == (case["digests"], case["root"])


@pytest.mark.parametrize("case", [c for c in CASES if c["id"] == "__key__"], ids=lambda case: case["name"])
def test_golden_rows_of_shards(case: dict[str, Any]) -> None:
    assert seen(as_shard(case), case, shard=True) == (case["digests"], case["root"])


def test_the_second_implementation_still_writes_them() -> None:
    assert json.loads(json.dumps(make_rows_vectors.made()))["cases"] == CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_lists_fit_their_schemas(case: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    home = Path(__file__).parents[3] / "docs" / "reference" / "formats" / "schemas"
    heading, line = (json.loads((home / f"row-list-{n}.schema.json").read_text()) for n in ("heading", "line"))
    out = io.BytesIO()
    found = row_list.write((Row(n, bytes.fromhex(d)) for n, d in case["digests"].items()), out, case["id"])
    jsonschema.validate(json.loads(found.line()), heading)
    for one in out.getvalue().splitlines():
        jsonschema.validate(json.loads(one), line)
