"""A project whose owners grant licences, for every test of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "licence"))
from licence_world import Licensors


@pytest.fixture(scope="session")
def licensors(tmp_path_factory: pytest.TempPathFactory) -> Licensors:
    return Licensors.make(tmp_path_factory.mktemp("licensors") / "world")
