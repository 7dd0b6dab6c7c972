"""W10: executable bits and empty folders are not signed, and a name that is not UTF-8 is a crash."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

from countermark.artefact.folder import read_folder
from countermark.keys.signer import load
from countermark.lifecycle.oms import bundle

TRIES = "make a file executable, add an empty folder, use a name that is not UTF-8"


def attack(place: Path) -> Answers:
    """Ours: the tree digest binds the bit; empty folders and such names are refused by name."""
    model = place / "model"
    hostile.honest(model)
    weakness.keys(place)
    weakness.reference(place, "sign")
    before = read_folder(model).digest
    (model / "config.json").chmod(0o755)
    bound = read_folder(model).digest != before
    bit = Answers(weakness.reference(place, "verify"), "binds: another tree digest" if bound else "same digest", bound)
    (model / "config.json").chmod(0o644)
    (model / "empty").mkdir()
    folder = weakness.ours(lambda: read_folder(model))
    empty = Answers(weakness.reference(place, "verify"), folder, folder != weakness.ACCEPTS)
    (model / "empty").rmdir()
    Path(os.fsdecode(os.fsencode(model) + b"/\xff.bin")).write_bytes(b"odd")
    signing = weakness.ours(lambda: bundle(model, load(place / "key.pem", "oms", None)))
    odd = Answers(weakness.reference(place, "sign"), signing, signing != weakness.ACCEPTS)
    return weakness.several({"bit": bit, "empty folder": empty, "name": odd})


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
