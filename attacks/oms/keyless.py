"""Show each hostile keyless bundle to the reference and to Countermark, under a Sigstore that lives in this file's neighbours.

    python attacks/oms/keyless.py

The reference is asked where it is installed (``.benchenv``). Exit code 0 when Countermark refuses all of them and takes the honest one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import keyless_hostile as hostile
import weakness
from keyless_hostile import Handed
from keyless_world import World, to_bytes

from countermark.errors import Refusal
from countermark.lifecycle import oms as stage
from countermark.statement import oms
from countermark.statement.oms_keyless import KeylessTrust


def reference(place: Path, handed: Handed) -> str:
    """What `model_signing verify sigstore` says of ``place/model``."""
    if not weakness.REFERENCE.exists():
        return weakness.ABSENT
    (place / "trust.json").write_text(hostile.to_json(handed))
    command = [
        weakness.REFERENCE, "verify", "sigstore", place / "model", "--signature", place / "model.sig", "--trust_config",
        place / "trust.json", "--identity", handed.identity, "--identity_provider", handed.issuer,
    ]  # fmt: skip
    return weakness.told(subprocess.run(command, check=False, capture_output=True, text=True, timeout=60))


def countermark(place: Path, handed: Handed) -> str:
    """What we say of it; anything but a verdict or a refusal is a bug, and raised."""
    trust = KeylessTrust(handed.identity, handed.issuer, to_bytes(handed.root))
    try:
        stage.hold(place / "model", oms.verify((place / "model.sig").read_bytes(), trust))
    except Refusal as refusal:
        return f"refuses: {refusal.what}" + (f" ({refusal.why})" if refusal.why else "")
    return weakness.ACCEPTS


def lay_out(place: Path, handed: Handed) -> None:
    """Write the bundle and the model that it is handed with."""
    (place / "model").mkdir()
    (place / "model" / "weights.bin").write_bytes(b"weights")
    (place / "model.sig").write_bytes(to_bytes(handed.bundle))


def show(name: str, handed: Handed) -> bool:
    """Both answers on one bundle; True where we accepted."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        lay_out(place, handed)
        ours = countermark(place, handed)
        print(f"{name:<27} reference {reference(place, handed)[:9]:<10} {ours[:150]}")
    return ours == weakness.ACCEPTS


def main() -> int:
    """Run them all."""
    accepted = show("honest", hostile.honest(World()))
    fallen = [name for name, build in hostile.CASES.items() if show(name, build(World()))]
    return 0 if accepted and not fallen else 1


if __name__ == "__main__":
    sys.exit(main())
