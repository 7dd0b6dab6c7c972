"""A guarded tiny model for every test of the guard."""

from __future__ import annotations

from pathlib import Path

import pytest
from guard_world import GuardWorld


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> GuardWorld:
    return GuardWorld.make(tmp_path_factory.mktemp("guard") / "world")


@pytest.fixture
def place(template: GuardWorld, tmp_path: Path) -> GuardWorld:
    return template.copy(tmp_path / "world")
