"""The pipe's frames: whatever a child sends, the parent gets an answer within its limits or a typed error."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermark.errors import CountermarkError
from countermark.sandbox import wire
from countermark.sandbox.limits import Limits
from countermark.sandbox.pipe import run_task

KINDS = [wire.ANSWER, wire.ARRAY, wire.ASK, wire.HELLO, wire.DATA, b"?"]
LIMIT = 1 << 12


def frame(kind: bytes, payload: bytes) -> bytes:
    out = io.BytesIO()
    wire.send(out, kind, payload)
    return out.getvalue()


@given(st.sampled_from(KINDS), st.binary(max_size=LIMIT))
def test_a_frame_comes_back_as_it_was_sent(kind, payload):
    assert wire.receive(io.BytesIO(frame(kind, payload)), {kind: LIMIT}) == (kind, payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_protocol_error(data):
    try:
        kind, payload = wire.receive(io.BytesIO(data), {wire.ANSWER: LIMIT, wire.ASK: 20})
    except wire.ProtocolError:
        return
    assert data.startswith(frame(kind, payload))


@given(st.integers(LIMIT + 1, 2**64 - 1))
def test_a_declared_length_beyond_the_limit_allocates_nothing(size):
    tracemalloc.start()
    try:
        with pytest.raises(wire.ProtocolError, match="limit"):
            wire.receive(io.BytesIO(struct.pack(">cQ", wire.ANSWER, size)), {wire.ANSWER: LIMIT})
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


@given(
    st.one_of(st.sampled_from(sorted(wire.ITEM_BYTES)), st.text(max_size=5), st.none(), st.integers()),
    st.one_of(st.lists(st.integers(-3, 2**70), max_size=10), st.none(), st.lists(st.booleans(), max_size=3)),
)
def test_a_declared_array_is_within_its_limit_or_refused(dtype, shape):
    try:
        size = wire.array_bytes(dtype, shape, LIMIT)
    except wire.ProtocolError:
        return
    assert 0 <= size <= LIMIT
    assert wire.RawArray(dtype, tuple(shape), b"").declared_bytes() == size


ANSWERS = [
    {"json": {}, "arrays": []}, {"json": {}, "arrays": [{"dtype": "<f8", "shape": [2]}]}, {"json": []}, [], {}, None,
    {"json": {}, "arrays": [{"dtype": "|O", "shape": [1]}]}, {"json": {}, "arrays": [{}] * 65}, {"arrays": []},
    {"refused": {"kind": "SystemExit", "what": "x", "why": "", "mend": ""}}, {"refused": {}}, {"budget": {"budget": 1}},
    {"json": {}, "arrays": [{"dtype": "|u1", "shape": [1 << 40]}]},
]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.binary(max_size=64),
        st.builds(lambda v: frame(wire.ANSWER, json.dumps(v).encode()), st.sampled_from(ANSWERS)),
        st.builds(lambda i, o, n: frame(wire.ASK, wire.READ.pack(i, o, n)), *[st.integers(0, 2**31)] * 3),
        st.builds(lambda b: frame(wire.ASK, b), st.binary(max_size=21)),
    )
)
def test_whatever_a_child_says_ends_in_an_answer_or_a_typed_error(said):
    request = {"how": "say", "hex": said.hex()}
    try:
        reply = run_task("countermark.sandbox._selfcheck:misbehave", request, limits=Limits(wall_seconds=20))
    except CountermarkError:
        return
    assert reply.json == {}
    assert reply.arrays == []
