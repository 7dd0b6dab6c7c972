"""Release: judge the evidence, sign and log the verdict, sign the model, pack its passport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from countermark import canonical
from countermark.artefact.folder import read_folder
from countermark.errors import LedgerRefused, Unusable
from countermark.keys import quorum
from countermark.keys.trust import Trust
from countermark.ledger.receipt import Receipt
from countermark.lifecycle import book, entitled, heads, oms, withdraw, witnessing
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.gather import Gathered, gather
from countermark.passport.passport import SUFFIX, Commitment, Passport
from countermark.passport.slip import Slip
from countermark.policy.document import Policy
from countermark.policy.evaluate import evaluate
from countermark.policy.verdict import Verdict
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import run_task
from countermark.statement.predicates import verdict as predicates
from countermark.statement.predicates.verdict import VerdictStatement
from countermark.statement.statement import EVERYBODY, Statement

OMS_SUFFIX = ".oms.json"
CEL_TASK = "countermark.policy._cel:evaluate_task"
CEL_LIMITS = Limits(memory_bytes=512 << 20, cpu_seconds=10, wall_seconds=20.0, request_bytes=64 << 20)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that nobody signed yet, and the evidence it judged."""

    verdict: Verdict
    gathered: Gathered
    policy: Policy

    @property
    def admitted(self) -> bool:
        """Whether the policy admits the model."""
        return self.verdict.admitted


@dataclass(frozen=True, slots=True)
class Released:
    """A signed verdict; passport and OMS signature exist only where it admits."""

    judged: Judged
    verdict: Slip
    passport: Path | None = None
    oms: Path | None = None


def judge(desk: Desk, model: Path, policy: bytes) -> Judged:
    """Apply a policy to what the ledger shows about `model`, without signing anything.

    Raises:
        TrustRefused, TreeRefused, LedgerRefused, StatementRefused: evidence or policy is malformed.
    """
    document = Policy.from_bytes(policy)
    gathered = gather(desk, read_folder(model), model.name, document.signers)
    return Judged(evaluate(document, gathered.evidence, desk.now(), in_child), gathered, document)


def in_child(rules: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
    """Evaluate CEL in a confined child that is killed where it crosses a budget; that refuses every rule."""
    try:
        return run_task(CEL_TASK, {"rules": rules, "variables": variables}, limits=CEL_LIMITS).json
    except (BudgetExceeded, ChildFailed) as error:
        return dict.fromkeys(rules, f"the evaluation did not end within its bounds: {error.what}")


def release(desk: Desk, model: Path, policy: bytes, *, auditor: bool = False, since: Sequence[int] = ()) -> Released:
    """Judge, sign and log the verdict; where it admits, write ``MODEL.oms.json`` and ``MODEL.cmpass`` beside it.

    Whatever a release needs is tried before the verdict enters the ledger, from which nothing is ever taken back.

    Args:
        auditor: open the suppliers' deliveries in the passport. since: ledger sizes that readers remember.

    Raises:
        TrustRefused: this party owns no model or keeps no ledger. Unusable: it has no OMS key. LedgerRefused: the
        quorum has not cosigned yet. Others as `judge`.
    """
    with desk.space.lock():
        trust = desk.trust()
        _have_cosigned(desk, trust)
        judged = judge(desk, model, policy)
        bundle = oms.bundle(model, desk.signer("oms"), judged=judged.gathered.model)[0] if judged.admitted else b""
        statement = _statement(desk, model.name, judged)
        desk.space.put(canonical.to_bytes(judged.gathered.evidence))
        slip = _standing(desk, trust, statement) or _enter(desk, trust, statement)
        if judged.admitted and not _have_cosigned(desk, trust):
            raise LedgerRefused(
                "the verdict is signed and entered, but its head is not cosigned by the quorum yet",
                why="papers without it would not verify anywhere",
                mend="`countermark ledger cosign` with every witness's answer, then `countermark release` again",
            )
        if not judged.admitted:
            return Released(judged, slip)
        signature = _write_oms(desk, model, bundle)
        passport = model.with_name(model.name + SUFFIX)
        packed = pack(desk, trust, judged, slip, auditor=auditor, since=since)
        desk.space.disk.write(passport, packed.to_bytes(), mode=0o644)
        return Released(judged, slip, passport, signature)


def _have_cosigned(desk: Desk, trust: Trust) -> bool:
    """Ask the witnesses where the trust document names a quorum; whether the ledger's head is seen by enough of them."""
    return not quorum.parse(trust.document.quorum).needed or witnessing.ask(desk, trust).enough


def _enter(desk: Desk, trust: Trust, statement: Statement) -> Slip:
    envelope = desk.sign(statement)
    desk.verify(trust, envelope, "model-owner")
    return book.enter(desk, trust, [envelope])[0]


def _standing(desk: Desk, trust: Trust, statement: Statement) -> Slip | None:
    """The newest verdict, where it says the same of the same evidence and waits only for its witnesses.

    Each verdict makes a new head, which has to be cosigned in turn: signing another one would never come to an end.
    """
    entered = book.entered(desk, predicates.TYPE) if quorum.parse(trust.document.quorum).needed else []
    for said in entitled.standing(entered[-1:], trust, desk.now()):
        mine = said.party.id == desk.party and said.statement.digest == statement.digest
        if mine and said.digest not in withdraw.withdrawn(desk) and _gist(said.statement) == _gist(statement):
            return said.slip
    return None


def _gist(statement: Statement) -> tuple[object, ...]:
    said = VerdictStatement.from_json(statement.predicate)
    return (
        said.verdict["verdict"],
        said.verdict.get("witnessed"),
        said.verdict.get("policy"),
        said.statements,
        said.deliveries,
    )


def _statement(desk: Desk, name: str, judged: Judged) -> Statement:
    gathered = judged.gathered
    said = VerdictStatement(
        desk.context(EVERYBODY),
        judged.verdict.to_json(),
        tuple(s.envelope.digest for s in gathered.statements),
        tuple(s.opening.leaf().hex() for s in gathered.deliveries if s.opening),
    )
    return Statement(name, gathered.model.digest, predicates.TYPE, said.to_json())


def _write_oms(desk: Desk, model: Path, bundle: bytes) -> Path:
    path = model.with_name(model.name + OMS_SUFFIX)
    desk.space.disk.write(path, bundle, mode=0o644)
    return path


def pack(
    desk: Desk, trust: Trust, judged: Judged, verdict: Slip, *, auditor: bool, since: Sequence[int] = ()
) -> Passport:
    """Collect a model's papers, every receipt against one ledger head."""
    gathered = judged.gathered
    slips = [verdict, *gathered.statements, *gathered.deliveries]
    renewed, checkpoint = book.refreshed(desk, trust, slips)
    statements = renewed[1 : 1 + len(gathered.statements)]
    deliveries = renewed[1 + len(gathered.statements) :]
    entries = [s.index() for s in renewed[: 1 + len(gathered.statements)]]
    seen = [one.head for one in heads.chosen(heads.known(desk, trust, checkpoint), entries)]
    sizes = {*book.shown_sizes(desk, checkpoint.size, since), *(h.size for h in seen if h.size < checkpoint.size)}
    return Passport(
        trust=trust.envelopes,
        policy=judged.policy.source,
        model=gathered.model,
        verdict=renewed[0],
        statements=tuple(statements),
        deliveries=tuple(deliveries if auditor else [_opaque(s) for s in deliveries]),
        consistency=book.consistency(desk, trust, sorted(sizes)),
        evidence=_judged_evidence(desk, verdict) if auditor else None,
        heads=tuple(head.note for head in seen),
    )


def _judged_evidence(desk: Desk, verdict: Slip) -> dict[str, Any]:
    """What this verdict judged: its digest is in it, and the ledger has grown since where witnesses were waited for."""
    said = VerdictStatement.from_json(Statement.from_bytes(verdict.envelope.payload).predicate)
    return canonical.object_from_bytes(desk.space.get(said.evidence), what="evidence")


def _opaque(slip: Slip) -> Commitment:
    if slip.opening is None or slip.receipt is None:
        raise Unusable("a delivery has no receipt", mend="`countermark ledger check`")
    receipt = replace(Receipt.from_bytes(slip.receipt), extra=b"")
    return Commitment(slip.opening.leaf(), receipt.to_bytes())
