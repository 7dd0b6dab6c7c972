"""Step 9: the plant checks what it was sent, offline; and everything that was tampered with is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from countermark.cases.factory.parties import OWNER, PLANT
from countermark.cases.factory.supply import Supply
from countermark.cases.factory.tell import Tell
from countermark.errors import Refusal
from countermark.lifecycle import acts, trust_pin, verify
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.release import Released
from countermark.passport.passport import Passport
from countermark.passport.verify import Pin, Verified

SNAPSHOT_FILE = "revocations.json"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the plant saw.

    Attributes:
        first: freshness at first contact, without a snapshot. verified: with it. refused: what was tampered with ->
            the reason it was refused.
    """

    first: str
    verified: Verified
    refused: dict[str, str]


def ship(supply: Supply, model: Path, released: Released) -> tuple[Path, Path]:
    """The owner hands model and passport to the plant."""
    home = supply.parties.folder(PLANT)
    shutil.copytree(model, home / "model", dirs_exist_ok=True)
    if released.passport is None:
        raise Refusal("the model was not released", mend="see the verdict")
    shutil.copy(released.passport, home / "model.cmpass")
    return home / "model", home / "model.cmpass"


def check(supply: Supply, model: Path, passport: Path, tell: Tell) -> Checked:
    """First contact, then with the owner's snapshot, then five kinds of tampering."""
    plant = supply.parties[PLANT]
    tell.command("countermark verify model --passport model.cmpass")
    first = verify.verify_model(model, passport, verify.pinned(plant), plant.now())
    tell.say(f"integrity holds; {first.freshness} (exit 3)")
    handed = supply.parties.folder(PLANT) / SNAPSHOT_FILE
    handed.write_bytes(acts.snapshot(supply.parties[OWNER]).to_bytes())
    tell.command(
        f"countermark trust pin {supply.parties.fingerprint[:12]}... --trust trust.jsonl --revocations {SNAPSHOT_FILE}"
    )
    trust_pin.pin(plant, supply.parties.fingerprint, supply.parties.chain())
    verify.pin_snapshot(plant, handed)
    verified = verify.verify_model(model, passport, verify.pinned(plant), plant.now())
    verify.remember(plant, verified)
    tell.event("result", f"{verified.state}; {verified.freshness}")
    return Checked(first.freshness, verified, _tamper(plant, model, passport, tell))


def _tamper(plant: Desk, model: Path, passport: Path, tell: Tell) -> dict[str, str]:
    """Swap a byte, rename, add, drop a receipt, bring an older ledger: each must be refused, naming the file."""
    work = model.parent / "tampered"
    cases: dict[str, Callable[[Path, Path], None]] = {
        "one byte swapped": _swap, "a file renamed": _rename, "a file added": _add, "a receipt dropped": _drop_receipt,
    }  # fmt: skip
    out = {}
    for name, change in cases.items():
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(model, work / "model")
        shutil.copy(passport, work / "model.cmpass")
        change(work / "model", work / "model.cmpass")
        out[name] = _refusal(plant, work / "model", work / "model.cmpass", verify.pinned(plant))
        tell.refused(name, [out[name]])
    # As if a later ledger had been seen; the plant's own mark is left where it is.
    ahead = verify.pinned(plant)
    out["an older ledger"] = _refusal(plant, model, passport, replace(ahead, size=ahead.size + 10))
    tell.refused("an older ledger", [out["an older ledger"]])
    shutil.rmtree(work)
    return out


def _refusal(plant: Desk, model: Path, passport: Path, pin: Pin) -> str:
    try:
        verify.verify_model(model, passport, pin, plant.now())
    except Refusal as refusal:
        return refusal.what
    return ""


def _swap(model: Path, _passport: Path) -> None:
    data = bytearray((model / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (model / "model.onnx").write_bytes(data)


def _rename(model: Path, _passport: Path) -> None:
    (model / "labels.json").rename(model / "names.json")


def _add(model: Path, _passport: Path) -> None:
    (model / "custom_ops.so").write_bytes(b"\x7fELF")


def _drop_receipt(_model: Path, passport: Path) -> None:
    papers = Passport.from_bytes(passport.read_bytes())
    first, *others = papers.statements
    passport.write_bytes(replace(papers, statements=(replace(first, receipt=None), *others)).to_bytes())
