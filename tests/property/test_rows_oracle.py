"""Row digests of real Parquet and Arrow files against a second implementation over plain Python objects."""

from __future__ import annotations

import io
import struct
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

arrow = pytest.importorskip("pyarrow")
from pyarrow import compute, parquet  # noqa: E402

sys.path[:0] = [str(Path(__file__).parents[1] / "vectors" / "rows")]
import rows_oracle  # noqa: E402

from countermark.artefact import rows  # noqa: E402
from countermark.formats import _rows_task  # noqa: E402
from countermark.formats.source import Memory  # noqa: E402
from countermark.sandbox.task import Job  # noqa: E402

texts = st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = st.text(st.characters(max_codepoint=0xD7FF), min_size=1, max_size=8).filter(lambda name: name != "key")
"""UTF-16 and code points sort these alike, so that the standard library's JSON is RFC 8785."""


def whole(bits: int, *, signed: bool = True):
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)


SCALARS = [
    ("bool", arrow.bool_(), st.booleans()), ("int8", arrow.int8(), whole(8)), ("int64", arrow.int64(), whole(64)),
    ("uint16", arrow.uint16(), whole(16, signed=False)), ("uint64", arrow.uint64(), whole(64, signed=False)),
    ("float32", arrow.float32(), st.floats(width=32, allow_nan=False)), ("float64", arrow.float64(), st.floats(allow_nan=False)),
    ("text", arrow.string(), texts), ("text", arrow.large_string(), texts), ("bytes", arrow.binary(), st.binary(max_size=8)),
    ("bytes", arrow.binary(3), st.binary(min_size=3, max_size=3)), ("date32", arrow.date32(), st.integers(-9999, 9999)),
    ("timestamp[us, UTC]", arrow.timestamp("us", "UTC"), whole(50)), ("timestamp[ns]", arrow.timestamp("ns"), whole(64)),
    ("time32[ms]", arrow.time32("ms"), st.integers(0, 86_399_999)), ("time64[us]", arrow.time64("us"), st.integers(0, 86_399_999_999)),
    ("duration[ms]", arrow.duration("ms"), whole(50)),
]  # fmt: skip


def nested(children):
    """Types made of others: (word, Arrow type, values)."""

    def listed(child):
        word, kind, some = child
        return st.just(({"list": word}, arrow.list_(kind), st.lists(st.none() | some, max_size=3)))

    def fixed(child):
        word, kind, some = child
        return st.just(({"list": word}, arrow.list_(kind, 2), st.lists(st.none() | some, min_size=2, max_size=2)))

    def mapped(child):
        word, kind, some = child
        pairs = st.lists(st.tuples(texts, st.none() | some), max_size=3)
        return st.just(({"map": ["text", word]}, arrow.map_(arrow.string(), kind), pairs))

    def struct_of(both):
        (a, kind_a, some_a), (b, kind_b, some_b) = both
        kind = arrow.struct([("z", kind_a), ("a", kind_b)])
        members = st.fixed_dictionaries({"z": st.none() | some_a, "a": st.none() | some_b})
        return st.just(({"struct": {"z": a, "a": b}}, kind, members))

    return (
        children.flatmap(listed)
        | children.flatmap(fixed)
        | children.flatmap(mapped)
        | st.tuples(children, children).flatmap(struct_of)
    )


columns = st.recursive(st.sampled_from(SCALARS), nested, max_leaves=4)


@st.composite
def tables(draw):
    """(words by name, Arrow table, its rows)."""
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    count = draw(st.integers(1, 12))
    words, kinds, content = {"key": "text"}, {"key": arrow.string()}, {"key": [f"r{i}" for i in range(count)]}
    for name in names:
        words[name], kinds[name], some = draw(columns)
        content[name] = draw(st.lists(st.none() | some, min_size=count, max_size=count))
    made = arrow.table([arrow.array(content[n], kinds[n]) for n in words], names=list(words))
    return words, made, [{n: content[n][i] for n in words} for i in range(count)]


def stored(made, form: str, cut: int) -> bytes:
    out = io.BytesIO()
    if form.startswith("parquet"):
        parquet.write_table(made, out, row_group_size=cut, compression=form.partition(" ")[2] or "none",
                                  use_dictionary=cut % 2 == 0, data_page_version="2.0" if cut % 3 else "1.0")  # fmt: skip
    else:
        new = arrow.ipc.new_file if form == "file" else arrow.ipc.new_stream
        with new(out, made.schema) as writer:
            writer.write_table(made, max_chunksize=cut)
    return out.getvalue()


def digests(data: bytes, id_column: str | None = "key") -> dict[str, str]:
    """As the confined child makes them, in this process: one child for each of hundreds of tables would take minutes."""
    job = Job({"shard": False, "id": id_column}, (), (Memory(data),))
    _rows_task.begin(job)
    out: dict[str, str] = {}
    while (reply := _rows_task.more(job)).json["rows"]:
        text, raw = (bytes(a.data) for a in reply.arrays)
        out |= {name: raw[32 * i : 32 * i + 32].hex() for i, name in enumerate(text.decode().split("\n"))}
    return out


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.sampled_from(["file", "stream", "parquet", "parquet zstd"]), st.integers(1, 7))
def test_a_table_however_it_is_stored(made, form: str, cut: int) -> None:
    words, table, content = made
    expected = {row["key"]: rows_oracle.row_digest(words, row) for row in content}
    assert digests(stored(table, form, cut)) == expected


def test_what_is_stored_otherwise_is_the_same() -> None:
    plain = arrow.table({"key": ["a", "b", "c"], "v": arrow.array([1, 1, None], arrow.int32()), "t": ["x", None, "y"]})
    seen = digests(stored(plain, "file", 3))
    kinds = [
        plain.set_column(2, "t", plain["t"].combine_chunks().dictionary_encode()),
        plain.set_column(2, "t", plain["t"].cast(arrow.large_string())),
        plain.set_column(2, "t", plain["t"].cast(arrow.string_view())),
        plain.set_column(1, "v", compute.run_end_encode(plain["v"].combine_chunks())),
        plain.select(["t", "v", "key"]),
        plain.replace_schema_metadata({"a": "b"}),
        plain.take([2, 0, 1]),
    ]
    assert [digests(stored(kind, "stream", 2)) for kind in kinds] == [seen] * len(kinds)
    lists = [
        arrow.list_(arrow.int16()),
        arrow.large_list(arrow.int16()),
        arrow.list_(arrow.int16(), 2),
        arrow.list_view(arrow.int16()),
    ]
    made = [arrow.table({"key": ["a", "b"], "l": arrow.array([[1, None], [3, 4]], kind)}) for kind in lists]
    assert len({tuple(digests(stored(one, "file", 1)).items()) for one in made}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (arrow.array([1], arrow.int32()), arrow.array([1], arrow.int64())), (arrow.array([0.0]), arrow.array([-0.0])),
        (arrow.array([None], arrow.string()), arrow.array([""])), (arrow.array(["1"]), arrow.array([b"1"])),
        (arrow.array([[]], arrow.list_(arrow.int8())), arrow.array([[None]], arrow.list_(arrow.int8()))),
        (arrow.array([None], arrow.struct([("a", arrow.int8())])), arrow.array([{"a": None}], arrow.struct([("a", arrow.int8())]))),
        (arrow.array([0], arrow.timestamp("us")), arrow.array([0], arrow.timestamp("us", "UTC"))),
        (arrow.array([["ab", "c"]]), arrow.array([["a", "bc"]])), (arrow.array(["é"]), arrow.array(["e\u0301"])),
    ],
)  # fmt: skip
def test_what_differs_is_told_apart(one, other) -> None:
    first, second = (digests(stored(arrow.table({"v": v}), "file", 1), None) for v in (one, other))
    assert first.keys() == second.keys() == {"00000000"} and first != second


def test_nan_payloads_and_decimals() -> None:
    bits = [0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001]
    raw = struct.pack("<4Q", *bits)
    column = arrow.Array.from_buffers(arrow.float64(), 4, [None, arrow.py_buffer(raw)])
    small = arrow.array([None, Decimal("-0.05"), Decimal("5.00"), Decimal("1e20")], arrow.decimal128(30, 2))
    table = arrow.table({"key": ["a", "b", "c", "d"], "f": column, "d": small})
    words = {"key": "text", "f": "float64", "d": "decimal[30, 2]"}
    units = [None, -5, 500, 10**22]
    expected = {k: rows_oracle.row_digest(words, {"key": k, "f": struct.pack("<Q", b), "d": u})
                for k, b, u in zip("abcd", bits, units, strict=True)}  # fmt: skip
    for form in ("file", "stream", "parquet"):
        assert digests(stored(table, form, 2)) == expected
    wide = table.set_column(2, "d", small.cast(arrow.decimal256(30, 2)))
    assert digests(stored(wide, "file", 4)) == expected


def test_the_confined_child_says_the_same() -> None:
    table = arrow.table({"key": [f"r{i}" for i in range(9000)], "n": list(range(9000))})
    for form in ("file", "parquet"):
        data = stored(table, form, 5000)
        assert {r.id: r.digest.hex() for r in rows.rows_of(Memory(data), shard=False, id_column="key")} == digests(data)
