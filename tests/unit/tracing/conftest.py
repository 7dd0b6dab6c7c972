"""The attacks on tracing are imported from where they live."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "tracing"))

from small_owner import Owner


@pytest.fixture(scope="session")
def owner() -> Owner:
    return Owner()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
