"""From outcomes to gates: only `Passed`, or a measure within its bound, admits.

`Found` admits a screening check only where every row it names is set aside, or, in the mode for checks that mostly tell
(`low-or-set-aside`), where its severity is low. `Skipped`, `Failed` and missing
refuse, unless a waiver names that very id for that very subject (`waivers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from countermark.policy.document import Bound, Policy
from countermark.policy.shape import table, tables, text, texts
from countermark.policy.verdict import Reason, Ruling

STAGES = {"data": "screening", "model": "inspection"}
_LOW = ("info", "low")
ASSETS = {"data": "training data", "model": "trained model"}


def check_rulings(policy: Policy, evidence: dict[str, Any]) -> Iterator[Ruling]:
    """One ruling per check that the policy names, and per further check that ran under a ``room/*``."""
    aside = set_aside(evidence)
    for pattern, mode in policy.checks.items():
        room = pattern.split("/", 1)[0]
        stage = table(evidence.get(STAGES[room]))
        if not pattern.endswith("/*"):
            yield _check(pattern, mode, stage, aside)
            continue
        ran = sorted(n for n in table(stage.get("checks")) if n.startswith(f"{room}/"))
        if not ran:
            yield _ruling(pattern, stage, "missing", f"no {room} check ran", "run it, and enter its statement")
        for name in ran:
            if name not in policy.checks:
                yield _check(name, mode, stage, aside)


def _check(name: str, mode: str, stage: dict[str, Any], aside: frozenset[str]) -> Ruling:
    outcome = table(table(stage.get("checks")).get(name))
    word = outcome.get("outcome")
    if word == "passed":
        return _ruling(name, stage, "holds")
    if word == "found" and mode in ("passed-or-set-aside", "low-or-set-aside"):
        left = _left(outcome, aside, _LOW if mode == "low-or-set-aside" else ())
        if not left:
            return _ruling(name, stage, "holds")
        told = f"found, and {left} of the rows or things it names are still in the training data"
        return _ruling(name, stage, "found", told, _how_to_clear(outcome))
    if word == "found":
        count = len(tables(outcome.get("findings")))
        return _ruling(name, stage, "found", f"found {count} things", "mend what it found")
    if word in ("skipped", "failed"):
        told = f"{word}: {outcome.get('reason') or outcome.get('error') or 'no reason was given'}"
        return _ruling(name, stage, word, told, "give it what it needs and run it again, or let a risk owner waive it")
    return _ruling(name, stage, "missing", "the check did not run", "run it, and enter its statement")


def _how_to_clear(outcome: dict[str, Any]) -> str:
    """What clears findings: those that name rows and those that name none are not mended alike."""
    named = [bool(texts(table(f.get("where")).get("rows"))) for f in tables(outcome.get("findings"))]
    ways = (
        [
            "`countermark quarantine --from-screening`, or reject or relabel the rows; rows that were accepted need a risk owner's waiver"
        ]
        if any(named)
        else []
    )
    if not all(named):
        ways.append(
            "a finding without rows cannot be set aside: mend what it found and screen again, or let a risk owner waive it"
        )
    return "; ".join(ways)


def set_aside(evidence: dict[str, Any]) -> frozenset[str]:
    """Rows that quarantine and people's newest decisions took out of the data, or gave another label."""
    return out_of_the_data(evidence) | {row for row, action in _newest(evidence).items() if action == "relabel"}


def out_of_the_data(evidence: dict[str, Any]) -> frozenset[str]:
    """Rows that no training sees; those that were only given another label are still in."""
    quarantined = {row for q in tables(evidence.get("quarantines")) for row in texts(q.get("rows"))}
    newest = _newest(evidence)
    back = {row for row, action in newest.items() if action in ("accept", "relabel")}
    return frozenset((quarantined - back) | {row for row, action in newest.items() if action == "reject"})


def let_through(evidence: dict[str, Any]) -> frozenset[str]:
    """Rows in quarantine that a person accepted."""
    quarantined = {row for q in tables(evidence.get("quarantines")) for row in texts(q.get("rows"))}
    return frozenset(row for row, action in _newest(evidence).items() if action == "accept") & quarantined


def _newest(evidence: dict[str, Any]) -> dict[str, str]:
    """Row to the newest decision about it."""
    decisions = sorted(tables(evidence.get("decisions")), key=_place)
    return {text(decision.get("row")): text(decision.get("action")) for decision in decisions}


def _place(item: dict[str, Any]) -> int:
    index = table(item.get("receipt")).get("index")
    return index if type(index) is int else -1


def _left(outcome: dict[str, Any], aside: frozenset[str], passable: tuple[str, ...]) -> int:
    """Rows that findings name and that are still in; a finding without rows cannot be set aside and counts once.

    Args:
        passable: severities that hold nothing back. An outcome that says "found" and lists nothing counts once.
    """
    findings = tables(outcome.get("findings"))
    named = [texts(table(f.get("where")).get("rows")) for f in findings if text(f.get("severity")) not in passable]
    return sum(sum(row not in aside for row in rows) if rows else 1 for rows in named) if findings else 1


def _ruling(name: str, stage: dict[str, Any], reason: Reason, missing: str = "", mend: str = "") -> Ruling:
    room = name.split("/", 1)[0]
    statement = text(stage.get("statement"))
    why = f"check {name} looked, and nothing that it found and the policy minds is still there"
    return Ruling(
        name, ASSETS[room], reason == "holds", why, (statement,) if statement else (), missing, mend, None, reason
    )  # fmt: skip


def trial_ruling(bound: Bound, evidence: dict[str, Any]) -> Ruling:
    """A trial that the policy names ran to its end within the bound."""
    trial = table(table(evidence.get("trials")).get(bound.trial))
    why = f"trial {bound.trial} ran to its end, with {bound}"
    missing, reason = _trial_missing(bound, trial)
    statement = text(trial.get("statement"))
    mend = ""
    if missing and trial.get("completed") is True and reason == "bound":
        mend = "harden the model; or the owners name a policy whose bound fits its use, or a risk owner waives it"
    elif missing:
        mend = "run `countermark trial` with pictures and a budget that let it end"
    return Ruling(
        bound.trial, "trained model", not missing, why, (statement,) if statement else (), missing, mend, None, reason
    )  # fmt: skip


def _trial_missing(bound: Bound, trial: dict[str, Any]) -> tuple[str, Reason]:
    word = trial.get("outcome")
    if word in ("skipped", "failed"):
        return f"{word}: {trial.get('reason') or trial.get('error') or 'no reason was given'}", word
    if word not in ("passed", "found"):
        return "the trial was not run", "missing"
    if trial.get("completed") is not True:
        return "the trial did not run to its end", "bound"
    values = [m.get("value") for m in tables(trial.get("measures")) if m.get("name") == bound.measure]
    if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], int | float):
        return f"the trial did not measure {bound.measure!r}: too few test pictures, or queries", "missing"
    low = float("-inf") if bound.at_least is None else bound.at_least
    high = float("inf") if bound.at_most is None else bound.at_most
    if not low <= values[0] <= high:
        return f"{bound.measure} is {values[0]:g}", "bound"
    return "", "holds"
