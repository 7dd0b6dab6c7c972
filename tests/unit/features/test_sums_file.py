"""cm-sums/v1: written alike everywhere, read only whole and only where rows could have such sums."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark import canonical
from countermark.errors import CountermarkError, FormatRefused
from countermark.features.sums import Sums
from countermark.features.sums_file import MAGIC, Delivered, from_bytes, to_bytes


def one(seed: int = 0) -> Delivered:
    rng = np.random.default_rng(seed)
    z = np.rint(rng.normal(0, 256, (40, 6)))
    return Delivered("acme", "acme-1", Sums.of("grid", z, [f"part{i}" for i in rng.integers(0, 3, 40)]))


def forged(data: bytes, header: dict | None = None, at: int | None = None, value: int = 0) -> bytes:
    """The same file with another heading or number, and a digest that fits."""
    (length,) = struct.unpack_from("<I", data, len(MAGIC))
    start = len(MAGIC) + 4
    old = canonical.object_from_bytes(data[start : start + length])
    new = canonical.to_bytes({**old, **(header or {})})
    body = bytearray(data[start + length : -32])
    if at is not None:
        struct.pack_into("<q", body, 8 * at, value)
    out = MAGIC + struct.pack("<I", len(new)) + new + bytes(body)
    return out + hashlib.sha256(out).digest()


def test_round_trip_to_the_last_bit() -> None:
    data = to_bytes(one())
    back = from_bytes(data)
    assert (back.supplier, back.delivery) == ("acme", "acme-1")
    for name in ("count", "first", "second"):
        np.testing.assert_array_equal(getattr(back.sums, name), getattr(one().sums, name))
    assert to_bytes(back) == data


def test_the_bytes_are_pinned() -> None:
    z = np.arange(12, dtype=np.float64).reshape(4, 3)
    data = to_bytes(Delivered("a", "d", Sums.of("g", z, ["x", "y", "x", "y"])))
    assert hashlib.sha256(data).hexdigest() == "0a2af4b80c79342a9d69a430cf04c91a700d26f539992addc2f76be0446e85d5"


@pytest.mark.parametrize(
    "header",
    [
        {"features": 7}, {"features": 0}, {"features": 1 << 40}, {"features": True}, {"classes": ["b", "a", "c"]},
        {"classes": ["a", "a", "b"]}, {"classes": ["a"]}, {"count": [1, 2]}, {"count": [1, 2, -3]}, {"count": [1, 2, 0]},
        {"count": [1, 2, 1.5]}, {"supplier": ""}, {"supplier": 3}, {"supplier": "a\x1b[2J"}, {"delivery": "x" * 513},
        {"more": 1},
    ],
)  # fmt: skip
def test_a_heading_that_does_not_hold_is_refused(header: dict) -> None:
    with pytest.raises(FormatRefused):
        from_bytes(forged(to_bytes(one()), header))


@pytest.mark.parametrize(("at", "value"), [(0, 2**62), (0, 10**7), (18, -1), (19, 2**52), (18, 2**60)])
def test_numbers_that_no_rows_have_are_refused(at: int, value: int) -> None:
    with pytest.raises(FormatRefused, match="no sums of"):
        from_bytes(forged(to_bytes(one()), at=at, value=value))


def test_a_heading_of_any_declared_length_costs_nothing() -> None:
    data = to_bytes(one())
    for length in (0xFFFFFFFF, 1 << 20, len(data)):
        with pytest.raises(FormatRefused):
            from_bytes(MAGIC + struct.pack("<I", length) + data[len(MAGIC) + 4 :])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_changed_or_missing_byte_is_noticed(data: st.DataObject) -> None:
    whole = to_bytes(one())
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(changed), whole[:at], whole + b"\0"):
        with pytest.raises(CountermarkError):
            from_bytes(bad)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    for bad in (raw, MAGIC + raw):
        with pytest.raises(CountermarkError):
            from_bytes(bad)
