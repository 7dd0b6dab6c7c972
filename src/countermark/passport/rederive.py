"""An auditor's evidence, held against the statements that the papers open: each part is read from them again and compared.

The owner's machine gathered the evidence, and the verdict names its digest; that it says what the statements say is shown here.
What no paper shows is not passed over: it is returned, line by line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.keys.document import TrustDocument
from countermark.keys.trust import Trust
from countermark.ledger.checkpoint import Checkpoint, verify_consistency
from countermark.passport import evidence
from countermark.passport.passport import Passport
from countermark.passport.slip import Shown
from countermark.passport.times import Times
from countermark.policy.gates import let_through, out_of_the_data
from countermark.policy.shape import table, tables, text, texts
from countermark.statement.predicates import delivery
from countermark.statement.predicates.delivery import Delivery

ID_DIGITS = 12
_TIMES = frozenset({"time_kind", "witnessed_by"})
ALWAYS = (
    "whether the ledger holds other statements about this model or its data: papers bring those that were judged",
    "that each delivery was admitted, and which rows its folder holds: the data owner's word",
    "admitted_dataset, the digest of the rows that training may see: the rows are not in the papers",
)


def compare(passport: Passport, trust: Trust, shown: Sequence[Shown], times: Times) -> tuple[str, ...]:
    """Read the evidence again from what is opened, and compare.

    Args:
        passport: with evidence of the right shape, as the verdict names it. shown: all its statements, verified, the
            verdict last. times: what the heads show that it brings.

    Returns:
        What was not looked at, one line each.

    Raises:
        StatementRefused: a part says something else than its statement, or rests on one that is not here.
        LedgerRefused: the ledger does not extend the head that was judged. TrustRefused: a signer was no party then.
    """
    said, (*others, verdict) = passport.evidence or {}, shown
    document = _judged_under(trust, said)
    _same("project", said["project"], evidence.project(document, trust.fingerprint))
    _same("subject", said["subject"], {"name": verdict.statement.name, "digest": verdict.statement.digest})
    read = [_as_judged(one, document, said) for one in sorted(others, key=lambda s: s.index or 0)]
    derived = _derived(said, read, verdict.statement.digest)
    return (
        *ALWAYS,
        *_deliveries(said, read, document),
        *_stages(said, derived),
        *_rows(said),
        *_seen(said, derived),
        *_ledger(said, passport, verdict.checkpoint, document, times),
        *(f"as its owner says: {text(line)}" for line in said["not_looked_at"]),
    )


def _judged_under(trust: Trust, said: dict[str, Any]) -> TrustDocument:
    """The version of the trust document that the evidence names, out of the verified chain."""
    version = table(said["project"]).get("trust_version")
    if type(version) is not int or not 1 <= version <= len(trust.envelopes):
        raise StatementRefused(
            "the evidence names a trust version that the papers do not bring", why=f"{version!r:.40}"
        )
    return TrustDocument.unproven(trust.envelopes[version - 1].payload)


def _as_judged(one: Shown, document: TrustDocument, said: dict[str, Any]) -> Shown:
    """The statement under the trust version, and against the ledger head, that it was judged under."""
    size = said["ledger"].get("size")
    if one.checkpoint is None or one.index is None or type(size) is not int or one.index >= size:
        raise StatementRefused(f"statement {one.digest[:16]} was entered after the evidence was gathered")
    return replace(one, party=document.party(one.party.id), checkpoint=replace(one.checkpoint, size=size))


def _same(what: str, said: Any, derived: Any) -> None:
    """Equal as JSON: to Python true is 1."""
    if canonical.to_bytes(said) != canonical.to_bytes(derived):
        raise StatementRefused(
            f"the evidence says something else of {what} than the statements in the papers",
            why=_where(said, derived) or "see both with `countermark verify --json`",
            mend="do not rely on this release: ask its owner how the evidence was made",
        )


def _where(said: Any, derived: Any) -> str:
    """The first place at which two values differ, for people."""
    if isinstance(said, dict) and isinstance(derived, dict):
        keys = [k for k in sorted({*said, *derived}) if said.get(k) != derived.get(k)]
        return f"{keys[0]}: {_where(said.get(keys[0]), derived.get(keys[0]))}"[:400] if keys else ""
    return f"judged {said!r:.120}; stated {derived!r:.120}"


def _deliveries(said: dict[str, Any], read: Sequence[Shown], document: TrustDocument) -> list[str]:
    opened = {one.digest: one for one in read if one.statement.predicate_type == delivery.TYPE}
    listed = tables(said["deliveries"])
    admitted = [d for d in listed if d.get("state") == "admitted"]
    if sorted(text(d.get("statement")) for d in admitted) != sorted(opened):
        raise StatementRefused("the deliveries that the evidence calls admitted are not those that the papers open")
    for one in admitted:
        known = opened[text(one["statement"])]
        answer = {
            "state": "admitted",
            "reasons": [],
            **({"then": ""} if "then" in one else {}),
        }  # earlier papers have none
        derived = evidence.of_delivery(known, document.party(known.party.id)) | answer
        _same(f"a delivery of {known.party.id}", _untimed(one), _untimed(derived))
    _none_replaced(opened)
    apart = len(listed) - len(admitted) + len(tables(said.get("refused_before")))
    return [f"refused, withdrawn and replaced deliveries ({apart}): the papers do not open them"] if apart else []


def _none_replaced(opened: dict[str, Shown]) -> None:
    for one in opened.values():
        before = opened.get(Delivery.from_json(one.statement.predicate).replaces or "")
        if before is not None and before.party.id == one.party.id:
            raise StatementRefused(f"a delivery of {one.party.id} counts as admitted although a later one replaces it")


def _derived(said: dict[str, Any], read: Sequence[Shown], model: str) -> dict[str, Any]:
    """The stages, read again in ledger order."""
    out = evidence.nothing_yet() | {"admitted_dataset": said.get("admitted_dataset")}
    evidence.read(read, out, model)
    return out


def _stages(said: dict[str, Any], derived: dict[str, Any]) -> list[str]:
    unseen = []
    for name in evidence.nothing_yet():
        if name == "revocations" and said[name] is not None and derived[name] is None:
            unseen.append("the owners' revocation snapshot: papers of format 1 do not bring it")
        else:
            _same(name, _untimed(said[name]), _untimed(derived[name]))
    return unseen


def _untimed(value: Any) -> Any:
    """Without when witnesses had seen it: papers may show less of that than the ledger did, and never decide by it."""
    if isinstance(value, dict):
        return {k: _untimed(v) for k, v in value.items() if k not in _TIMES}
    return [_untimed(v) for v in value] if isinstance(value, list) else value


def _seen(said: dict[str, Any], derived: dict[str, Any]) -> list[str]:
    told, shown = (evidence.statements(e) for e in (said, derived))
    other = [d for d in told if d in shown and told[d].get("witnessed_by") != shown[d].get("witnessed_by")]
    return [f"when {len(other)} statements had been seen: the papers' heads show other times"] if other else []


def _rows(said: dict[str, Any]) -> list[str]:
    """What quarantines and decisions come to, as far as it can be told without the rows."""
    admitted = {
        text(d.get("statement"))[:ID_DIGITS] for d in tables(said["deliveries"]) if d.get("state") == "admitted"
    }
    aside = {row for row in out_of_the_data(said) if row.partition("/")[0] in admitted}
    told = set(texts(said.get("set_aside")))
    if not told <= aside:
        raise StatementRefused(
            "the evidence sets rows aside that no quarantine or decision takes out", why=min(told - aside)
        )
    _same("accepted rows", said.get("accepted"), sorted(let_through(said)))
    left = len(aside - told)
    return [f"that {left} rows which were taken out are in no delivery: the data owner's word"] if left else []


def _ledger(
    said: dict[str, Any], passport: Passport, head: Checkpoint | None, document: TrustDocument, times: Times
) -> list[str]:
    fields = Fields(said["ledger"], "evidence: ledger")
    origin, size, root = fields.text("origin"), fields.integer("size"), fields.hex("root")
    if head is None or origin != head.origin or size > head.size:
        raise StatementRefused("the evidence was gathered from another ledger than the papers show", why=origin)
    witnessed = fields.boolean("witnessed")
    if (witnessed or said["ledger"].get("witnessed_by")) and document.quorum == "none":
        raise StatementRefused("the evidence says that witnesses saw the ledger, and the trust document names none")
    unseen = []
    if size in passport.consistency or size == head.size:
        verify_consistency(Checkpoint(origin, size, bytes.fromhex(root), b""), head, passport.consistency.get(size, ()))
    else:
        unseen.append(f"the ledger's head of {size} entries that was judged: the papers do not lead to it")
    if witnessed and size not in {seen for seen, _ in times.heads}:
        unseen.append("that witnesses had cosigned the ledger's head when it was judged")
    return unseen
