"""W11: a manifest of whole files only: nothing can be checked without hashing everything and holding it all."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

from countermark.artefact.profile import SHA256
from countermark.lifecycle import prove
from countermark.lifecycle.prove import Part

TRIES = "check one layer of a model whose other files are not here"


def attack(place: Path) -> Answers:
    """One file and its proof: enough for us, where the reference needs the whole model."""
    model = place / "model"
    hostile.honest(model)
    weakness.keys(place)
    weakness.reference(place, "sign")
    summary, proof = prove.proof_of(model, Part(("weights.bin",)), SHA256)
    (place / "proof").write_bytes(proof.to_bytes())
    (model / "config.json").unlink()
    reference = weakness.reference(place, "verify")
    alone = weakness.ours(lambda: prove.check(model, place / "proof", summary.digest))
    (model / "weights.bin").write_bytes(hostile.EVIL)
    changed = weakness.ours(lambda: prove.check(model, place / "proof", summary.digest))
    held = alone == weakness.ACCEPTS and changed != weakness.ACCEPTS
    return Answers(reference, f"one file by its proof: {alone}; changed: {changed[:60]}", held)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
