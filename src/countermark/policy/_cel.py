"""Runs in a confined, killable child: the CEL rules of one policy over one piece of evidence."""

from __future__ import annotations

from typing import Any

from countermark.sandbox.task import Answer, Job, task


@task
def evaluate_task(job: Job) -> Answer:
    """Evaluate rules.

    Request:
        ``rules``: rule id -> CEL text. ``variables``: name -> value.

    Returns:
        Rule id -> true, false, or the text of an error; anything but true refuses.
    """
    rules: dict[str, str] = job.request["rules"]
    return Answer({name: evaluate_one(text, job.request["variables"]) for name, text in rules.items()})


def evaluate_one(expression: str, variables: dict[str, Any]) -> bool | str:
    """True or false, or ``"KeyError: ..."`` and the like; never an exception of the engine's own."""
    import cel

    try:
        value = cel.evaluate(expression, variables)
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return value if isinstance(value, bool) else f"the rule gave {type(value).__name__}, not true or false"
