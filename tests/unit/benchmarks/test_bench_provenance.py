"""The provenance benchmark measures: known durations are found again, sums fit the clock, what is absent is named."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "benchmarks" / "provenance.py"


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("provenance_parts")


def quick(folder: Path, *words: str | Path) -> tuple[dict[str, Any], float]:
    """What one quick run said, and the wall seconds it took."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--json", "--folder", folder, *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said, time.perf_counter() - began


def found(said: dict[str, Any], work: str, figure: str = "rate") -> dict[str, Any]:
    (row,) = [row for row in said["rows"] if row["work"] == work and row["figure"] == figure]
    return row


def program(path: Path, text: str) -> Path:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_ledger_rates_fit_the_clock(tmp_path: Path) -> None:
    pytest.importorskip("pymerkle")
    said, took = quick(tmp_path, "--only", "append", "proofs", "again", "--peer", tmp_path / "absent")
    sizes = said["sizes"]
    spent = sizes["entries"] / found(said, "append in one batch, receipts")["value"]
    spent += sum(n * sizes["each"] / found(said, f"append, {n} callers, a receipt each")["value"] for n in (16, 64))
    of = f"inclusion proofs of {sizes['entries']:,}"
    spent += sizes["proofs"] / found(said, of)["value"] + sizes["proofs"] / found(said, of)["peer_value"]
    assert 0 < spent < took
    assert all(row["met"] is None and row["goal"]["holds"] is False for row in said["rows"] if row["goal"])
    assert {text.partition(":")[0] for text in said["not_measured"]} >= {"model-signing"}
    assert said["machine"]["cores"] <= 2 and len(said["machine"]["load"]) == 3


def test_a_peer_of_known_duration_is_measured_as_that(tmp_path: Path) -> None:
    peer = program(tmp_path / "peer", "sleep 0.25\n")
    said, took = quick(tmp_path, "--only", "start", "--peer", peer)
    for name in ("countermark --version", "countermark --help", "countermark verify --help"):
        row = found(said, name, "wall")
        assert len(row["peer"]) == len(row["ours"]) == said["sizes"]["starts"]
        assert min(row["peer"]) >= 250 and min(row["ours"]) > 10
        assert row["times"] == pytest.approx(row["peer_value"] / row["value"])
    assert found(said, "countermark verify, a small folder", "wall")["peer"] == []
    assert sum(sum(row["ours"]) + sum(row["peer"]) for row in said["rows"]) / 1000 < took
    assert [row["met"] for row in said["rows"] if row["goal"]] == [
        row["value"] <= row["goal"]["bound"] for row in said["rows"] if row["goal"]
    ]


@pytest.mark.slow
def test_every_part_runs_beside_the_real_peer(tmp_path: Path) -> None:
    peer = ROOT / ".benchenv" / "bin" / "model_signing"
    if not peer.exists():
        pytest.skip(f"model-signing is not at {peer}")
    for name in ("numpy", "safetensors", "pymerkle"):
        pytest.importorskip(name)
    said, took = quick(tmp_path)
    assert {row["part"] for row in said["rows"]} >= {"many", "big", "thousand", "load", "append", "proofs", "start"}
    beside = [row for row in said["rows"] if row["beside"].startswith("model-signing") and row["figure"] == "CPU"]
    assert len(beside) > 8 and all(row["peer"] and row["times"] > 0 for row in beside)
    assert sum(sum(row["ours"]) for row in said["rows"] if row["figure"] == "wall" and row["unit"] == "s") < took
    memory = [row["value"] for row in said["rows"] if row["figure"] == "memory" and row["unit"] == "MB"]
    assert all(10 < value < 1000 for value in memory)
    assert not list(tmp_path.iterdir())


def test_a_part_that_cannot_run_says_why(parts: ModuleType, tmp_path: Path) -> None:
    run = parts.Run(parts.QUICK, 1, tmp_path, tmp_path / "absent")
    with pytest.raises(parts.NotMeasured, match="no cache for signing again"):
        parts.again(run, tmp_path, tmp_path / "resign.py")
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no such thing')")
    with pytest.raises(parts.NotMeasured, match=r"broken\.py ended with 1: no such thing"):
        parts.again(run, tmp_path, broken)
    with pytest.raises(parts.NotMeasured, match="bytes are needed in"):
        run.room(1 << 60)


def test_targets_are_judged_at_their_own_size_only(parts: ModuleType, tmp_path: Path) -> None:
    small = parts.Run(parts.QUICK, 1, tmp_path, tmp_path)
    full = parts.Run(parts.FULL, 3, tmp_path, tmp_path)
    assert (small.most(1.0).met(0.5), full.most(1.0).met(0.5), full.most(1.0).met(1.5)) == (None, True, False)
    fast = parts.Row("w", "rate", "/s", [20.0, 30.0, 40.0], [10.0], "peer", parts.Goal(50, at_least=True), True)
    assert (fast.value, fast.times, fast.met) == (30, 3, False) and "MISSED" in fast.line()
    cheap = parts.Row("w", "wall", "s", [1.0], [4.0], "peer", parts.Goal(1))
    assert (cheap.times, cheap.met) == (4, True) and "x4.00" in cheap.line()
