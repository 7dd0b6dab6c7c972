"""Sealed safetensors and ONNX become arrays and models, whole or one tensor at a time; torch where it is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import seal_world

from countermark.errors import FormatRefused, PolicyRefused, TreeRefused
from countermark.lifecycle import seal, seal_load
from countermark.seal.opened import Opened

TENSORS = {
    "a": np.arange(5000, dtype=np.float32).reshape(50, 100),
    "b": np.array([True, False, True]),
    "c": np.zeros((0, 3), np.int64),
    "d": np.random.default_rng(6).standard_normal((300, 70)),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> seal_world.World:
    return seal_world.make(tmp_path_factory.mktemp("load") / "w", {
        "weights.safetensors": safetensors.numpy.save(TENSORS, {"made": "here"}), "net.onnx": network(), "empty": b"",
    })  # fmt: skip


def network() -> bytes:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    weight = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "w")
    shape = [helper.make_tensor_value_info(name, kind, [None, 3]) for name in "xy"]
    graph = helper.make_graph([node], "g", shape[:1], shape[1:], [weight])
    made: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()
    return made


def test_arrays_lie_over_the_decrypted_memory(world: seal_world.World) -> None:
    with seal.opened(world.sealed, world.reader, world.plant, kind="model") as files:
        tensors = seal_load.load(files, "weights.safetensors")
    assert set(tensors) == set(TENSORS) and tensors.metadata == {"made": "here"}  # type: ignore[arg-type, union-attr]
    for name, expected in TENSORS.items():
        found = tensors[name]  # type: ignore[index, call-overload]
        assert found.dtype == expected.dtype and np.array_equal(found, expected)
        assert not found.flags.writeable and not found.flags.owndata


def test_one_tensor_reads_only_its_chunks(world: seal_world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = Opened._decrypted

    def counted(self: Opened, index: int, target: memoryview) -> memoryview:
        read.append(index)
        return real(self, index, target)

    with seal.opened(world.sealed, world.reader, world.other) as files:
        tensors = seal_load.OneByOne(files, "weights.safetensors")
        monkeypatch.setattr(Opened, "_decrypted", counted)
        for name, expected in TENSORS.items():
            read.clear()
            found = tensors[name]
            assert found.dtype == expected.dtype and np.array_equal(found, expected)
            assert len(read) <= expected.nbytes // seal_world.CHUNK + 2
        assert list(tensors) and "nothing" not in tensors


def test_onnx_runs(world: seal_world.World) -> None:
    with seal.opened(world.sealed, world.reader, world.plant) as files:
        model = seal_load.load(files, "net.onnx")
        out = model.predict(np.ones((2, 3), np.float32))  # type: ignore[union-attr]
    assert np.array_equal(out, np.ones((2, 3), np.float32))


def test_torch_where_it_is_installed(world: seal_world.World) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here")
    with seal.opened(world.sealed, world.reader, world.plant) as files:
        tensors = seal_load.torch(files, "weights.safetensors")
    assert torch.equal(tensors["a"], torch.from_numpy(TENSORS["a"]))


def test_ranges_are_checked(world: seal_world.World) -> None:
    with seal.opened(world.sealed, world.reader, world.plant) as files:
        assert bytes(files.view("empty")) == b""
        for start, stop in ((-1, 3), (3, 2), (0, 1 << 60), (files.size("net.onnx"), files.size("net.onnx") + 1)):
            with pytest.raises(TreeRefused):
                files.read("net.onnx", start, stop)
        with pytest.raises(TreeRefused):
            files.view("nothing")


def test_many_threads_read_one_asset(world: seal_world.World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with seal.opened(world.sealed, world.reader, world.plant) as files, ThreadPoolExecutor(8) as pool:
        tensors = seal_load.OneByOne(files, "weights.safetensors")
        found = list(pool.map(tensors.__getitem__, [*TENSORS] * 20))
    for name, array in zip([*TENSORS] * 20, found, strict=True):
        assert np.array_equal(array, TENSORS[name])


def test_another_kind_is_refused(world: seal_world.World) -> None:
    with (
        pytest.raises(FormatRefused, match="a sealed model, not a dataset"),
        seal.opened(world.sealed, world.reader, world.plant, kind="dataset"),
    ):
        pass


def test_policy_says_what_must_be_sealed(tmp_path: Path) -> None:
    del tmp_path
    seal_load.refuse_plain("model", ("dataset",), "model")
    with pytest.raises(PolicyRefused, match="sealed models only"):
        seal_load.refuse_plain("model", ("model", "dataset"), "model")
