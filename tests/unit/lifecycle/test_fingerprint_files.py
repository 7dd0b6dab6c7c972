"""Fingerprints in files: safetensors of every float type and ONNX, byte for byte the same but for the marks; keys, lists, refusals."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest

from countermark.cli.main import run
from countermark.errors import FormatRefused, Unusable
from countermark.lifecycle import fingerprint
from countermark.lifecycle.weights import WeightsFile, to_bytes
from countermark.tracing.key import FingerprintKey

KEY = FingerprintKey(bytes(range(32)))
LICENSEES = [f"plant-{n}" for n in range(50)]


def matrices(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"a.weight": rng.normal(size=(128, 96)).astype(np.float32), "b.weight": rng.normal(size=(64, 128)).astype(np.float32),
            "b.bias": rng.normal(size=64).astype(np.float32)}  # fmt: skip


def as_bytes(array: np.ndarray, dtype: str) -> bytes:
    if dtype == "BF16":
        return to_bytes("BF16", b"", (array, array))
    return array.astype({"F32": "<f4", "F16": "<f2", "F64": "<f8"}[dtype]).tobytes()


def safetensors(path: Path, arrays: dict[str, np.ndarray], dtype: str = "F32") -> Path:
    """With one tensor of a type that nobody marks, and metadata."""
    header, data = {"__metadata__": {"made": "by hand"}}, b""
    for name, array in arrays.items():
        content = as_bytes(array, dtype)
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    header["steps"] = {"dtype": "I64", "shape": [1], "data_offsets": [len(data), len(data) + 8]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data + bytes(8))
    return path


def onnx_file(path: Path, arrays: dict[str, np.ndarray], *, turned: bool = False) -> Path:
    onnx = pytest.importorskip("onnx")
    h, from_array = onnx.helper, onnx.numpy_helper.from_array
    a, b = (np.ascontiguousarray(arrays[n].T) if turned else arrays[n] for n in ("a.weight", "b.weight"))
    nodes = [h.make_node("Constant", [], ["w_b"], value=from_array(b, "inner")),
             h.make_node("Gemm", ["x", "w_a"], ["g"], transB=0 if turned else 1), h.make_node("Relu", ["g"], ["r"]),
             h.make_node("Gemm", ["r", "w_b"], ["y"], transB=0 if turned else 1)]  # fmt: skip
    flat = h.make_tensor("flat", onnx.TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", 1, [None, 96])], [h.make_tensor_value_info("y", 1, [None, 64])],
                         [from_array(a, "w_a"), flat])  # fmt: skip
    path.write_bytes(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
def test_a_copy_differs_in_the_marks_alone(tmp_path: Path, dtype: str) -> None:
    model, out = safetensors(tmp_path / "m.safetensors", matrices(), dtype), tmp_path / "c.safetensors"
    done = fingerprint.mark(model, "plant-7", KEY, out)
    before, after = model.read_bytes(), out.read_bytes()
    assert (done.tensors, done.weights, done.left) == (2, 20480, 2) and len(before) == len(after)
    with WeightsFile(model) as one, WeightsFile(out) as two:
        spans = [(one.tensors[n].begin, one.tensors[n].end) for n in ("a.weight", "b.weight")]
        change = two.array("a.weight") - one.array("a.weight")
        assert 0.028 < float(np.sqrt(np.mean(change**2))) / float(one.array("a.weight").std()) < 0.032
        assert two.sha256 == done.sha256 and one.unread == ["steps"]
    outside = [at for at in range(len(before)) if not any(b <= at < e for b, e in spans)]
    assert all(before[at] == after[at] for at in outside)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    found = fingerprint.trace(out, model, KEY, LICENSEES)
    assert [one.licensee for one in found.traced.named] == ["plant-7"] and found.commitment == KEY.commitment
    assert (
        fingerprint.mark(model, "plant-7", KEY, tmp_path / "plant-7" / "again").sha256 == done.sha256
    )  # a folder of its own


def test_onnx_is_marked_and_still_runs(tmp_path: Path) -> None:
    model, out = onnx_file(tmp_path / "m.onnx", matrices()), tmp_path / "c.onnx"
    assert fingerprint.mark(model, "plant-3", KEY, out).tensors == 2
    assert [one.licensee for one in fingerprint.trace(out, model, KEY, LICENSEES).traced.named] == ["plant-3"]
    runtime = pytest.importorskip("onnxruntime")
    x = np.random.default_rng(1).normal(size=(5, 96)).astype(np.float32)
    plain, marked = (runtime.InferenceSession(p.read_bytes()).run(None, {"x": x})[0] for p in (model, out))
    assert 0 < float(np.abs(plain - marked).max()) < 0.2 * float(np.abs(plain).max())


def test_a_copy_in_the_other_format_is_traced(tmp_path: Path) -> None:
    model, out = safetensors(tmp_path / "m.safetensors", matrices()), tmp_path / "c.safetensors"
    fingerprint.mark(model, "plant-4", KEY, out)
    with WeightsFile(out) as copy:
        arrays = {name: copy.array(name) for name in copy.tensors}
    leaked = onnx_file(tmp_path / "l.onnx", arrays, turned=True)
    assert [one.licensee for one in fingerprint.trace(leaked, model, KEY, LICENSEES).traced.named] == ["plant-4"]


@pytest.mark.parametrize(("dtype", "bits"), [("I8", 8), ("U8", 8)])
def test_stored_integers_are_traced_without_their_scale(tmp_path: Path, dtype: str, bits: int) -> None:
    model, out = safetensors(tmp_path / "m.safetensors", matrices()), tmp_path / "c.safetensors"
    fingerprint.mark(model, "plant-5", KEY, out)
    header, data = {}, b""
    with WeightsFile(out) as copy:
        for name in ("a.weight", "b.weight"):
            array = copy.array(name)
            whole = np.round(array / np.abs(array).max() * 127).astype(np.int16) + (128 if dtype == "U8" else 0)
            header[name] = {
                "dtype": dtype,
                "shape": list(array.shape),
                "data_offsets": [len(data), len(data) + array.size],
            }
            data += whole.astype(np.uint8 if dtype == "U8" else np.int8).tobytes()
    text = json.dumps(header).encode()
    (tmp_path / "q.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    assert [
        one.licensee for one in fingerprint.trace(tmp_path / "q.safetensors", model, KEY, LICENSEES).traced.named
    ] == ["plant-5"]


def test_four_bit_integers_of_onnx_are_read(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    values = np.arange(-8, 8).astype(np.int8).reshape(4, 4)
    packed = onnx.helper.make_tensor("w", onnx.TensorProto.INT4, [4, 4], values.reshape(-1).tolist())
    raw = onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT4, dims=[4, 4],
                           raw_data=bytes((int(lo) & 15) | (int(hi) & 15) << 4 for lo, hi in values.reshape(-1, 2)))  # fmt: skip
    assert np.array_equal(
        onnx.numpy_helper.to_array(raw).astype(np.int8), onnx.numpy_helper.to_array(packed).astype(np.int8)
    )
    graph = onnx.helper.make_graph([], "g", [], [], [raw])
    (tmp_path / "m.onnx").write_bytes(onnx.helper.make_model(graph, ir_version=10).SerializeToString())
    with WeightsFile(tmp_path / "m.onnx") as file:
        assert np.array_equal(file.array("w"), values.astype(np.float32))


def test_what_cannot_carry_a_fingerprint_is_refused(tmp_path: Path) -> None:
    small = {"a": np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)}
    with pytest.raises(FormatRefused, match="4,096 weights"):
        fingerprint.mark(safetensors(tmp_path / "s.safetensors", small), "plant-1", KEY, tmp_path / "o")
    (tmp_path / "p.pt").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(FormatRefused, match="neither"):
        fingerprint.mark(tmp_path / "p.pt", "plant-1", KEY, tmp_path / "o")
    model = safetensors(tmp_path / "m.safetensors", matrices())
    with pytest.raises(Unusable, match="cannot name"):
        fingerprint.mark(model, "a\nb", KEY, tmp_path / "o")
    assert not (tmp_path / "o").exists()
    with pytest.raises(Unusable, match="exists"):
        fingerprint.mark(model, "plant-1", KEY, model)


def test_lists_of_licensees_are_strict(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("a\n\nb\n")
    assert fingerprint.read_licensees(path) == ["a", "b"]
    for text in ("", "\n", "a\nb\na\n", "a\n b\n", "e\u0301\n"):
        path.write_text(text)
        with pytest.raises(Unusable):
            fingerprint.read_licensees(path)
    path.write_bytes(b"\xff\n")
    with pytest.raises(Unusable, match="UTF-8"):
        fingerprint.read_licensees(path)


def test_broken_files_are_refused_never_crash(tmp_path: Path) -> None:
    model = onnx_file(tmp_path / "m.onnx", matrices()).read_bytes()
    rng, seen = np.random.default_rng(5), 0
    head = len(model) - (96 * 128 + 64 * 128) * 4
    for _ in range(300):
        broken = bytearray(model)
        for at in rng.integers(0, 200 if rng.random() < 0.5 else min(len(model), head + 400), 3):
            broken[at] = rng.integers(0, 256)
        cut = bytes(broken[: rng.integers(1, len(broken))]) if rng.random() < 0.3 else bytes(broken)
        (tmp_path / "b.onnx").write_bytes(cut)
        try:
            with WeightsFile(tmp_path / "b.onnx") as file:
                assert all(file.array(name).size == np.prod(file.tensors[name].shape) for name in file.tensors)
        except FormatRefused:
            seen += 1
    assert seen > 50


def test_the_command_line_shows_no_secret_and_says_its_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    safetensors(tmp_path / "model.safetensors", matrices())
    (tmp_path / "licensees.txt").write_text("\n".join(LICENSEES))
    assert run(["fingerprint", "key", "k"]) == 0
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert run(["fingerprint", "key", "k"]) == 2
    assert (
        run(
            [
                "fingerprint",
                "mark",
                "model.safetensors",
                "--licensee",
                "plant-7",
                "--key",
                "k",
                "--out",
                "c.safetensors",
            ]
        )
        == 0
    )
    traced = [
        "fingerprint",
        "trace",
        "c.safetensors",
        "--original",
        "model.safetensors",
        "--key",
        "k",
        "--licensees",
        "licensees.txt",
    ]
    assert run(traced) == 1
    text = capsys.readouterr()
    secret = (tmp_path / "k").read_text().split()[1]
    assert secret not in text.out + text.err
    for said in (
        "traced: plant-7",
        "at most 1e-06 for all 50",
        "evidence, never enforcement",
        "cannot tell:",
        "by Chernoff's bound",
    ):
        assert said in text.out
    assert run([*traced, "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["named"][0]["licensee"] == "plant-7" and facts["false_accusation"] == 1e-6 and facts["compared"] == 1
    traced[2] = "model.safetensors"
    assert run(traced) == 3 and "shows nobody's innocence" in capsys.readouterr().out
    (tmp_path / "k").chmod(0o644)
    assert run(traced) == 2 and "chmod 600" in capsys.readouterr().err
