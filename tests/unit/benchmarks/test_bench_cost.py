"""What a command costs is measured on that command: its children count, and whoever measures does not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
MB = 1 << 20
SPIN = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("cost")


def test_memory_is_the_commands_own_not_the_measurers(cost: ModuleType) -> None:
    ballast = bytearray(200 * MB)
    ballast[::4096] = b"\1" * len(ballast[::4096])
    small = cost.measure([sys.executable, "-S", "-c", "pass"])
    assert MB < small.rss < 60 * MB
    large = cost.measure([sys.executable, "-S", "-c", "b = b'x' * (100 << 20)"])
    assert 100 * MB < large.rss < 160 * MB


def test_cpu_of_children_counts(cost: ModuleType) -> None:
    once = cost.measure([sys.executable, "-S", "-c", SPIN])
    twice = cost.measure(
        [
            sys.executable,
            "-S",
            "-c",
            f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {SPIN!r}])\n{SPIN}",
        ]
    )
    assert once.cpu >= 0.2 and twice.cpu >= 0.4
    assert once.wall >= 0.2


def test_sleeping_costs_wall_time_alone(cost: ModuleType) -> None:
    slept = cost.measure([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"])
    assert slept.wall >= 0.5 > slept.cpu


def test_a_failure_ends_the_benchmark_with_the_reason(cost: ModuleType) -> None:
    with pytest.raises(SystemExit, match="ended with 3: because"):
        cost.measure([sys.executable, "-c", "import sys; sys.stderr.write('because'); sys.exit(3)"])
    with pytest.raises(SystemExit, match="No such file"):
        cost.measure(["/nowhere/program"])
    assert cost.measure([sys.executable, "-c", "raise SystemExit(3)"], allowed=[3]).wall > 0


def test_sides_run_turn_about_and_medians_are_per_figure(cost: ModuleType) -> None:
    order: list[str] = []

    def side(name: str) -> object:
        order.append(name)
        number = len(order)
        return cost.Cost(number, 10 - number, number)

    costs = cost.turn_about({"ours": lambda: side("ours"), "theirs": lambda: side("theirs")}, 3)
    assert order == ["ours", "theirs"] * 3
    assert cost.medians(costs)["ours"] == cost.Cost(3, 7, 3)


@pytest.mark.parametrize("text", ["64M", "2G", "4K"])
def test_sizes_are_read_and_written(cost: ModuleType, text: str) -> None:
    assert cost.told(cost.size(text)) == text
