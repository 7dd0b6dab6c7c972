"""Training killed at random moments; `attacks/core/kill_train.py --times 50` is the long form."""

from __future__ import annotations

from pathlib import Path

import kill_train
import pytest


@pytest.mark.slow
def test_a_few_kills_leave_a_whole_model_or_none(tmp_path: Path) -> None:
    kill_train.run(tmp_path, times=3, seed=2)
