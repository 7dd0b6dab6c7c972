"""W9: only the first signature is looked at, no key need be named, and old encodings are still taken."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

TRIES = "bring a second signature, no key hint, an old encoding or an old predicate"


def attack(place: Path) -> Answers:
    """Four bundles that say more, or less, than what is checked."""
    out = {}
    for name in ("junk-second-signature", "no-key-named", "old-predicate", "old-encoding"):
        folder = place / name
        folder.mkdir()
        out[name] = weakness.refused(folder, hostile.CASES[name].build(folder / "model"))
    return weakness.several(out)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
