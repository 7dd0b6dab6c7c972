"""W8: an old signed version with a known hole stays valid for ever."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

import hostile
import small_release
import weakness
from core_world import OWNER, SUPPLIER
from weakness import Answers

from countermark.lifecycle import acts, withdraw
from countermark.lifecycle.verify import pin_snapshot, pinned, verify_model

TRIES = "pass off an old release whose hole is known"


def attack(place: Path) -> Answers:
    """Two releases; the older one is superseded, and the reader has the owners' newest word."""
    hostile.honest(place / "model")
    weakness.keys(place)
    weakness.reference(place, "sign")
    reference = weakness.reference(place, "verify")
    world = small_release.make(place / "world")
    old, papers = small_release.model(world, "old", b"with the hole")
    new, _ = small_release.model(world, "new", b"mended")
    desk, reader = world[OWNER], world[SUPPLIER]
    withdraw.withdraw(desk, withdraw.find(desk, str(old)), "known hole", withdraw.find(desk, str(new))[0])
    snapshot = place / "revocations.json"
    snapshot.write_bytes(acts.snapshot(desk).to_bytes())
    pin_snapshot(reader, snapshot)
    ours = weakness.ours(lambda: verify_model(old, papers, pinned(reader), world.clock()))
    return Answers(f"{reference}, and has no way to say otherwise", ours, ours != weakness.ACCEPTS)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
