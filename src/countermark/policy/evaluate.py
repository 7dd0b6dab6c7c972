"""Evaluate: a policy over evidence at a moment. The result is a value; whoever calls acts on it.

CEL runs where the caller's `evaluator` runs it; shipped callers use a confined child that can be killed. A
limit, a missing field or an error refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from countermark import canonical
from countermark.policy import _bounds
from countermark.policy.document import Policy, Rule
from countermark.policy.gates import check_rulings, trial_ruling, waiver_for
from countermark.policy.verdict import Ruling, Verdict

Evaluator = Callable[[dict[str, str], dict[str, Any]], dict[str, Any]]


def evaluate(policy: Policy, evidence: dict[str, Any], now: datetime, evaluator: Evaluator) -> Verdict:
    """Apply every rule.

    Args:
        evidence: Evidence v1, gathered from verified statements. now: for waivers and `now` in rules.
        evaluator: (rule id -> CEL, variables) -> rule id -> true or anything else.

    Raises:
        PolicyRefused: a rule is not bounded. StatementRefused: the evidence has no canonical form.
    """
    lengths = _bounds.list_lengths(evidence)
    for rule in policy.rules:
        _bounds.check(rule.id, rule.require, lengths)
    variables = {**evidence, "now": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    results = evaluator({r.id: r.require for r in policy.rules}, variables)
    rulings = [_ruled(r, results.get(r.id, "it was not evaluated"), evidence) for r in policy.rules]
    rulings += check_rulings(policy, evidence)
    rulings += [trial_ruling(b, evidence) for b in policy.trials]
    waivable = {r.id for r in policy.rules if r.waivable} | {r.id for r in rulings[len(policy.rules) :]}
    judged = tuple(_waived(r, evidence, now) if not r.ok and r.id in waivable else r for r in rulings)
    return Verdict(
        policy.name,
        policy.digest,
        evidence["subject"]["digest"],
        canonical.sha256_hex(canonical.to_bytes(evidence)),
        bool(evidence["ledger"]["witnessed"]),
        judged,
    )


def _ruled(rule: Rule, result: Any, evidence: dict[str, Any]) -> Ruling:
    statements = tuple(sorted(set(_statements([evidence.get(name) for name in rule.evidence]))))
    if result is True:
        return Ruling(rule.id, rule.asset, True, rule.why, statements)
    missing = "the evidence does not show it" if result is False else f"could not be judged: {result}"
    return Ruling(rule.id, rule.asset, False, rule.why, statements, missing, rule.mend)


def _statements(values: list[Any]) -> list[str]:
    out: list[str] = []
    for value in values:
        if isinstance(value, dict):
            digest = value.get("statement")
            out += [digest] if isinstance(digest, str) and digest else _statements(list(value.values()))
        elif isinstance(value, list):
            out += _statements(value)
    return out


def _waived(ruling: Ruling, evidence: dict[str, Any], now: datetime) -> Ruling:
    waiver = waiver_for(ruling.id, evidence, now)
    return replace(ruling, ok=True, waived=waiver) if waiver else ruling
