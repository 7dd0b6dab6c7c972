"""Release: judge the evidence, sign and log the verdict, sign the model, pack its passport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from countermark.lifecycle.judging import in_child
from countermark.passport.passport import SUFFIX, Commitment, Passport, leaves
from countermark.passport.slip import Slip
from countermark.passport.times import stamp
from countermark.policy.document import Policy
from countermark.policy.evaluate import evaluate
from countermark.policy.verdict import Verdict
from countermark.statement.predicates import verdict as predicates
from countermark.statement.predicates.verdict import VerdictStatement
from countermark.statement.statement import EVERYBODY, Statement

OMS_SUFFIX = ".oms.json"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict that nobody signed yet, the evidence it judged, and when (RFC 3339)."""

    verdict: Verdict
    gathered: Gathered
    policy: Policy
    time: str

    @property
    def admitted(self) -> bool:
        """Whether the policy admits the model."""
        return self.verdict.admitted


@dataclass(frozen=True, slots=True)
class Released:
    """A signed verdict; passport and OMS signature exist only where it admits.

    Attributes:
        witnesses: answers of those of the quorum who did not cosign, by their names, where too few did.
    """

    judged: Judged
    verdict: Slip
    passport: Path | None = None
    oms: Path | None = None
    witnesses: dict[str, str] = field(default_factory=dict)


def judge(desk: Desk, model: Path, policy: bytes) -> Judged:
    """Apply a policy to what the ledger shows about `model`, without signing anything.

    Raises:
        TrustRefused, TreeRefused, LedgerRefused, StatementRefused: evidence or policy is malformed.
    """
    document = Policy.from_bytes(policy)
    gathered = gather(desk, read_folder(model), model.name, document.signers)
    now = desk.now()
    return Judged(evaluate(document, gathered.evidence, now, in_child), gathered, document, stamp(now))


def release(desk: Desk, model: Path, policy: bytes, *, auditor: bool = False, since: Sequence[int] = ()) -> Released:
    """Judge, sign and log the verdict; where it admits, write ``MODEL.oms.json`` and ``MODEL.cmpass`` beside it.

    Whatever a release needs is tried before the verdict enters the ledger, from which nothing is ever taken back.

    Args:
        auditor: open in the passport what tells of suppliers, with the evidence. since: ledger sizes that readers remember.

    Raises:
        TrustRefused: this party owns no model or keeps no ledger. Unusable: it has no OMS key. LedgerRefused: the
        quorum has not cosigned yet. Others as `judge`.
    """
    with desk.space.lock():
        trust = desk.trust()
        missing = _not_cosigned(desk, trust)
        judged = judge(desk, model, policy)
        bundle = oms.bundle(model, desk.signer("oms"), judged=judged.gathered.model)[0] if judged.admitted else b""
        statement = _statement(desk, model.name, judged)
        desk.space.put(canonical.to_bytes(judged.gathered.evidence))
        slip = _standing(desk, trust, statement) or _enter(desk, trust, statement)
        if judged.admitted and (missing := _not_cosigned(desk, trust)):
            raise LedgerRefused(
                "the verdict is signed and entered, but its head is not cosigned by the quorum yet",
                why="\n".join(
                    ["papers without it would not verify anywhere", *(f"{n}: {said}" for n, said in missing.items())]
                ),
                mend="`countermark ledger cosign` with every witness's answer, then `countermark release` again",
            )
        if not judged.admitted:
            return Released(judged, slip, witnesses=missing)
        signature = _write_oms(desk, model, bundle)
        passport = model.with_name(model.name + SUFFIX)
        packed = pack(desk, trust, judged, slip, auditor=auditor, since=since)
        desk.space.disk.write(passport, packed.to_bytes(), mode=0o644)
        return Released(judged, slip, passport, signature)


def _not_cosigned(desk: Desk, trust: Trust) -> dict[str, str]:
    """Ask the witnesses where the trust document names a quorum; where too few cosign, each one's answer who did not."""
    if not quorum.parse(trust.document.quorum).needed:
        return {}
    done = witnessing.ask(desk, trust)
    return {} if done.enough else done.missing


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
        said.commitments,
    )


def _statement(desk: Desk, name: str, judged: Judged) -> Statement:
    gathered = judged.gathered
    names = leaves(gathered.withheld)
    said = VerdictStatement(
        replace(desk.context(EVERYBODY), time=judged.time),  # at which whoever judges again has to judge
        judged.verdict.for_everybody(names),
        tuple(s.envelope.digest for s in gathered.statements),
        tuple(names[s.envelope.digest] for s in sorted(gathered.withheld, key=Slip.index)),
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
    gathered, own = judged.gathered, len(judged.gathered.statements) + 1
    slips = [verdict, *gathered.statements, *sorted(gathered.withheld, key=Slip.index)]
    renewed, checkpoint = book.refreshed(desk, trust, slips)
    evidence = _judged_evidence(desk, verdict) if auditor else None
    seen = [
        h.head
        for h in heads.chosen(
            heads.known(desk, trust, checkpoint), map(Slip.index, renewed if auditor else renewed[:own])
        )
    ]
    told = [evidence["ledger"]["size"]] if evidence else []
    sizes = {
        *book.shown_sizes(desk, checkpoint.size, since),
        *told,
        *(h.size for h in seen if h.size < checkpoint.size),
    }
    return Passport(
        trust=trust.envelopes,
        policy=judged.policy.source,
        model=gathered.model,
        verdict=renewed[0],
        statements=tuple(renewed[1:own]),
        commitments=tuple(renewed[own:] if auditor else [_opaque(s) for s in renewed[own:]]),
        consistency=book.consistency(desk, trust, sorted(sizes)),
        evidence=evidence,
        heads=tuple(head.note for head in seen),
    )


def _judged_evidence(desk: Desk, verdict: Slip) -> dict[str, Any]:
    """What this verdict judged: its digest is in it, and the ledger has grown since where witnesses were waited for."""
    said = VerdictStatement.from_json(Statement.from_bytes(verdict.envelope.payload).predicate)
    return canonical.object_from_bytes(desk.space.get(said.evidence), what="evidence")


def _opaque(slip: Slip) -> Commitment:
    if slip.opening is None or slip.receipt is None:
        raise Unusable("a statement has no receipt", mend="`countermark ledger check`")
    receipt = replace(Receipt.from_bytes(slip.receipt), extra=b"")
    return Commitment(slip.opening.leaf(), receipt.to_bytes())
