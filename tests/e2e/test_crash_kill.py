"""Real kills at random moments; `attacks/core/kill_receive.py --times 200` is the long form."""

from __future__ import annotations

from pathlib import Path

import kill_receive
import pytest


def test_a_few_kills_lose_nothing(tmp_path: Path) -> None:
    kill_receive.run(tmp_path, times=3, seed=5, per_delivery=2)


@pytest.mark.slow
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    assert kill_receive.run(tmp_path, times=40, seed=6) > 0
