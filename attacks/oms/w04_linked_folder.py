"""W4: behind a linked folder nothing is signed, and verifying with links allowed passes what was changed there."""

from __future__ import annotations

import sys
from pathlib import Path

import hostile
import weakness
from weakness import Answers

from countermark.keys.signer import load
from countermark.lifecycle.oms import bundle

TRIES = "change a file behind a symbolic link to a folder"


def attack(place: Path) -> Answers:
    """The signer links a folder in, and what lies behind it is changed after signing."""
    hostile.honest(place / "model")
    weakness.keys(place)
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "code.py").write_bytes(b"harmless")
    (place / "model" / "linked").symlink_to(place / "elsewhere")
    signing = weakness.ours(lambda: bundle(place / "model", load(place / "key.pem", "oms", None)))
    weakness.reference(place, "sign", "--allow_symlinks")
    (place / "elsewhere" / "code.py").write_bytes(hostile.EVIL)
    reference = weakness.reference(place, "verify", "--allow_symlinks")
    if not (place / "model.sig").exists():
        statement = hostile.honest(place / "model")
        statement["predicate"]["serialization"]["allow_symlinks"] = True
        (place / "model.sig").write_bytes(hostile.signed(statement))
    verifying = weakness.verified(place)
    held = weakness.ACCEPTS not in (signing, verifying)
    return Answers(reference, f"signing {signing}; verifying {verifying}", held)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
