"""PyTorch tensors over verified memory: the numbers that were saved, no copy, and nobody else's memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

import safetensors.torch  # noqa: E402
from test_runtime_load import PLAIN, handle_of, safe  # noqa: E402

from countermark.errors import FormatRefused, TreeRefused  # noqa: E402
from countermark.runtime.torch_tensors import TorchTensors, from_handle  # noqa: E402

NAMES = [
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
]  # fmt: skip


def tensors_of(data: bytes) -> TorchTensors:
    return TorchTensors(memoryview(bytearray(data)))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_those_that_were_saved(tmp_path: Path, name: str) -> None:
    dtype = getattr(torch, name)
    raw = torch.randint(0, 2 if name == "bool" else 256, (6 * dtype.itemsize,), dtype=torch.uint8)
    theirs = raw.view(dtype).view(2, 3)
    saved = safetensors.torch.save({"t": theirs}, {"who": "me"})
    with handle_of(tmp_path / "m", w_safetensors=saved) as handle:
        tensors = from_handle(handle, "w.safetensors")
    assert tensors.metadata == {"who": "me"} and list(tensors) == ["t"] and len(tensors) == 1
    assert tensors["t"].dtype == theirs.dtype == dtype and tensors["t"].shape == theirs.shape
    assert torch.equal(tensors["t"].view(torch.uint8), theirs.view(torch.uint8))


def test_tensors_share_one_memory_that_outlives_the_handle(tmp_path: Path) -> None:
    with handle_of(tmp_path / "m", w_safetensors=safetensors.numpy.save(PLAIN)) as handle:
        tensors = from_handle(handle, "w.safetensors")
    found = {name: tensors[name] for name in tensors}
    assert len({tensor.untyped_storage().data_ptr() for tensor in found.values()}) == 1
    del tensors
    for name, tensor in found.items():
        assert np.array_equal(tensor.numpy(), PLAIN[name])


def test_what_one_writes_nobody_else_reads(tmp_path: Path) -> None:
    data = safetensors.numpy.save({"w": np.ones(2 << 20, np.float32)})
    with handle_of(tmp_path / "m", w_safetensors=data) as handle:
        view = handle.view("w.safetensors")
        mine, other = from_handle(handle, "w.safetensors")["w"], from_handle(handle, "w.safetensors")["w"]
        mine.fill_(7)
        assert bool((other == 1).all()) and view == data and handle.view("w.safetensors") == data


def test_an_address_that_numbers_cannot_have_is_copied_to_another() -> None:
    header = json.dumps({
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F64", "shape": [2], "data_offsets": [1, 17]},
    }).encode()  # fmt: skip
    values = np.array([1.5, -2.0])
    found = tensors_of(len(header).to_bytes(8, "little") + header + b"\x09" + values.tobytes())["b"]
    assert found.tolist() == [1.5, -2.0] and found.data_ptr() % 8 == 0


def test_empty_and_single_numbers() -> None:
    assert tensors_of(safe("F32", [0, 3], b""))["t"].shape == (0, 3)
    assert tensors_of(safe("F32", [], b"\0\0\x80?"))["t"].item() == 1.0


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatRefused, match="neither 0 nor 1"):
        tensors_of(safe("BOOL", [2], b"\x01\x02"))["t"]
    packed = tensors_of(safe("F4", [4], b"\x12\x34"))
    with pytest.raises(FormatRefused, match="F4"):
        packed["t"]
    assert packed.bits("t").tolist() == [0x12, 0x34] and packed.dtype("t") == "F4"
    with handle_of(tmp_path / "m", w_safetensors=b"\x80\x04K\x01.", e_safetensors=b"") as handle:
        for name in handle.paths:
            with pytest.raises(FormatRefused, match="no safetensors file"):
                from_handle(handle, name)


def test_other_bytes_of_the_same_size_are_refused(tmp_path: Path) -> None:
    data = bytearray(safetensors.numpy.save({"w": np.ones(64, np.float32)}))
    with handle_of(tmp_path / "m", w_safetensors=bytes(data)) as handle:
        data[-1] ^= 1
        (tmp_path / "m" / "w.safetensors").write_bytes(data)
        with pytest.raises(TreeRefused, match="same size, other bytes"):
            from_handle(handle, "w.safetensors")
