"""Evaluate: a policy over evidence at a moment. The result is a value; whoever calls acts on it.

CEL runs where the caller's `evaluator` runs it; shipped callers use a confined child that can be killed. A
limit, a missing field or an error refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from countermark import canonical
from countermark.errors import CountermarkError, PolicyRefused, StatementRefused
from countermark.policy import _bounds
from countermark.policy.document import Policy, Rule
from countermark.policy.gates import check_rulings, trial_ruling
from countermark.policy.shape import tables
from countermark.policy.signed import signed_rulings
from countermark.policy.verdict import Reason, Ruling, Verdict
from countermark.policy.waivers import waived

FORMAT = 1
Evaluator = Callable[[dict[str, str], dict[str, Any]], dict[str, Any]]
"""(rule id -> CEL, variables) -> rule id -> true, false, or the text of an error."""


def evaluate(policy: Policy, evidence: dict[str, Any], now: datetime, evaluator: Evaluator) -> Verdict:
    """Apply every rule of the policy, and those that no policy can leave out.

    Args:
        evidence: Evidence v1, gathered from verified statements. now: aware; for waivers, and `now` in rules.
        evaluator: evaluates CEL; what it raises of our own errors refuses every CEL rule.

    Raises:
        StatementRefused: this is no Evidence v1, or it has no canonical form.
    """
    _shaped(evidence)
    gates = [*check_rulings(policy, evidence), *(trial_ruling(b, evidence) for b in policy.trials)]
    rules = _ruled(policy, evidence, now, evaluator)
    waivable = {r.id for r in policy.rules if r.waivable} | {g.id for g in gates}
    judged = [waived(r, policy, evidence, now) if not r.ok and r.id in waivable else r for r in (*rules, *gates)]
    return Verdict(
        policy.name,
        policy.digest,
        evidence["subject"]["digest"],
        canonical.sha256_hex(canonical.to_bytes(evidence)),
        evidence["ledger"]["witnessed"],
        (*signed_rulings(policy, evidence), *judged),
    )


_SHAPE: dict[str, type | tuple[type, ...]] = {
    "project": dict, "subject": dict, "deliveries": list, "screening": (dict, type(None)), "quarantines": list,
    "decisions": list, "training": (dict, type(None)), "inspection": (dict, type(None)), "trials": dict,
    "approvals": list, "waivers": list, "revocations": (dict, type(None)), "ledger": dict, "not_looked_at": list,
}  # fmt: skip


def _shaped(evidence: dict[str, Any]) -> None:
    """Refuse what is no Evidence v1, so that a gate never sees a hole where it looks for a value."""
    if evidence.get("format") != FORMAT:
        raise StatementRefused(f"evidence of unknown format {evidence.get('format')!r}")
    for name, kind in _SHAPE.items():
        if name not in evidence or not isinstance(evidence[name], kind):
            raise StatementRefused(f"evidence: field {name!r} is missing or of another type")
    lists = [evidence[name] for name, kind in _SHAPE.items() if kind is list and name != "not_looked_at"]
    items = [
        *(i for each in lists for i in each),
        *evidence["trials"].values(),
        *tables(evidence["project"].get("parties")),
    ]
    if not all(isinstance(i, dict) for i in items):
        raise StatementRefused("evidence: an entry of a list is no object")
    if not isinstance(evidence["subject"].get("digest"), str) or type(evidence["ledger"].get("witnessed")) is not bool:
        raise StatementRefused(
            "evidence: the subject has no digest, or the ledger does not say whether it is witnessed"
        )


def _ruled(policy: Policy, evidence: dict[str, Any], now: datetime, evaluator: Evaluator) -> list[Ruling]:
    """CEL rules: bounded first, then evaluated all at once, in the policy's order."""
    refused = _unbounded(policy, evidence)
    asked = {r.id: r.require for r in policy.rules if r.id not in refused}
    variables = {**evidence, "now": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    results: dict[str, Any] = {}
    if asked:
        try:
            results = evaluator(asked, variables)
        except CountermarkError as error:
            refused |= dict.fromkeys(asked, f"the evaluation did not end within its bounds: {error.what}")
    return [_ruling(r, refused.get(r.id), results.get(r.id, "it was not evaluated"), evidence) for r in policy.rules]


def _unbounded(policy: Policy, evidence: dict[str, Any]) -> dict[str, str]:
    """Rules that could run long on this evidence, and why."""
    out: dict[str, str] = {}
    try:
        known = _bounds.sizes(evidence)
    except PolicyRefused as refusal:
        return dict.fromkeys((r.id for r in policy.rules), refusal.what)
    for rule in policy.rules:
        try:
            _bounds.check(rule.id, rule.parsed, known)
        except PolicyRefused as refusal:
            out[rule.id] = f"{refusal.what}; {refusal.why}"
    return out


def _ruling(rule: Rule, limit: str | None, result: Any, evidence: dict[str, Any]) -> Ruling:
    statements = tuple(sorted(set(_statements([evidence.get(name) for name in rule.evidence]))))
    if limit is None and result is True:
        return Ruling(rule.id, rule.asset, True, rule.why, statements)
    reason, missing = _why_not(result, limit)
    absent = [name for name in rule.evidence if evidence.get(name) is None]
    if absent and reason == "error":  # a field of nothing was asked for
        reason, missing = "missing", f"the ledger shows no {' and no '.join(absent)} of this model"
        mend = f"enter the signed statement (`countermark ledger add`); where there is none: {rule.mend}"
        return Ruling(rule.id, rule.asset, False, rule.why, statements, missing, mend, None, reason)
    return Ruling(rule.id, rule.asset, False, rule.why, statements, missing, rule.mend, None, reason)


def _why_not(result: Any, limit: str | None) -> tuple[Reason, str]:
    if limit is not None:
        return "limit", limit
    if result is False:
        return "false", "the evidence does not show it"
    told = str(result)[:300]
    if told.startswith("false: "):
        return "false", f"the evidence does not show that {told.removeprefix('false: ')}"
    return ("missing" if told.startswith("KeyError") else "error"), f"could not be judged: {told}"


def _statements(values: list[Any]) -> list[str]:
    """Digests of the statements that evidence came from, refused deliveries left out."""
    out: list[str] = []
    for value in values:
        if isinstance(value, dict):
            digest = value.get("statement")
            if value.get("state", "admitted") == "admitted":
                out += [digest] if isinstance(digest, str) and digest else _statements(list(value.values()))
        elif isinstance(value, list):
            out += _statements(value)
    return out
