"""Runs in a confined, killable child: the CEL rules of one policy over one piece of evidence."""

from __future__ import annotations

from typing import Any

from countermark.errors import PolicyRefused
from countermark.policy._parse import conjuncts, parse
from countermark.policy._run import WRONG, build
from countermark.sandbox.task import Answer, Job, task


@task
def evaluate_task(job: Job) -> Answer:
    """Evaluate rules.

    Request:
        ``rules``: rule id -> CEL text. ``variables``: name -> value.

    Returns:
        Rule id -> true, false, or the text of an error; anything but true refuses. Where one of several parts that
        all have to hold does not, ``"false: PART"`` says which.
    """
    rules: dict[str, str] = job.request["rules"]
    return Answer({name: evaluate_rule(text, job.request["variables"]) for name, text in rules.items()})


def evaluate_rule(expression: str, variables: dict[str, Any]) -> bool | str:
    """Like `evaluate_one`, and of a rule that is false the first part that is."""
    value = evaluate_one(expression, variables)
    parts = conjuncts("of this policy", expression) if value is False else []
    false = next((part for part in parts if evaluate_one(part, variables) is False), "") if len(parts) > 1 else ""
    return f"false: {false}" if false else value


def evaluate_one(expression: str, variables: dict[str, Any]) -> bool | str:
    """True or false, or ``"KeyError: ..."`` and the like; never an exception."""
    try:
        value = build(parse("of this policy", expression))(variables)
    except PolicyRefused as refusal:
        return refusal.what
    except WRONG as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return value if isinstance(value, bool) else f"the rule gave {type(value).__name__}, not true or false"
