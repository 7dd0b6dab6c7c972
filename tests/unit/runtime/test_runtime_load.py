"""Loading from a handle: the same numbers as the formats' own libraries, honest dtypes, and nothing that runs code."""

from __future__ import annotations

import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from test_runtime_onnx import EXPECTED, IMAGES, WEIGHTS, linear

from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Handle, open_verified
from countermark.errors import FormatRefused, MissingExtra
from countermark.runtime.arrays import Tensors, read_npy, read_npz
from countermark.runtime.load import load

RNG = np.random.default_rng(3)
PLAIN = {
    t: RNG.integers(0, 2, (3, 2, 5)).astype(t)
    for t in ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"]
}


def handle_of(folder: Path, **files: bytes) -> Handle:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return open_verified(folder, read_folder(folder))


def saved(save: Any, *args: Any, **arrays: Any) -> bytes:
    file = io.BytesIO()
    save(file, *args, **arrays)
    return file.getvalue()


def safe(dtype: str, shape: list[int], data: bytes) -> bytes:
    header = json.dumps({"t": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_safetensors_are_views_of_what_was_verified(tmp_path: Path) -> None:
    with handle_of(tmp_path / "m", w_safetensors=safetensors.numpy.save(PLAIN, {"who": "me"})) as handle:
        tensors = load(handle, "w.safetensors")
    assert isinstance(tensors, Tensors) and tensors.metadata == {"who": "me"} and set(tensors) == set(PLAIN)
    for name, array in tensors.items():
        assert array.dtype == PLAIN[name].dtype and np.array_equal(array, PLAIN[name])
        assert not array.flags.writeable and not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.flags.writeable = True


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("BF16", ml_dtypes.bfloat16), ("F8_E4M3", ml_dtypes.float8_e4m3fn), ("F8_E5M2", ml_dtypes.float8_e5m2)],
)
def test_numbers_that_numpy_does_not_have(name: str, theirs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = np.array([0, 1, -2, 0.5], theirs)
    tensors = Tensors(safe(name, [4], wanted.tobytes()))
    assert tensors.dtype("t") == name and tensors["t"].dtype == theirs
    assert np.array_equal(tensors["t"].astype(np.float32), [0, 1, -2, 0.5])
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(MissingExtra, match=name):
        tensors["t"]
    assert tensors.bits("t").tobytes() == wanted.tobytes()


def test_numbers_that_nobody_has_and_booleans_that_are_none() -> None:
    tensors = Tensors(safe("F4", [4], b"\x12\x34"))
    with pytest.raises(FormatRefused, match="F4"):
        tensors["t"]
    assert tensors.bits("t").tolist() == [0x12, 0x34]
    with pytest.raises(FormatRefused, match="neither 0 nor 1"):
        Tensors(safe("BOOL", [2], b"\x01\x02"))["t"]
    assert Tensors(safe("F32", [0, 3], b""))["t"].shape == (0, 3)
    assert Tensors(safe("F32", [], b"\0\0\x80?"))["t"] == 1.0


@pytest.mark.parametrize("array", [*PLAIN.values(), np.asfortranarray(PLAIN["f4"]), np.array("text"), np.zeros((0, 2)),
                                   np.array([(1, 2.0)], "i4,f8"), np.array(["2026-01-01"], "M8[D]")],
                         ids=lambda a: f"{a.dtype.str}-{a.flags.f_contiguous}")  # fmt: skip
def test_npy_and_npz(tmp_path: Path, array: Any) -> None:
    plain, packed = saved(np.savez, x=array, y=PLAIN["u1"]), saved(np.savez_compressed, x=array, y=PLAIN["u1"])
    with handle_of(tmp_path / "m", a_npy=saved(np.save, array), b_npz=plain, c_npz=packed) as handle:
        for got in (load(handle, "a.npy"), load(handle, "b.npz")["x"], load(handle, "c.npz")["x"]):  # type: ignore[index,call-overload]
            assert got.dtype == array.dtype and got.shape == array.shape and np.array_equal(got, array)  # type: ignore[union-attr]
            assert not got.flags.writeable  # type: ignore[union-attr]


class Boom:
    def __reduce__(self) -> tuple[Any, ...]:
        return (sys.exit, ("a pickle was loaded",))


def test_what_runs_code_is_refused_under_any_name(tmp_path: Path) -> None:
    boom = np.array([Boom()], object)
    files = {
        "a_pkl": pickle.dumps(Boom()), "b_joblib": pickle.dumps(Boom(), protocol=2), "c_onnx": pickle.dumps(Boom()),
        "d_npy": saved(np.save, boom), "e_npz": saved(np.savez, x=boom), "f_safetensors": pickle.dumps({"w": 1}),
    }  # fmt: skip
    with handle_of(tmp_path / "m", **files) as handle:
        for path in handle.paths:
            with pytest.raises(FormatRefused) as told:
                load(handle, path)
            assert told.value.mend or told.value.why, path


def test_what_is_unknown_is_refused_with_a_way_on(tmp_path: Path) -> None:
    with (
        handle_of(tmp_path / "m", a_txt=b"hello", b_txt=b"") as handle,
        pytest.raises(FormatRefused, match=r"b\.txt") as told,
    ):
        assert handle.content("a.txt") == b"hello"
        load(handle, "b.txt")
    assert "sealed" in told.value.mend


def test_onnx_with_its_data_from_verified_memory(tmp_path: Path) -> None:
    signed = handle_of(tmp_path / "m", a_onnx=linear(), b_onnx=linear(outside="w.data"), w_data=WEIGHTS.tobytes())
    with signed as handle:
        (tmp_path / "m" / "a.onnx").write_bytes(b"never read")
        (tmp_path / "m" / "sub").mkdir()
        for name in ("b.onnx",):
            model = load(handle, name)
            (tmp_path / "m" / "w.data").write_bytes(bytes(WEIGHTS.nbytes))
            assert np.allclose(model.predict(IMAGES), EXPECTED, rtol=1e-5, atol=1e-2)  # type: ignore[union-attr]


def test_onnx_in_a_folder_finds_its_data_there_and_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "m"
    (root / "net").mkdir(parents=True)
    (root / "net" / "a.onnx").write_bytes(linear(outside="w.data"))
    (root / "w.data").write_bytes(WEIGHTS.tobytes())
    with open_verified(root, read_folder(root)) as handle, pytest.raises(FormatRefused, match=r"w\.data"):
        load(handle, "net/a.onnx")
    (root / "w.data").rename(root / "net" / "w.data")
    with open_verified(root, read_folder(root)) as handle:
        assert np.allclose(load(handle, "net/a.onnx").predict(IMAGES), EXPECTED, rtol=1e-5, atol=1e-2)  # type: ignore[union-attr]


SEEDS = [safetensors.numpy.save(PLAIN), saved(np.save, PLAIN["f4"]), saved(np.savez_compressed, x=PLAIN["f4"])]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(range(3)), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_mutated_files_are_arrays_or_refused(seed: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SEEDS[seed])
    for at, value in changes:
        data[at % len(data)] = value
    try:
        match seed:
            case 0:
                tensors = Tensors(bytes(data))
                total = sum(tensors[name].nbytes for name in tensors)
            case 1:
                total = read_npy(bytes(data)).nbytes
            case _:
                total = sum(array.nbytes for array in read_npz(bytes(data)).values())
    except (FormatRefused, MissingExtra):
        return
    assert total <= len(data) + PLAIN["f4"].nbytes
