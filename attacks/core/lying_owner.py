"""An owner whose machine lies: verdicts that do not follow from the evidence, and evidence that no statement bears out.

    python attacks/core/lying_owner.py

Every verdict is signed by the model's owner, entered, has its form, and names the digest of the evidence that the papers bring: whoever
compares digests takes it. A licensee, who is shown no evidence, cannot tell. With an auditor's papers Countermark judges again, and
holds the evidence against the statements. Exit code 0 when it refused every one, and took the honest papers.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hostile_papers
import small_release
from both_sides import Attack, report
from core_world import OWNER, SUPPLIER, World

from countermark import canonical
from countermark.lifecycle import acts, release, rows
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport.passport import Commitment, Passport, leaf
from countermark.passport.verify import Verified
from countermark.statement.predicates.verdict import VerdictStatement
from countermark.statement.statement import Statement

Evidence = dict[str, Any]
Lie = tuple[Callable[[Evidence], object], Callable[[dict[str, Any]], object]]
RULE = "in-scope"


def honest(root: Path) -> tuple[World, Path, Path]:
    """A project, its model, and an auditor's papers: a delivery, two rows in quarantine, one of them let through again."""
    world = small_release.make(root)
    desk, model = world[OWNER], world.root / "model"
    first, second, *_ = (row.id for row in rows.listed(desk))
    rows.quarantine(desk, [first, second], reason="blurred", screening=None, dataset="1" * 64)
    rows.decide(desk, [second], "accept", dataset="1" * 64)
    acts.snapshot(desk)
    model.mkdir()
    (model / "weights.bin").write_bytes(b"weights")
    papers = release.release(desk, model, small_release.POLICY, auditor=True).passport
    if papers is None:
        raise SystemExit("the policy refuses")
    return world, model, papers


def nothing(_value: object) -> None:
    """No lie on this side."""


def _rule(verdict: dict[str, Any], name: str = RULE) -> dict[str, Any]:
    return next(rule for rule in verdict["rules"] if rule["id"] == name)


def _put(*path: str | int, value: Any) -> Callable[[Evidence], object]:
    def change(evidence: Evidence) -> None:
        at: Any = evidence
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


def _drop(name: str) -> Callable[[Evidence], object]:
    return lambda evidence: evidence[name].pop()


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    def change(verdict: dict[str, Any]) -> None:
        verdict["rules"] = [rule for rule in verdict["rules"] if not rule["id"].startswith(name)]

    return change


def _waived_by_nobody(verdict: dict[str, Any]) -> None:
    ended = hostile_papers.ENDED | {"until": "2027-01-30T10:00:00Z"}
    _rule(verdict).update(ok=True, reason="false", waived=ended)


LIES: dict[str, Lie] = {
    "admitted although the evidence is out of scope": (_put("deliveries", 0, "in_scope", value=False), nothing),
    "admitted although the supplier is none": (_put("project", "parties", value=[]), nothing),
    "a rule left out": (nothing, _without("signed/")),
    "a waiver that nobody signed": (nothing, _waived_by_nobody),
    "a rule that rests on other statements": (nothing, lambda v: _rule(v).update(evidence=["0" * 64])),
    "a rule that no policy has": (nothing, lambda v: v["rules"].append(dict(_rule(v), id="loved-by-all"))),
    "more rows than were delivered": (_put("deliveries", 0, "rows", value=4000), nothing),
    "another signer": (_put("deliveries", 0, "supplier", value="bolts"), nothing),
    "a delivery left out": (lambda e: e["deliveries"].append(dict(e["deliveries"].pop(), state="withdrawn")), _without("in-scope")),
    "a row missing from the quarantine": (lambda e: e["quarantines"][0]["rows"].pop(), nothing),
    "a quarantine left out": (_drop("quarantines"), _without("signed/quarantines")),
    "a reason that nobody gave": (_put("quarantines", 0, "reason", value="routine"), nothing),
    "a decision that was another": (_put("decisions", 0, "action", value="reject"), nothing),
    "rows set aside that nobody set aside": (lambda e: e["set_aside"].append(e["accepted"][0]), nothing),
    "a row let through that nobody let through": (lambda e: e["accepted"].extend(e["set_aside"]), nothing),
    "an approval that nobody signed": (lambda e: e["approvals"].append(dict(e["quarantines"][0], party=OWNER)), nothing),
    "a supplier who is a reviewer": (lambda e: e["project"]["parties"][0]["roles"].append("reviewer"), nothing),
    "true where one is said": (lambda e: e["deliveries"][0].update(sequence=True), nothing),
    "another history": (_put("ledger", "root", value="1" * 64), nothing),
    "another ledger": (_put("ledger", "origin", value="countermark.invalid/other"), nothing),
    "witnesses who are none": (lambda e: e["ledger"].update(witnessed=True), lambda v: v.update(witnessed="witnessed")),
    "a snapshot of next year": (_put("revocations", "next_update", value="2027-11-23T10:00:00Z"), nothing),
    "a trust version that is none": (_put("project", "trust_version", value=9), nothing),
    "evidence that is none": (_put("deliveries", value=[None]), nothing),
}  # fmt: skip


def lied(world: World, papers: Path, to: Path, lie: Lie) -> Path:
    """Papers with a lie in them, all digests made to fit."""
    evidence = json.loads(json.dumps(Passport.from_bytes(papers.read_bytes()).evidence))
    lie[0](evidence)
    return hostile_papers.repacked(world, papers, to, lie[1], evidence)


def digests_fit(papers: Path) -> str:
    """What could be checked before: the evidence is the one that the verdict names, and it says "admitted"."""
    passport = Passport.from_bytes(papers.read_bytes())
    said = VerdictStatement.from_json(Statement.from_bytes(passport.verdict.envelope.payload).predicate)
    if canonical.sha256_hex(canonical.to_bytes(passport.evidence)) != said.evidence:
        raise ValueError("another digest")
    return str(said.verdict["verdict"])


def for_licensee(papers: Path, to: Path) -> Path:
    """The same papers as a licensee is handed them."""
    passport = Passport.from_bytes(papers.read_bytes())
    closed = tuple(Commitment(leaf(c), c.receipt or b"") for c in passport.commitments)
    to.write_bytes(replace(passport, commitments=closed, evidence=None).to_bytes())
    return to


def read(world: World, model: Path, papers: Path) -> Verified:
    """What a reader who pinned the project makes of papers."""
    desk = world[SUPPLIER]
    return verify_model(model, papers, pinned(desk), desk.now())


def attacks(root: Path) -> list[Attack]:
    """Every lie, at an auditor."""
    world, model, papers = honest(root / "world")
    out = []
    for number, (name, lie) in enumerate(LIES.items()):
        file = lied(world, papers, root / f"{number}.cmpass", lie)
        out.append(Attack(name, lambda f=file: digests_fit(f), lambda f=file: read(world, model, f)))
    return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        told = read(*honest(Path(folder) / "honest")).again
        print(f"honest papers, judged again: {told.rules if told else 0} rules")
        sys.exit(report(attacks(Path(folder))) if told else 1)
