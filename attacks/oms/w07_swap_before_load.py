"""W7: verifying gives nothing back, so the loader opens the path again and finds what was swapped in."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

from countermark.artefact.folder import read_folder
from countermark.artefact.handle import open_verified

TRIES = "swap a file between verifying and loading"


def attack(place: Path) -> Answers:
    """Verified, swapped, then loaded: by the path as users of the reference must, and by our handle."""
    hostile.honest(place / "model")
    weakness.keys(place)
    weights = place / "model" / "weights.bin"
    weakness.reference(place, "sign")
    reference = weakness.reference(place, "verify")
    signed, first = read_folder(place / "model"), weights.read_bytes()
    with open_verified(place / "model", signed) as handle:
        seen = bytes(handle.view("weights.bin"))
        weights.write_bytes(hostile.EVIL[: len(first)])
        again = bytes(handle.view("weights.bin"))
    late = weakness.ours(lambda: open_verified(place / "model", signed).view("weights.bin"))
    loaded = "swapped bytes are loaded" if weights.read_bytes() != first else "nothing was swapped"
    ours = (
        f"the handle gives {'the signed' if seen == again == first else 'OTHER'} bytes; opened after the swap: {late}"
    )
    return Answers(f"verify {reference}, then {loaded}", ours, seen == again == first and late != weakness.ACCEPTS)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
