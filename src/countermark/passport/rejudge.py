"""Judged again: the policy over the evidence of an auditor's papers, at the moment that the verdict names.

A verdict is the owner's word that policy, applied to evidence, came to this. Who is shown the evidence need not take it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from countermark.canonical import Fields
from countermark.errors import PolicyRefused
from countermark.keys.document import moment
from countermark.passport import heads, rederive
from countermark.passport.passport import Passport, leaves
from countermark.passport.verify import Again, Verified
from countermark.policy.document import Policy
from countermark.policy.evaluate import Evaluator, evaluate
from countermark.policy.shape import texts
from countermark.policy.verdict import Ruling

MEND = "do not rely on this release: ask its owner for a verdict that follows from the evidence"


def again(passport: Passport, verified: Verified, evaluator: Evaluator, now: datetime) -> Again:
    """Judge a model again, and hold the evidence against the statements that are opened.

    1. the policy over the evidence, at the verdict's time, comes to the verdict's word on every rule, and to no other rules;
    2. the evidence says what the statements say (`rederive`).

    Args:
        passport: with evidence. verified: the same passport, verified. evaluator: for CEL, as `policy.evaluate` takes it.

    Raises:
        PolicyRefused: a rule comes to something else; it is named. StatementRefused, LedgerRefused, TrustRefused: the
            evidence is malformed, or does not say what the statements say.
    """
    said = verified.verdict
    judged = evaluate(Policy.from_bytes(passport.policy), passport.evidence or {}, moment(said.context.time), evaluator)
    names = leaves(passport.opened())
    _as_said(said.verdict["rules"], judged.rulings, names)
    if judged.to_json()["witnessed"] != said.verdict.get("witnessed"):
        raise PolicyRefused("the verdict says of witnesses what the evidence does not", mend=MEND)
    times = heads.times(passport, verified.trust, now)
    return Again(len(judged.rulings), rederive.compare(passport, verified.trust, verified.shown, times))


def _as_said(said: list[Any], judged: tuple[Ruling, ...], names: dict[str, str]) -> None:
    told = {Fields(rule, "ruling").text("id"): rule for rule in said}
    if len(told) != len(said):
        raise PolicyRefused("the verdict lists a rule twice", mend=MEND)
    for ruling in judged:
        if ruling.id not in told:
            raise PolicyRefused(f"the verdict leaves out rule {ruling.id!r:.120}", why=ruling.missing, mend=MEND)
        _one_as_said(told.pop(ruling.id), ruling, names)
    if told:
        raise PolicyRefused(f"the verdict lists {min(told)!r:.120}, which is no rule of the policy", mend=MEND)


def _one_as_said(said: dict[str, Any], ruling: Ruling, names: dict[str, str]) -> None:
    here = ruling.to_json()
    if said.get("ok") != ruling.ok:
        words = ("does not hold", "holds")
        raise PolicyRefused(
            f"rule {ruling.id!r:.120}: the verdict says that it {words[bool(said.get('ok'))]}, judged again it {words[ruling.ok]}",
            why=ruling.missing or ruling.why, mend=MEND,
        )  # fmt: skip
    for field in ("asset", "reason", "waived"):
        if said.get(field) != here[field]:
            raise PolicyRefused(
                f"rule {ruling.id!r:.120}: its {field} is another when judged again",
                why=f"said {said.get(field)!r:.150}; judged {here[field]!r:.150}", mend=MEND,
            )  # fmt: skip
    if _named(said.get("evidence"), names) != _named(here["evidence"], names):
        raise PolicyRefused(f"rule {ruling.id!r:.120}: it rests on other statements when judged again", mend=MEND)


def _named(digests: Any, names: dict[str, str]) -> list[str]:
    """Statements by what a licensee is told of them; order says nothing."""
    return sorted(names.get(d, d) for d in texts(digests))
