"""Frames: read back as they were written, and rows on them are the same in whatever company."""

from __future__ import annotations

import made_up_parts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import CountermarkError, FormatRefused
from countermark.features import arrays
from countermark.features.frame import Directions, Frame
from countermark.features.patches import PatchFeatures

DATA = made_up_parts.honest(0, classes=6, suppliers=4, makers=2, rows=4)


@pytest.fixture(scope="module")
def frame() -> Frame:
    words = PatchFeatures.fit(DATA.images, 0)
    return Frame(words.words, Directions.fit(words.encode(DATA.images), 0))


def test_round_trip_and_digest(frame: Frame) -> None:
    back = Frame.from_bytes(frame.to_bytes())
    assert back.digest == frame.digest and (back.words == frame.words).all()
    raw = PatchFeatures(frame.words).encode(DATA.images[:5])
    assert (back.directions.on(raw) == frame.directions.on(raw)).all()


def test_sums_of_rows_add_up_and_subtract_exactly(frame: Frame) -> None:
    z = frame.directions.on(PatchFeatures(frame.words).encode(DATA.images)).astype(float)
    assert (z * 256 == np.rint(z * 256)).all()
    rng = np.random.default_rng(0)
    one = rng.permutation(len(z))[: len(z) // 3]
    rest = np.setdiff1d(np.arange(len(z)), one)
    total, part = z.T @ z, z[one].T @ z[one]
    assert (total - part == z[rest].T @ z[rest]).all()
    assert (z[rng.permutation(len(z))].T.sum(axis=1) == z.sum(axis=0)).all()


@pytest.mark.parametrize("name", ["along", "centre", "spread", "words"])
def test_frames_that_are_none_are_refused(frame: Frame, name: str) -> None:
    good = arrays.from_bytes(frame.to_bytes())
    bad = good[name].copy()
    bad.flat[0] = np.nan
    for other in (bad, good[name][1:], good[name].astype(np.float64), None):
        told = {k: v for k, v in good.items() if k != name} | ({} if other is None else {name: other})
        if name == "words" and other is not None and other.shape != good[name].shape:
            continue  # a dictionary of fewer words is one
        with pytest.raises(FormatRefused):
            Frame.from_bytes(arrays.to_bytes(told))


def test_arrays_that_are_empty_or_of_other_kinds() -> None:
    told = {"a": np.zeros((0, 33), np.uint8), "b": np.array([True]), "c": np.arange(3, dtype=">u8").reshape(1, 3)}
    back = arrays.from_bytes(arrays.to_bytes(told))
    assert back["a"].shape == (0, 33) and back["b"].tolist() == [True] and back["c"].tolist() == [[0, 1, 2]]
    with pytest.raises(FormatRefused):
        arrays.to_bytes({"a": np.array(["text"])})
    with pytest.raises(FormatRefused):
        arrays.to_bytes({str(i): np.zeros(1, np.uint8) for i in range(65)})


WHOLE = arrays.to_bytes({"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": np.zeros(2, np.float32)})


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=0, max_size=9), st.booleans())
def test_damaged_arrays_are_refused_or_arrays(at: int, put: bytes, cut: bool) -> None:
    data = WHOLE[:at] + put + (b"" if cut else WHOLE[at + len(put) :])
    try:
        back = arrays.from_bytes(data)
    except CountermarkError:
        return
    assert sum(a.nbytes for a in back.values()) < len(data)


def test_a_heading_cannot_ask_for_more_than_there_is() -> None:
    header = b'{"a":["<f8",[1099511627775,1099511627775]]}'
    with pytest.raises(FormatRefused, match="length"):
        arrays.from_bytes(arrays.MAGIC + len(header).to_bytes(4, "little") + header)
