"""Runs one weakness of the reference signer beside Countermark: what each says of the same attack.

A script `wNN_*.py` has `TRIES` and ``attack(place) -> Answers``. The reference is asked where it is installed (``.benchenv``);
elsewhere the line says so, and only our side is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hostile
from cryptography.hazmat.primitives import serialization

from countermark.errors import CountermarkError
from countermark.lifecycle import oms as stage
from countermark.statement import oms
from countermark.statement.oms_keys import KeyTrust

REFERENCE = Path(os.environ.get("MODEL_SIGNING", Path(__file__).parents[2] / ".benchenv" / "bin" / "model_signing"))
ABSENT = "not installed"
ACCEPTS = "accepts"


@dataclass(frozen=True)
class Answers:
    """What the reference said, what we said, and whether our answer is the one that was promised."""

    reference: str
    ours: str
    held: bool


def keys(place: Path) -> None:
    """Write the corpus' key pair where both sides find it."""
    private = place / "key.pem"
    private.touch(0o600)
    private.write_bytes(
        hostile.PRIVATE.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (place / "pub.pem").write_bytes(hostile.PEM)


def reference(place: Path, act: str, *options: str) -> str:
    """``sign`` or ``verify`` of ``place/model`` with ``place/model.sig``; the last line where it refuses."""
    if not REFERENCE.exists():
        return ABSENT
    key = ("--private_key", place / "key.pem") if act == "sign" else ("--public_key", place / "pub.pem")
    command = [REFERENCE, act, "key", place / "model", "--signature", place / "model.sig", *options, *key]
    return told(subprocess.run(command, check=False, capture_output=True, text=True, timeout=60))


def by_certificate(place: Path, root: Path) -> str:
    """``verify certificate`` of ``place/model`` with ``place/model.sig`` under a root, PEM."""
    if not REFERENCE.exists():
        return ABSENT
    command = [REFERENCE, "verify", "certificate", place / "model", "--signature", place / "model.sig"]
    return told(
        subprocess.run([*command, "--certificate_chain", root], check=False, capture_output=True, text=True, timeout=60)
    )


def library(place: Path, code: str, *words: str) -> str:
    """Python code in the reference's own environment, given ``place`` and words."""
    if not REFERENCE.exists():
        return ABSENT
    command = [REFERENCE.with_name("python"), "-c", code, place, *words]
    return told(subprocess.run(command, check=False, capture_output=True, text=True, timeout=60))


def told(done: subprocess.CompletedProcess[str]) -> str:
    """What a run of the reference said."""
    if done.returncode == 0:
        return ACCEPTS
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return f"refuses: {lines[-1][:120]}"


def ours(act: Callable[[], object]) -> str:
    """What Countermark says when it does `act`."""
    try:
        act()
    except CountermarkError as refusal:
        return f"refuses: {refusal.what}" + (f" ({refusal.why})" if refusal.why else "")
    return ACCEPTS


def verified(place: Path) -> str:
    """What Countermark says of ``place/model`` with ``place/model.sig``."""
    trust = KeyTrust(hostile.PEM)
    return ours(lambda: stage.hold(place / "model", oms.verify((place / "model.sig").read_bytes(), trust)))


def refused(place: Path, bundle: bytes, *options: str) -> Answers:
    """Both sides on one hostile bundle, which must be refused."""
    keys(place)
    (place / "model.sig").write_bytes(bundle)
    answer = verified(place)
    return Answers(reference(place, "verify", *options), answer, answer != ACCEPTS)


def hostile_bundles(place: Path, *names: str) -> Answers:
    """Some cases of `hostile`, each in a folder of its own, every one of which must be refused."""
    out = {}
    for name in names:
        folder = place / name
        folder.mkdir()
        out[name] = refused(folder, hostile.CASES[name].build(folder / "model"))
    return several(out)


def several(answers: dict[str, Answers]) -> Answers:
    """Several attacks as one: every one of them must hold."""
    join = lambda side: "; ".join(f"{name}: {getattr(a, side)}" for name, a in answers.items())  # noqa: E731
    return Answers(join("reference"), join("ours"), all(a.held for a in answers.values()))


def main(tries: str, attack: Callable[[Path], Answers]) -> int:
    """Run one attack and print both answers; exit code 1 where ours is not the promised one."""
    with tempfile.TemporaryDirectory() as temporary:
        answers = attack(Path(temporary))
    if "--json" in sys.argv:
        print(json.dumps({"tries": tries, "reference": answers.reference, "ours": answers.ours, "held": answers.held}))
    else:
        print(f"{tries}\n  reference    {answers.reference}\n  countermark  {answers.ours}")
    return 0 if answers.held else 1
