"""From outcomes to gates: only `Passed`, or a measure within its bound, admits.

`Found` admits a screening check only where every row it names is set aside. `Skipped`, `Failed` and missing
refuse, unless a waiver names that very id for that very subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from countermark.policy.document import Bound, Policy
from countermark.policy.verdict import Ruling

STAGES = {"data": "screening", "model": "inspection"}
ASSETS = {"data": "training data", "model": "trained model"}


def check_rulings(policy: Policy, evidence: dict[str, Any]) -> Iterator[Ruling]:
    """One ruling per check that the policy names or that a stage ran."""
    for pattern, mode in policy.checks.items():
        room = pattern.split("/", 1)[0]
        stage = evidence.get(STAGES.get(room, "")) or {}
        ran = stage.get("checks", {})
        names = sorted(n for n in ran if n.startswith(f"{room}/")) if pattern.endswith("/*") else [pattern]
        if not names:
            yield _ruling(pattern, room, stage, f"no {room} check ran", "run it, and enter its statement")
        for name in names:
            if name == pattern or name not in policy.checks:
                yield _check(name, mode, room, stage, evidence)


def _check(name: str, mode: str, room: str, stage: dict[str, Any], evidence: dict[str, Any]) -> Ruling:
    outcome = stage.get("checks", {}).get(name)
    word = outcome.get("outcome") if outcome else "missing"
    if word == "passed":
        return _ruling(name, room, stage, "", "")
    if word == "found" and mode == "passed-or-set-aside":
        left = _left(outcome or {}, evidence)
        if left == 0:
            return _ruling(name, room, stage, "", "")
        return _ruling(
            name, room, stage, f"found, and {left} of the rows it names are still in the training data",
            "`countermark quarantine --from-screening`, or decide on each row",
        )  # fmt: skip
    reason = (outcome or {}).get("reason") or (outcome or {}).get("error") or ""
    told = f"{word}: {reason}" if reason else word
    return _ruling(name, room, stage, told, "mend what it found, or let a risk owner waive it for this model")


def _left(outcome: dict[str, Any], evidence: dict[str, Any]) -> int:
    """Rows that the findings name and that neither quarantine nor a person's decision has dealt with.

    A finding without rows cannot be set aside: it counts as one row left.
    """
    decided = {d["row"] for d in evidence.get("decisions", []) if d["action"] in ("relabel", "reject")}
    aside = set(evidence.get("set_aside", [])) | decided
    left = 0
    for finding in outcome.get("findings", []):
        rows = finding.get("where", {}).get("rows", [])
        if finding.get("severity") == "info":
            continue
        left += sum(1 for r in rows if r not in aside) if rows else 1
    return left


def _ruling(name: str, room: str, stage: dict[str, Any], missing: str, mend: str) -> Ruling:
    statement = stage.get("statement")
    why = f"check {name} must have looked and found nothing that is still there"
    asset = ASSETS.get(room, "trained model")
    return Ruling(name, asset, not missing, why, (statement,) if statement else (), missing, mend)


def trial_ruling(bound: Bound, evidence: dict[str, Any]) -> Ruling:
    """A trial that the policy names ran to its end within the bound."""
    trial = evidence.get("trials", {}).get(bound.trial)
    limit = " and ".join(
        f"{word} {value:g}"
        for word, value in (("at least", bound.at_least), ("at most", bound.at_most))
        if value is not None
    )
    why = f"trial {bound.trial}: {bound.measure} {limit}"
    missing = _trial_missing(bound, trial)
    statements = (trial["statement"],) if trial and trial.get("statement") else ()
    return Ruling(
        bound.trial, "trained model", not missing, why, statements, missing,
        "run `countermark trial` with a larger budget, or harden the model" if missing else "",
    )  # fmt: skip


def _trial_missing(bound: Bound, trial: dict[str, Any] | None) -> str:
    if trial is None:
        return "the trial was not run"
    if trial.get("outcome") in ("skipped", "failed"):
        return f"{trial['outcome']}: {trial.get('reason') or trial.get('error') or ''}"
    if trial.get("completed") is not True:
        return "the trial did not run to its end"
    values = [m["value"] for m in trial.get("measures", []) if m.get("name") == bound.measure]
    if not values:
        return f"the trial did not measure {bound.measure!r}"
    value = values[0]
    if bound.at_least is not None and value < bound.at_least:
        return f"{bound.measure} is {value:g}, less than {bound.at_least:g}"
    if bound.at_most is not None and value > bound.at_most:
        return f"{bound.measure} is {value:g}, more than {bound.at_most:g}"
    return ""


def waiver_for(rule: str, evidence: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """The waiver that lifts `rule` for this model now, if there is one."""
    approvers = {a["party"] for a in evidence.get("approvals", [])}
    trainer = (evidence.get("training") or {}).get("signer")
    for waiver in evidence.get("waivers", []):
        alive = datetime.fromisoformat(waiver["until"]) > now
        apart = waiver["party"] != trainer and waiver["party"] not in approvers
        if waiver["check"] == rule and waiver["subject"] == evidence["subject"]["digest"] and alive and apart:
            return {k: waiver[k] for k in ("party", "until", "reason", "statement")}
    return None
