"""A fresh small project for every test of the lifecycle."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path / "world")
