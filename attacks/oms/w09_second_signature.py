"""W9: only the first signature is looked at, no key need be named, and old encodings are still taken."""

from __future__ import annotations

import sys
from pathlib import Path

import weakness
from weakness import Answers

TRIES = "bring a second signature, no key hint, an old encoding or an old predicate"


def attack(place: Path) -> Answers:
    """Four bundles that say more, or less, than what is checked."""
    return weakness.hostile_bundles(place, "junk-second-signature", "no-key-named", "old-predicate", "old-encoding")


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
