"""Bodies: safetensors against its own library, and bytes from strangers."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from countermark.errors import ExchangeRefused
from countermark.guard import body, tensor

PICTURE = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
GOOD = tensor.pack("images", PICTURE)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 2, 2, 3), (3,), (0, 4), ()])
def test_both_ways_agree_with_the_safetensors_library(dtype: type, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype)
    assert np.array_equal(load(tensor.pack("images", array))["images"], array)
    back = tensor.unpack("images", save({"images": array}))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def headed(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"\0" * 7, b"\0" * 8, b"\xff" * 64, GOOD[:-1], GOOD + b"\0", GOOD[:8], (1 << 63).to_bytes(8, "little") + b"{}",
        headed(b"[]"), headed(b"{}"), headed(b'{"images":{}}'), headed(b'{"images":1}'), headed(b"{" * 900),
        headed(b'{"images":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{}}', b"1"),
        headed(b'{"images":{"dtype":"U8","shape":[1],"shape":[2],"data_offsets":[0,1]}}', b"1"),
        headed(b'{"images":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}', b"1" * 8),
        headed(b'{"images":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', b"1"),
        headed(b'{"images":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', b"1"),
        headed(b'{"images":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}', b"1"),
        headed(b'{"images":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"12"),
        headed(b'{"images":{"dtype":"U8","shape":[9007199254740991,9007199254740991],"data_offsets":[0,1]}}', b"1"),
        headed(b'{"images":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}', b"1"),
        headed(b'{"images":{"dtype":["U8"],"shape":[1],"data_offsets":[0,1]}}', b"1"),
    ],
)  # fmt: skip
def test_malformed_bodies_are_refused(bad: bytes) -> None:
    with pytest.raises(ExchangeRefused):
        tensor.unpack("images", bad)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ExchangeRefused, match="finite"):
        tensor.unpack("images", tensor.pack("images", np.array([1, value], np.float32)))


def test_only_two_types_travel() -> None:
    with pytest.raises(ExchangeRefused, match="float64"):
        tensor.pack("images", np.zeros(3))


@given(st.binary(max_size=200))
@example(GOOD)
def test_any_bytes_give_an_array_or_a_refusal(data: bytes) -> None:
    try:
        array = tensor.unpack("images", data)
    except ExchangeRefused:
        return
    assert array.nbytes < len(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_gives_an_array_of_the_same_size_or_a_refusal(at: int, mask: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= mask
    try:
        array = tensor.unpack("images", bytes(data))
    except ExchangeRefused:
        return
    assert array.nbytes <= PICTURE.nbytes


@pytest.mark.parametrize(
    "bad",
    [b"", b"[]", b"{}", b'{"images":1}', b'{"images":[[1,2],[3]]}', b'{"images":["a"]}', b'{"images":[true]}',
     b'{"images":[1],"more":1}', b'{"images":[NaN]}', b"[" * 10**6, b'{"images":[1e999]}', b'{"images":[{}]}',
     b'{"images":[9007199254740993123456789012345678901234567890]}', b'{"images":[1e300]}', b'{"images":[[1],2]}',
     b'{"images":' + b"[" * 9 + b"1" + b"]" * 9 + b"}"],
)  # fmt: skip
def test_malformed_json_queries_are_refused(bad: bytes) -> None:
    with pytest.raises(ExchangeRefused):
        body.read_images(body.JSON, bad)


def test_one_long_text_among_short_ones_costs_no_memory() -> None:
    """numpy would make 1,001 texts of 4,000,000 characters each: 15 GiB from a body of 4 MB."""
    data = json.dumps({"images": ["A" * 4_000_000] + ["a"] * 1000}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(ExchangeRefused, match="not a number"):
            body.read_images(body.JSON, data)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_json_pictures_are_read() -> None:
    assert np.array_equal(body.read_images(body.JSON, b'{"images":[[0,255],[1.5,2]]}'), [[0, 255], [1.5, 2]])
