"""W5: the signer says what is ignored and the verifier obeys; `.git` and `.github` are ignored always."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

TRIES = "let the signer, or a folder name, decide what is not looked at"


def attack(place: Path) -> Answers:
    """Everything ignored; a harmful file ignored; nothing signed at all; a file added under ``.github``."""
    out = {}
    for name in ("ignore-everything", "ignore-the-evil", "nothing-signed", "hidden-in-git"):
        folder = place / name
        folder.mkdir()
        out[name] = weakness.refused(folder, hostile.CASES[name].build(folder / "model"))
    return weakness.several(out)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
