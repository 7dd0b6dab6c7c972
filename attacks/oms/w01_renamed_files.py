"""W1: the digest of a signed model binds no names, so every other statement about it accepts renamed files."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

from countermark.artefact.folder import read_folder
from countermark.statement import oms
from countermark.statement.oms_keys import KeyTrust

TRIES = "pass {load_me.py, z.bin} for {a.bin, b.bin} by the digest that other statements name"


def attack(place: Path) -> Answers:
    """Two models with the same bytes under other names: one OMS digest, two tree digests."""
    weakness.keys(place)
    model, signed, trees = place / "model", [], []
    for names in (("a.bin", "b.bin"), ("load_me.py", "z.bin")):
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir()
        for name, data in zip(names, (hostile.EVIL, b"weights"), strict=True):
            (model / name).write_bytes(data)
        if weakness.reference(place, "sign") == weakness.ABSENT:
            (place / "model.sig").write_bytes(
                hostile.signed(oms.statement(hostile.digests(model).items(), name="model"))
            )
        signed.append(oms.verify((place / "model.sig").read_bytes(), KeyTrust(hostile.PEM)).digest)
        trees.append(read_folder(model).digest)
    same, bound = signed[0] == signed[1], trees[0] != trees[1]
    reference = f"signs {signed[0][:16]} for both" if same else "signs two digests"
    ours = f"binds: tree digests {trees[0][:16]} and {trees[1][:16]}" if bound else "one tree digest"
    there = weakness.REFERENCE.exists()
    return Answers(reference if there else f"{weakness.ABSENT}; the format {reference}", ours, same and bound)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
