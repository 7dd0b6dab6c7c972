"""The bar: what it says of time and size, and that it counts each folder by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from countermark.cli import _progress
from countermark.cli._progress import Bar
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


def test_the_time_that_is_gone_is_not_called_left(bar: Bar) -> None:
    with bar:
        bar.tick("decode", 1, 2)
        assert bar._drawn is not None
        words = [getattr(column, "text_format", type(column).__name__) for column in bar._drawn.columns]
        assert words[-4:] == ["TimeElapsedColumn", "gone,", "TimeRemainingColumn", "left"]


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
