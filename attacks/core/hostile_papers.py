"""Papers whose verdict does not follow from what it says itself, or that show an auditor other evidence than was judged.

    python attacks/core/hostile_papers.py

Each verdict is signed by the model's owner, entered, and names a policy that counts: a licensee who reads no further than
the word "admitted" takes it. Exit code 0 when Countermark refused every one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import small_release
from both_sides import Attack, report
from core_world import OWNER, SUPPLIER, World

from countermark import canonical
from countermark.ledger.log import Log
from countermark.ledger.receipt import Receipt
from countermark.ledger.record import fresh_opening
from countermark.lifecycle import book
from countermark.lifecycle.verify import pinned, verify_delivery, verify_model
from countermark.passport.passport import Passport, unpacked
from countermark.passport.slip import Slip, record_for
from countermark.statement.statement import Statement

ENDED = {
    "party": "risk-office",
    "until": "2026-11-23T09:00:00Z",
    "reason": "until the retraining",
    "statement": "0" * 64,
}
Change = Callable[[dict[str, Any]], object]


def reads_the_word(papers: Path) -> str:
    """Ordinary code: the signature holds, and the verdict says so."""
    payload = json.loads(unpacked(papers.read_bytes()))["verdict"]["envelope"]["payload"]
    return str(json.loads(base64.b64decode(payload))["predicate"]["verdict"]["verdict"])


def repacked(world: World, papers: Path, to: Path, change: Change, evidence: dict[str, Any] | None = None) -> Path:
    """The owner, who keeps the ledger, signs the verdict with a change to it, enters it past all checks, and packs again.

    Args:
        evidence: what the verdict says that it judged, and an auditor is shown; None for what the papers bring.
    """
    desk, passport = world[OWNER], Passport.from_bytes(papers.read_bytes())
    trust, said = desk.trust(), Statement.from_bytes(passport.verdict.envelope.payload)
    predicate = json.loads(json.dumps(said.predicate))
    change(predicate["verdict"])
    if evidence is not None:
        predicate["verdict"]["evidence"] = canonical.sha256_hex(canonical.to_bytes(evidence))
    statement = replace(said, predicate=predicate)
    envelope = desk.sign(statement)
    opening = fresh_opening(record_for(envelope, statement, OWNER))
    with book.ledger(desk, trust) as log:
        (entered,) = log.append([opening.leaf()])
        slips = [replace(s, receipt=_again(log, s.receipt)) for s in passport.statements]
        deliveries = [replace(d, receipt=_again(log, d.receipt)) for d in passport.commitments]
        grown = {size: tuple(log.reader.consistency(size)) for size in passport.consistency}
    verdict = Slip(envelope, opening, entered.to_bytes())
    changed = replace(
        passport,
        verdict=verdict,
        statements=tuple(slips),
        commitments=tuple(deliveries),
        consistency=grown,
        evidence=evidence or passport.evidence,
    )
    to.write_bytes(changed.to_bytes())
    return to


def _again(log: Log, receipt: bytes | None) -> bytes:
    """A receipt for the same entry, against the newest head."""
    return log.reader.receipt(Receipt.from_bytes(receipt or b"").index).to_bytes()


def one_rule_fails(verdict: dict[str, Any]) -> None:
    verdict["rules"][-1] |= {"ok": False, "reason": "false", "missing": "nobody delivered what they may"}


def a_waiver_ended(verdict: dict[str, Any]) -> None:
    verdict["rules"][-1] |= {"ok": True, "waived": ENDED}


CHANGES: dict[str, Change] = {
    "admitted although a rule does not hold": one_rule_fails,
    "admitted by no rule at all": lambda v: v.update(rules=[]),
    "admitted by rules that are none": lambda v: v.update(rules=[None]),
    "a policy that is no policy": lambda v: v.update(policy="default"),
    "a verdict on another model": lambda v: v.update(subject="0" * 64),
    "admitted by a waiver that ended": a_waiver_ended,
}


def attacks(root: Path) -> list[Attack]:
    """Every hostile passport, at a licensee who pinned the project."""
    world = small_release.make(root / "world")
    model, papers = small_release.model(world, "wanted")
    out = []

    def attack(name: str, file: Path) -> None:
        desk = world[SUPPLIER]
        out.append(
            Attack(name, lambda: reads_the_word(file), lambda: verify_model(model, file, pinned(desk), desk.now()))
        )

    for number, (name, change) in enumerate(CHANGES.items()):
        attack(name, repacked(world, papers, root / f"{number}.cmpass", change))
    told = root / "evidence.cmpass"
    told.write_bytes(replace(Passport.from_bytes(papers.read_bytes()), evidence={"deliveries": []}).to_bytes())
    attack("evidence that nobody judged", told)
    return out


def a_terabyte(root: Path) -> list[Attack]:
    """A file of the model, or of a delivery, that grew to a terabyte and takes no room: hours for whoever hashes it first."""
    world = small_release.make(root / "terabyte")
    model, papers = small_release.model(world, "wanted")
    parts, _ = world.delivered(world.parts("more"))
    os.truncate(model / "weights.bin", 1 << 40)
    os.truncate(parts / "nut" / "0.png", 1 << 40)
    desk = world[SUPPLIER]
    return [
        Attack("a model of a terabyte", lambda: _hashed(model / "weights.bin"),
               lambda: verify_model(model, papers, pinned(desk), desk.now())),
        Attack("a delivery of a terabyte", lambda: _hashed(parts / "nut" / "0.png"), lambda: verify_delivery(parts, desk)),
    ]  # fmt: skip


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(report([*attacks(Path(folder)), *a_terabyte(Path(folder))]))
