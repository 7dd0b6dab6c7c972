"""Locks are installed with `--no-deps`, so each has to be closed: whatever a locked package needs is locked, at a version it takes."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that reads locks."""
    monkeypatch.syspath_prepend(str(ROOT / "release"))
    return importlib.import_module("lock")


def requirements(name: str, version: str, where: dict[str, str]) -> list[Requirement]:
    """What a locked package needs on the lock's own machine; nothing where another version is installed."""
    try:
        here = distribution(name)
    except PackageNotFoundError:
        return []
    parsed = [Requirement(text) for text in here.requires or [] if here.version == version]
    return [r for r in parsed if r.marker is None or r.marker.evaluate(where)]


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_a_lock_is_closed(lock: str, release: Any) -> None:
    plain, locked = release.plain, release.pins(ROOT / "locks" / f"{lock}.lock")
    needs = [
        (name, r) for name, pinned in locked.items() for r in requirements(name, pinned.version, release.ENVIRONMENT)
    ]
    assert len(needs) > len(locked) / 2
    missing = [f"{name} needs {r}" for name, r in needs if plain(r.name) not in locked]
    assert not missing
    other = [f"{name} needs {r}" for name, r in needs if not r.specifier.contains(locked[plain(r.name)].version, True)]
    assert not other


@pytest.mark.parametrize("lock", ["demo", "dev"])
def test_a_lock_pins_plain_names(lock: str) -> None:
    assert "[" not in (ROOT / "locks" / f"{lock}.lock").read_text()
