"""W6: names with `..` are read outside the model, where files that nobody signed are tolerated."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

TRIES = "sign a name that leads out of the model"


def attack(place: Path) -> Answers:
    """``../outside.py`` among the resources."""
    case = hostile.CASES["outside-the-model"]
    return weakness.refused(place, case.build(place / "model"), *case.options)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
