"""A broker in a folder of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "broker"))

from broker_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
