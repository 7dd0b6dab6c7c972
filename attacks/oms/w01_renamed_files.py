"""W1: the digest of a signed model binds no names, so every other statement about it accepts renamed files."""

from __future__ import annotations

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
    digests, trees = [], []
    for folder, names in (("one", ("a.bin", "b.bin")), ("two", ("load_me.py", "z.bin"))):
        (place / folder).mkdir()
        for name, data in zip(names, (hostile.EVIL, b"weights"), strict=True):
            (place / folder / name).write_bytes(data)
        (place / "model").unlink(missing_ok=True)
        (place / "model").symlink_to(folder)
        listed = hostile.digests(place / folder)
        bundle = hostile.signed(oms.statement(listed.items(), name="model"))
        digests.append(oms.verify(bundle, KeyTrust(hostile.PEM)).digest)
        trees.append(read_folder(place / folder).digest)
    same, bound = digests[0] == digests[1], trees[0] != trees[1]
    said = f"one digest for both: {digests[0][:16]}" if same else "two digests"
    ours = f"binds: tree digests {trees[0][:16]} and {trees[1][:16]}" if bound else "one tree digest"
    return Answers(said + " (the format itself)", ours, same and bound)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
