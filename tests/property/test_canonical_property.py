"""Strict JSON against the standard library: it takes no more, loses nothing, and never leaks another error."""

from __future__ import annotations

import json
import math

import rfc8785
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from countermark import canonical
from countermark.errors import StatementRefused

QUICK = settings(derandomize=True, max_examples=150, deadline=None)
text = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
# RFC 8785 writes larger whole floats as integers, which no longer have a canonical form when they are read back.
floats = st.floats(-(2**53) + 1, 2**53 - 1)
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | floats | text
values = st.recursive(scalars, lambda v: st.lists(v, max_size=5) | st.dictionaries(text, v, max_size=5), max_leaves=30)


@QUICK
@given(values)
def test_canonical_bytes_read_back_and_are_a_fixed_point(value: object) -> None:
    data = canonical.to_bytes(value)
    assert canonical.to_bytes(canonical.from_bytes(data)) == data == rfc8785.dumps(value)  # type: ignore[arg-type]


@QUICK
@given(values, st.booleans())
def test_any_spelling_of_a_value_reads_as_that_value(value: object, ascii_only: bool) -> None:
    assert canonical.from_bytes(json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()) == value


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def nested(depth: int, leaf: object) -> object:
    value = leaf
    for level in range(depth):
        value = [value, '"[{\\'] if level % 2 else {'[\\"{': value}
    return value


@QUICK
@given(st.integers(0, 90), text)
def test_depth_is_counted_exactly_whatever_strings_hold(depth: int, leaf: str) -> None:
    value = [nested(depth, leaf), *([[]] * 70)]
    data = json.dumps(value).encode()
    if _depth(value) <= canonical.MAX_DEPTH:
        assert canonical.from_bytes(data) == value
    else:
        try:
            canonical.from_bytes(data)
        except StatementRefused as error:
            assert "deeper" in error.what
        else:
            raise AssertionError("too deep, and taken")


@settings(derandomize=True, max_examples=600, deadline=None)
@given(st.binary(max_size=200) | st.text('{}[]",:\\u0dDeE+-.18ntf ', max_size=60).map(str.encode))
@example(b'"' + b'\\"' * 50_000)
@example(b'{"":' * 80 + b'"' * 81)
@example(b"[" + b'"a",' * 30_000)
def test_any_bytes_are_a_value_or_a_refusal(data: bytes) -> None:
    try:
        value = canonical.from_bytes(data)
    except StatementRefused:
        return
    assert json.loads(data) == value or value != value
    assert not isinstance(value, float) or math.isfinite(value)


@QUICK
@given(st.lists(st.tuples(text, scalars), min_size=2, max_size=8))
def test_doubled_keys_are_always_refused(pairs: list[tuple[str, object]]) -> None:
    body = ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs)
    doubled = len({k for k, _ in pairs}) < len(pairs)
    try:
        value = canonical.from_bytes(f"{{{body}}}".encode())
    except StatementRefused as error:
        assert doubled and "twice" in error.what
    else:
        assert not doubled and value == dict(pairs)


@QUICK
@given(text)
def test_what_is_printable_shows_as_it_is(value: str) -> None:
    assume(value)
    hidden = canonical.unprintable(value)
    assert hidden or all(ord(c) >= 0x20 for c in value)
    assert hidden.isascii() and hidden.isprintable()
    assert not (value.isprintable() and hidden)
