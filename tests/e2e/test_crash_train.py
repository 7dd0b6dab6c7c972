"""Training killed at random moments; `attacks/core/kill_train.py --times 50` is the long form."""

from __future__ import annotations

from pathlib import Path

import kill_train
import pytest


@pytest.mark.slow
def test_a_few_kills_leave_a_whole_model_or_none(tmp_path: Path) -> None:
    kill_train.run(tmp_path, times=3, seed=2)


def test_what_a_killed_clearing_left_is_cleared_by_the_next_run(tmp_path: Path) -> None:
    world, home = kill_train.project(tmp_path)
    runs = world[kill_train.OWNER].space.folder("runs")
    half = runs / ".0123456789abcdef.gone" / "inputs"
    half.mkdir(parents=True)
    (half / "0.png").write_bytes(b"left")
    kill_train.train.train(
        world[kill_train.OWNER], home / "recipe.toml", kill_train.COMMAND, home / "model", allow_plain=True
    )
    assert not list(runs.iterdir())
