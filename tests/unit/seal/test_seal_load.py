"""Sealed safetensors and ONNX become arrays and models, whole or one tensor at a time; torch where it is installed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import seal_world

from countermark.errors import FormatRefused, PolicyRefused, TreeRefused, TrustRefused, Unusable
from countermark.lifecycle import seal, seal_load, verify
from countermark.policy.document import Policy
from countermark.seal import hpke
from countermark.seal.container import Container

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
    real = Container.chunk

    def counted(self: Container, index: int) -> memoryview:
        read.append(index)
        return real(self, index)

    with seal.opened(world.sealed, world.reader, world.other) as files:
        tensors = seal_load.one_by_one(files, "weights.safetensors")
        monkeypatch.setattr(Container, "chunk", counted)
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
        tensors = seal_load.one_by_one(files, "weights.safetensors")
        found = list(pool.map(tensors.__getitem__, [*TENSORS] * 20))
    for name, array in zip([*TENSORS] * 20, found, strict=True):
        assert np.array_equal(array, TENSORS[name])


def test_who_reads_while_another_closes_is_told(world: seal_world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race, at its worst moment: the ciphertext was read, and is not decrypted yet."""
    real = Container.chunk
    with seal.opened(world.sealed, world.reader, world.plant) as files:

        def closing(self: Container, index: int) -> memoryview:
            copy = real(self, index)
            files.close()
            return copy

        monkeypatch.setattr(Container, "chunk", closing)
        target = memoryview(bytearray(b"x" * 5000))
        with pytest.raises(Unusable, match="closed before it was read"):
            files.read_into("weights.safetensors", 0, 5000, target)
        assert not any(target)
        with pytest.raises(Unusable, match="closed before it was read"):
            files.view("weights.safetensors")


def test_a_descriptor_that_is_another_files_by_now_accuses_nobody(
    world: seal_world.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race: closed amid a read, and its number taken by the next file that is opened; the sealed one was not changed."""
    (tmp_path / "other").write_bytes(bytes(1 << 20))
    manifest, real, opened = seal.verified(world.sealed, world.reader).manifest, os.preadv, list[int]()
    for what in ("another file", "none"):
        container = Container(world.sealed, manifest)

        def closing(descriptor: int, views: list[memoryview], at: int) -> int:
            container.close()
            if what == "another file":
                opened.append(os.open(tmp_path / "other", os.O_RDONLY))
                assert opened == [descriptor]
            return real(descriptor, views, at)

        with monkeypatch.context() as patch:
            patch.setattr(os, "preadv", closing)
            with pytest.raises(Unusable, match="closed before it was read"):
                container.chunk(0)
    os.close(opened[0])


def test_another_kind_is_refused(world: seal_world.World) -> None:
    with (
        pytest.raises(FormatRefused, match="a sealed model, not a dataset"),
        seal.opened(world.sealed, world.reader, world.plant, kind="dataset"),
    ):
        pass


def test_a_policy_that_wants_models_sealed_refuses_plain_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import small_release
    from core_world import OWNER

    wanted = small_release.POLICY.replace(b'name = "small"\n', b'name = "small"\nsealed = ["model"]\n')
    monkeypatch.setattr(small_release, "POLICY", wanted)
    world = small_release.make(tmp_path / "world")
    folder, papers = small_release.model(world, "model")
    owner, mine, target = world[OWNER], hpke.generate(), tmp_path / "model.cmsealed"
    pin, reader = verify.pinned(owner), seal.reader_of(owner, OWNER)
    with pytest.raises(PolicyRefused, match="takes sealed models only"):
        verify.open_model(folder, papers, pin, owner.now())
    to = [hpke.HpkeRecipient("plant", mine.public)]
    seal.seal(folder, target, to, seal.sealer_of(owner), kind="model")
    with seal_load.open_model(target, reader, mine, papers, pin, owner.now()) as opened:
        assert opened.files.content("weights.bin") == b"weights"
        opened.files.check_rest()
    (folder / "weights.bin").write_bytes(b"others!")
    other = tmp_path / "other.cmsealed"
    seal.seal(folder, other, to, seal.sealer_of(owner), kind="model")
    with (
        pytest.raises(TreeRefused, match="another model"),
        seal_load.open_model(other, reader, mine, papers, pin, owner.now()),
    ):
        pass
    elsewhere = tmp_path / "stranger.cmsealed"
    seal.seal(
        folder, elsewhere, to, seal.Sealer(seal.sealer_of(owner).signers, "", "2026-01-01T00:00:00Z"), kind="model"
    )
    with pytest.raises(TrustRefused, match="another project"):
        seal.verified(elsewhere, reader)


def test_without_that_word_a_plain_model_opens(tmp_path: Path) -> None:
    import small_release
    from core_world import OWNER

    world = small_release.make(tmp_path / "world")
    folder, papers = small_release.model(world, "model")
    with verify.open_model(folder, papers, verify.pinned(world[OWNER]), world[OWNER].now()) as opened:
        assert opened.files.content("weights.bin") == b"weights"


@pytest.mark.parametrize("said", ['"model"', '["models"]', "[1]", "true"])
def test_what_must_be_sealed_is_named_exactly(said: str) -> None:
    import small_release

    with pytest.raises(PolicyRefused):
        Policy.from_bytes(
            small_release.POLICY.replace(b'name = "small"\n', f'name = "small"\nsealed = {said}\n'.encode())
        )
