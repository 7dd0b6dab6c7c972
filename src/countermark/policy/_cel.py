"""Runs in a confined, killable child: the CEL rules of one policy over one piece of evidence."""

from __future__ import annotations

from typing import Any

from countermark.errors import PolicyRefused
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
    return Answer({name: _one(text, job.request["variables"]) for name, text in rules.items()})


def _one(expression: str, variables: dict[str, Any]) -> bool | str:
    import cel

    try:
        value = cel.evaluate(expression, variables)
    except (RuntimeError, ValueError, TypeError, KeyError, OverflowError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    if not isinstance(value, bool):
        return f"the rule gave {type(value).__name__}, not true or false"
    return value


def parse_errors(rules: dict[str, str]) -> None:
    """Compile every rule without evaluating it.

    Raises:
        PolicyRefused: one of them is not CEL.
    """
    import cel

    for name, text in rules.items():
        try:
            cel.compile(text)
        except ValueError as error:
            raise PolicyRefused(f"rule {name!r} is not CEL", why=str(error)) from error
