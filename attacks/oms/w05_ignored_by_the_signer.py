"""W5: the signer says what is ignored and the verifier obeys; `.git` and `.github` are ignored always."""

from __future__ import annotations

import sys
from pathlib import Path

import weakness
from weakness import Answers

TRIES = "let the signer, or a folder name, decide what is not looked at"


def attack(place: Path) -> Answers:
    """Everything ignored; a harmful file ignored; nothing signed at all; a file added under ``.github``."""
    return weakness.hostile_bundles(place, "ignore-everything", "ignore-the-evil", "nothing-signed", "hidden-in-git")


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
