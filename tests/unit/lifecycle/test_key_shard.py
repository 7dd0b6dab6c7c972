"""The shard: what it holds, that both halves give the model back to the bit, and what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from test_fingerprint_files import matrices, onnx_file, safetensors

from countermark.cli.main import run
from countermark.errors import FormatRefused, StatementRefused, Unusable
from countermark.lifecycle.shard import join, split
from countermark.lifecycle.weights import WeightsFile
from countermark.tracing.shard import choose, turned


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
def test_both_halves_give_the_model_back(tmp_path: Path, dtype: str) -> None:
    model = safetensors(tmp_path / "m", matrices(), dtype)
    done = split(model, tmp_path / "s", tmp_path / "k", 0.05)
    assert done.tensors == 2 and done.weights == int(96 * 128 * 0.05) + int(64 * 128 * 0.05)
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600 and done.shard_bytes < model.stat().st_size / 6
    with WeightsFile(model) as one, WeightsFile(tmp_path / "s") as two:
        a, b = one.array("a.weight"), two.array("a.weight")
        assert np.array_equal(np.abs(a), np.abs(b)) and float(np.mean(a != b)) == pytest.approx(0.05, abs=0.001)
        assert np.abs(a[a != b]).min() >= np.quantile(np.abs(a), 0.89) and np.array_equal(
            one.array("b.bias"), two.array("b.bias")
        )
    join(tmp_path / "s", tmp_path / "k", tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == model.read_bytes()


def test_onnx_too_and_every_split_differs(tmp_path: Path) -> None:
    model = onnx_file(tmp_path / "m.onnx", matrices())
    for n in "12":
        split(model, tmp_path / f"s{n}", tmp_path / f"k{n}", 0.02)
    assert (tmp_path / "s1").read_bytes() != (tmp_path / "s2").read_bytes()
    join(tmp_path / "s1", tmp_path / "k1", tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == model.read_bytes()
    with pytest.raises(StatementRefused, match="another file"):
        join(tmp_path / "s1", tmp_path / "k2", tmp_path / "o")


def test_a_shard_that_was_changed_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    split(safetensors(tmp_path / "m", matrices()), tmp_path / "s", tmp_path / "k", 0.05)
    whole = (tmp_path / "k").read_bytes()
    for broken in (
        whole[:-1] + bytes([whole[-1] ^ 1]),
        whole.replace(b"a.weight", b"c.weight"),
        whole.replace(b"b.weight", b"b.bias  "),
    ):
        (tmp_path / "k").write_bytes(broken)
        with pytest.raises((StatementRefused, FormatRefused)):
            join(tmp_path / "s", tmp_path / "k", tmp_path / "o")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["k", "m", "s"]
    with pytest.raises(FormatRefused, match="no shard"):
        join(tmp_path / "s", tmp_path / "m", tmp_path / "o")
    with pytest.raises(Unusable, match="exists"):
        join(tmp_path / "s", tmp_path / "k", tmp_path / "m")


def test_choice_and_turning() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=2000).astype(np.float32)
    one, two = choose(np.abs(w), 0.05, bytes(32)), choose(np.abs(w), 0.05, bytes([1]) * 32)
    assert one.sum() == two.sum() == 100 and 30 < int((one & two).sum()) < 70
    assert np.array_equal(np.frombuffer(turned(w.tobytes(), 4, one), np.float32), np.where(one, -w, w))
    assert turned(turned(w.tobytes(), 4, one), 4, one) == w.tobytes()


def test_the_command_line_calls_it_research(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, shipped, kept, out = (str(tmp_path / n) for n in ("m", "s", "k", "o"))
    safetensors(Path(model), matrices())
    assert run(["fingerprint", "shard", "split", model, "--shipped", shipped, "--shard", kept]) == 0
    assert "research, no protection" in capsys.readouterr().out
    assert run(["fingerprint", "shard", "join", shipped, "--shard", kept, "--out", out]) == 0
    assert Path(out).read_bytes() == Path(model).read_bytes()
