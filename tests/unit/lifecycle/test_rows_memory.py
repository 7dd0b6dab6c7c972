"""Training data are larger than memory: who needs names and digests keeps no pictures, who writes them keeps one delivery."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from core_world import OWNER, World

from countermark.errors import TreeRefused
from countermark.lifecycle import rows
from countermark.lifecycle.deliveries import DATA
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.receive import receive

LARGE = 6 << 20
DELIVERIES = 4


@pytest.fixture
def desk(world: World) -> Desk:
    for number in range(DELIVERIES):
        folder = world.parts(f"large{number}", ("screw",), 1)
        (folder / "screw" / "large.png").write_bytes(bytes([number]) * LARGE)
        world.delivered(folder)
        assert receive(world[OWNER], folder).state == "admitted"
    return world[OWNER]


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_listing_keeps_no_file_and_writing_keeps_one_delivery(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "training"
    assert peak(lambda: rows.listed(desk)) < 3 * LARGE  # a look into the ledger's journal sets aside 16 MiB
    assert peak(lambda: rows.write_training_set(desk, folder)) < (DELIVERIES - 1) * LARGE
    assert rows.listed(desk) == list(rows.all_rows(desk))
    assert len(list(folder.rglob("*.png"))) == 2 * DELIVERIES


def test_a_training_set_that_cannot_be_written_whole_is_not_there(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes an admitted delivery after it was listed and before it is written."""
    folder, listed = tmp_path / "training", rows.listed

    def then_changed(at: Desk) -> list[rows.Row]:
        out = listed(at)
        kept = max((at.space.home / "deliveries").glob(f"*/{DATA}/screw/large.png"))
        kept.write_bytes(b"another")
        return out

    monkeypatch.setattr(rows, "listed", then_changed)
    with pytest.raises(TreeRefused, match="changed on disk"):
        rows.write_training_set(desk, folder)
    assert not folder.exists()
