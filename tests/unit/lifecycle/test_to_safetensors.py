"""From checkpoints to safetensors: every element where loading would have put it, and nothing that was not proven."""

from __future__ import annotations

import importlib.util
import json
import pickle
import struct
import sys
from pathlib import Path
from types import ModuleType

import pytest

from countermark.cli.main import run
from countermark.errors import FormatRefused, Unusable
from countermark.formats import safetensors
from countermark.formats.source import Memory
from countermark.lifecycle.tensors import to_safetensors

ATTACKS = Path(__file__).parents[3] / "attacks" / "model"
sys.path.insert(0, str(ATTACKS))


def attack(name: str) -> ModuleType:
    """A generator of `attacks/model/`."""
    spec = importlib.util.spec_from_file_location(name, ATTACKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


carriers = attack("carriers")
benign = attack("benign")
VALUES = [float(n) for n in range(24)]
RAW = struct.pack("<24f", *VALUES)


def checkpoint(*tensors: tuple[str, bytes]) -> bytes:
    """A state dict over one storage of 24 floats."""
    return carriers.torch_zip(b"\x80\x02" + benign.state(*tensors) + b".", {"0": RAW})


def legacy(body: bytes, *, little: bool) -> bytes:
    """The layout of before torch 1.6, which tells the order of its bytes in a dictionary."""
    system = pickle.dumps({"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}, 2)
    made: bytes = benign.legacy(body, ["0"], [(24, RAW)])
    return made.replace(carriers.SYSTEM, system, 1)


def read(path: Path) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """Shape and values of every float tensor of a safetensors file."""
    data = path.read_bytes()
    facts = safetensors.read(Memory(data))
    return {
        t.name: (t.shape, list(struct.unpack(f"<{(t.end - t.begin) // 4}f", data[t.begin : t.end])))
        for t in facts.tensors
    }


@pytest.mark.parametrize(("size", "stride", "offset"), [
    ((24,), (1,), 0), ((4, 6), (6, 1), 0), ((6, 4), (1, 6), 0), ((5,), (3,), 2), ((2, 3, 4), (12, 4, 1), 0), ((4, 2, 3), (1, 12, 4), 0),
    ((3, 5), (0, 1), 1), ((), (), 7), ((0, 4), (4, 1), 0), ((1, 4), (99, 1), 3), ((2, 1, 3), (12, 1, 2), 5), ((4, 1), (1, 1), 0),
])  # fmt: skip
def test_every_element_is_where_its_strides_say(
    tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    """Second implementation: the strides followed element by element."""
    (tmp_path / "a.pt").write_bytes(checkpoint(("w", carriers.tensor(24, size, stride, offset))))
    to_safetensors(tmp_path / "a.pt", tmp_path / "a.safetensors")
    numpy = pytest.importorskip("numpy")
    wanted = [VALUES[offset + sum(i * s for i, s in zip(index, stride, strict=True))] for index in numpy.ndindex(size)]
    assert read(tmp_path / "a.safetensors") == {"w": (size, wanted)}


def test_both_layouts_and_nested_dictionaries(tmp_path: Path) -> None:
    body = benign.state(("a", carriers.tensor(24, (24,), (1,))), ("b", carriers.tensor(24, (2,), (1,), 3)))
    (tmp_path / "new.pt").write_bytes(carriers.torch_zip(b"\x80\x02" + body + b".", {"0": RAW}))
    (tmp_path / "old.pth").write_bytes(legacy(body, little=True))
    nested = b"}(" + b"X\x05\x00\x00\x00inner" + body + b"u"
    (tmp_path / "deep.pt").write_bytes(carriers.torch_zip(b"\x80\x02" + nested + b".", {"0": RAW}))
    for name in ("new.pt", "old.pth", "deep.pt"):
        to_safetensors(tmp_path / name, tmp_path / f"{name}.safetensors")
    new, old, deep = (read(tmp_path / f"{n}.safetensors") for n in ("new.pt", "old.pth", "deep.pt"))
    assert new == old == {"a": ((24,), VALUES), "b": ((2,), [3.0, 4.0])}
    assert deep == {f"inner.{name}": value for name, value in new.items()}


def test_bytes_in_another_order_are_refused(tmp_path: Path) -> None:
    body = benign.state(("a", carriers.tensor(24, (24,), (1,))))
    (tmp_path / "old.pth").write_bytes(legacy(body, little=False))
    (tmp_path / "new.pt").write_bytes(carriers.torch_zip(b"\x80\x02" + body + b".", {"0": RAW}, {"byteorder": b"big"}))
    for name in ("old.pth", "new.pt"):
        with pytest.raises(FormatRefused, match="little-endian"):
            to_safetensors(tmp_path / name, tmp_path / "out.safetensors")


def test_what_is_no_tensor_is_not_lost_unnoticed(tmp_path: Path) -> None:
    body = b"}(X\x01\x00\x00\x00w" + carriers.tensor(24, (24,), (1,)) + b"X\x05\x00\x00\x00epochK\x03u"
    (tmp_path / "a.ckpt").write_bytes(carriers.torch_zip(b"\x80\x02" + body + b".", {"0": RAW}))
    with pytest.raises(FormatRefused, match="epoch"):
        to_safetensors(tmp_path / "a.ckpt", tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()
    done = to_safetensors(tmp_path / "a.ckpt", tmp_path / "a.safetensors", tensors_only=True)
    assert (done.tensors, done.left) == (1, ("epoch (int)",))


@pytest.mark.filterwarnings("ignore:Duplicate name")  # that is one of the attacks
@pytest.mark.parametrize(
    "name",
    [
        "tensor-outside.pt",
        "tensor-stride.pt",
        "tensor-offset.pt",
        "storage-missing.pt",
        "storage-short.pt",
        "plain.pt",
        "deep.pt",
    ],
)
def test_what_is_not_proven_is_not_converted(tmp_path: Path, name: str) -> None:
    data = next(d for n, d, *_ in carriers.carriers() if n == name)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatRefused, match="is refused"):
        to_safetensors(tmp_path / name, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(("body", "match"), [
    (b"]", "no dictionary"), (b"}(K\x01K\x02u", "no dictionary"),
])  # fmt: skip
def test_other_objects_are_told(tmp_path: Path, body: bytes, match: str) -> None:
    (tmp_path / "a.pt").write_bytes(carriers.torch_zip(b"\x80\x02" + body + b"."))
    with pytest.raises(FormatRefused, match=match):
        to_safetensors(tmp_path / "a.pt", tmp_path / "a.safetensors")


def test_other_formats_and_existing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(Unusable, match="exists"):
        to_safetensors(tmp_path / "a.safetensors", tmp_path / "a.safetensors")
    with pytest.raises(FormatRefused, match="no checkpoint"):
        to_safetensors(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


def test_the_command_tells_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pt").write_bytes(checkpoint(("w", carriers.tensor(24, (4, 6), (6, 1)))))
    assert run(["convert", str(tmp_path / "a.pt"), str(tmp_path / "a.safetensors"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["tensors"], said["bytes"], said["left_out"]) == (1, 96, [])


def test_real_torch_loads_the_same_bytes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.BatchNorm1d(9)).state_dict()
    state |= {
        "t": torch.arange(12.0).reshape(3, 4).t(),
        "s": torch.arange(100)[10:90:3],
        "b": torch.randn(3, 3).bfloat16(),
    }
    torch.save(state, tmp_path / "a.pt")
    to_safetensors(tmp_path / "a.pt", tmp_path / "a.safetensors")
    data = (tmp_path / "a.safetensors").read_bytes()
    seen = {t.name: data[t.begin : t.end] for t in safetensors.read(Memory(data)).tensors}
    assert seen == {name: bytes(t.contiguous().reshape(-1).view(torch.uint8).tolist()) for name, t in state.items()}
