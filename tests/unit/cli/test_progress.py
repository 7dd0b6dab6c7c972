"""The bar: what it says of time and size, and that it counts each folder by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from countermark.cli import _progress
from countermark.cli._progress import Bar, times
from countermark.cli._show import View
from countermark.compose import Terminal


@pytest.fixture
def bar(monkeypatch: pytest.MonkeyPatch) -> Bar:
    monkeypatch.setattr(_progress, "PATIENCE_SECONDS", 0.0)
    watched = Terminal(width=100, colour=False, live=True)
    return Bar(View(json=False, quiet=False, out=watched, err=watched))


def said(bar: Bar) -> str:
    assert bar._drawn is not None
    return bar._drawn.tasks[-1].description


def test_the_time_that_is_gone_is_not_called_left() -> None:
    assert times(12.7, 5.0) == "0:00:12 gone, 0:00:05 left"
    assert times(12.7, None) == "0:00:12 gone"
    assert times(None, None) == "0:00:00 gone"


def test_a_line_stands_above_the_bar_and_cannot_move_the_cursor(bar: Bar, capsys: pytest.CaptureFixture[str]) -> None:
    with bar:
        bar.say("stdout: before\x1b[2J")
        bar.tick("running", 0)
        bar.say("stdout: [red]after[/red]")
    said = capsys.readouterr().err
    assert "stdout: before\\x1b[2J\n" in said and "stdout: [red]after[/red]\n" in said


def test_small_files_are_not_nothing_and_large_ones_are_round(bar: Bar) -> None:
    with bar:
        bar.files(64, 250_000)
        assert said(bar).startswith("64 files, 0.2 MB, ")
        bar.files(128, 25_000_000)
        assert said(bar).startswith("128 files, 25 MB, ")


def test_each_folder_is_counted_by_itself(bar: Bar, tmp_path: Path) -> None:
    for number in range(128):
        (tmp_path / f"{number}.png").write_bytes(b"x" * 1000)
    with bar:
        bar.files(64, 9_000_000)
        bar.expect(tmp_path)
        bar.files(64, 64_000)
        assert said(bar).startswith("64 of 128 files, 0.1 of 0.1 MB, ")


def test_a_silent_step_is_shown_by_itself_and_not_after_the_end(bar: Bar) -> None:
    with bar:
        bar.step("copying inputs")
        bar.step("running the script")
        until = time.monotonic() + 10
        while not bar._tasks and time.monotonic() < until:
            time.sleep(0.01)
        assert said(bar) == "running the script"
    drawn = bar._drawn
    bar.tick("late", 0)
    assert bar._drawn is drawn and all(task.description != "late" for task in drawn.tasks)
