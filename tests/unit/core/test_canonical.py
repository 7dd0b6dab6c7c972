"""Strict JSON: what is refused before a value is built, and what survives the way to bytes and back."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import CountermarkError, StatementRefused

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'{"x":{"a":1,"b":2,"a":1}}', "twice"),
        (b'{"\\u0061":1,"a":2}', "twice"),
        (b"NaN", "not a number"),
        (b"[-Infinity]", "not a number"),
        (b"[1e999]", "not a number"),
        (b"[-1e400]", "not a number"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'["\\uD83D\\u0020"]', "surrogate"),
        (b"\xff\xfe", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'"\x01"', "not JSON"),
        (b"9" * 5000, "not JSON"),
    ],
)
def test_bytes_that_readers_disagree_on_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(StatementRefused, match=what):
        canonical.from_bytes(data)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'], ids=["lists", "objects", "both"])
def test_a_million_levels_are_refused_without_recursion(opening: bytes) -> None:
    with pytest.raises(StatementRefused, match="deeper than 64"):
        canonical.from_bytes(opening * MILLION)


def test_depth_is_counted_outside_strings() -> None:
    flat = b'["' + b"[{" * 500 + b'","\\"[[","\\\\"' + b',{"a":"["}' * 100 + b"]"
    assert len(canonical.from_bytes(flat)) == 103
    deep = b"[" * 64 + b"]" * 64
    assert canonical.from_bytes(deep) == canonical.from_bytes(deep)
    with pytest.raises(StatementRefused):
        canonical.from_bytes(b"[" + deep + b"]")


def test_paired_surrogates_are_one_character() -> None:
    assert canonical.from_bytes(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_too_many_values_are_refused_before_they_are_built() -> None:
    with pytest.raises(StatementRefused, match="values"):
        canonical.from_bytes(b"[" + b"[]," * (6 * MILLION) + b"0]")


def test_doubled_keys_are_found_in_linear_time() -> None:
    data = b"{" + b",".join(b'"%d":0' % n for n in range(100_000)) + b',"7":1}'
    start = time.process_time()
    with pytest.raises(StatementRefused, match="'7' twice"):
        canonical.from_bytes(data)
    assert time.process_time() - start < 2.0


def test_size_is_checked_first() -> None:
    with pytest.raises(StatementRefused, match="11 bytes; the limit is 10"):
        canonical.from_bytes(b"[" + b" " * 9 + b"]", max_bytes=10)


def test_values_without_a_canonical_form_are_refused() -> None:
    looped: list[object] = []
    looped.append(looped)
    for value in (float("nan"), float("inf"), 1 << 60, {1: 2}, {"a": b"bytes"}, object(), "\ud800", looped):
        with pytest.raises(StatementRefused):
            canonical.to_bytes(value)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda f: f.integer("n"), 1.0),
        (lambda f: f.integer("n"), True),
        (lambda f: f.integer("n"), -1),
        (lambda f: f.integer("n"), 1 << 53),
        (lambda f: f.integer("n"), 10**4000),
        (lambda f: f.integer("n"), "1"),
        (lambda f: f.integers("n"), [0, 1.0]),
        (lambda f: f.integers("n"), [1 << 53]),
        (lambda f: f.boolean("n"), 1),
        (lambda f: f.text("n"), None),
        (lambda f: f.text("n"), "x" * 5000),
        (lambda f: f.text("n"), "red\x1b[31m"),
        (lambda f: f.text("n"), "right\u202eleft"),
        (lambda f: f.texts("n"), ["fine", "bell\x07"]),
        (lambda f: f.texts("n"), ["fine", 3]),
        (lambda f: f.hex("n"), "A" * 64),
        (lambda f: f.hex("n"), "a" * 63),
        (lambda f: f.hex("n"), "\u0660" * 64),
        (lambda f: f.base64("n"), "a b="),
        (lambda f: f.base64("n"), "\u00e9\u00e9\u00e9\u00e9"),
        (lambda f: f.items("n"), {}),
        (lambda f: f.object("n"), []),
        (lambda f: f.any("m"), 1),
        (lambda f: f.done(), 1),
    ],
)
def test_fields_refuse_what_is_not_exactly_asked_for(read: object, value: object) -> None:
    with pytest.raises(StatementRefused):
        read(Fields({"n": value}, "thing"))  # type: ignore[operator]


def test_every_refusal_says_what_and_is_one_of_ours() -> None:
    with pytest.raises(CountermarkError) as caught:
        canonical.object_from_bytes(b"[]", what="slip")
    assert caught.value.what == "slip is not a JSON object"
    assert caught.value.exit_code == 1


def test_looking_for_depth_keeps_nothing_for_each_string() -> None:
    """It once kept forty bytes for each string that it skipped: gigabytes, of a document that is not large."""
    data = b"[" * 65 + b'"' * 4_000_000
    tracemalloc.start()
    try:
        with pytest.raises(StatementRefused, match="nested deeper"):
            canonical.from_bytes(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.text('[]{}"\\\\a ', max_size=300).map(lambda text: "[" * 60 + "!" + text))
def test_depth_is_counted_outside_strings_only(text: str) -> None:
    depth = deepest = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "[]{}":
            depth += 1 if char in "[{" else -1
            deepest = max(deepest, depth)
    with pytest.raises(StatementRefused) as refused:
        canonical.from_bytes(text.encode())
    assert ("nested deeper" in refused.value.what) == (deepest > canonical.MAX_DEPTH)
