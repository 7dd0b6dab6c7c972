"""A file swapped between verifying and loading, 1,000 times in every way: ordinary code loses, a handle never does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "attacks" / "artefact")]
import swap  # noqa: E402

WON = "LOADED WHAT THE ATTACKER WROTE"
HOLDS = {"refused", "loaded what was signed"}
ROUNDS = 1000


@pytest.mark.parametrize("kind", swap.SWAPS)
def test_ordinary_code_loses(tmp_path: Path, kind: str) -> None:
    seen = swap.rounds(swap.make(tmp_path), "verify, then load", kind, 10)
    assert seen == ({"broke: SafetensorError": 10} if kind == "truncate" else {WON: 10})


NEEDS_TORCH = pytest.param(
    "torch", marks=pytest.mark.skipif("torch" not in swap.SIDES, reason="PyTorch is not installed")
)


@pytest.mark.parametrize("side", ["handle", "sealed path", "view", NEEDS_TORCH])
def test_a_handle_never_does(tmp_path: Path, side: str) -> None:
    target = swap.make(tmp_path)
    for kind in swap.SWAPS:
        seen = swap.rounds(target, side, kind, ROUNDS // len(swap.SWAPS))
        assert set(seen) <= HOLDS, (kind, seen)
        if side == "handle" and kind != "folder-link":
            assert set(seen) == {"refused"}, (kind, seen)
        elif side != "handle" or kind == "folder-link":
            assert set(seen) == {"loaded what was signed"}, (kind, seen)


@pytest.mark.parametrize("side", ["handle", "sealed path"])
def test_nor_while_another_process_swaps_for_ever(tmp_path: Path, side: str) -> None:
    seen = swap.race(swap.make(tmp_path), side, 500)
    assert set(seen) <= HOLDS and sum(seen.values()) == 500


@pytest.mark.skipif(swap.find() is None, reason="bubblewrap is not installed")
def test_nor_does_a_loader_that_takes_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    seen = swap.in_mount(swap.make(tmp_path), tmp_path / "out", ROUNDS)
    assert seen == {"loaded what was signed": ROUNDS}
