"""The verdict in a passport: who gave it, whether it still admits, and what it was made from."""

from __future__ import annotations

from datetime import datetime

from countermark import canonical
from countermark.errors import PolicyRefused, StatementRefused, TrustRefused
from countermark.keys.document import moment
from countermark.keys.trust import Trust
from countermark.passport.passport import Passport
from countermark.passport.slip import Shown, verify
from countermark.passport.times import NONE, Times
from countermark.statement.predicates.verdict import TYPE, VerdictStatement


def verdict(passport: Passport, trust: Trust, now: datetime, times: Times = NONE) -> tuple[VerdictStatement, Shown]:
    """The verdict, where a model owner signed and entered it, it admits, and no waiver that it rests on has ended.

    Args:
        times: earlier heads that a quorum cosigned. It is not earlier than when they saw the verdict, whatever the clock says.

    Raises:
        StatementRefused, TrustRefused, SignatureRefused, LedgerRefused: it does not hold. PolicyRefused: it admits nothing,
            or not any more.
    """
    head = verify(passport.verdict, trust, now, times=times)
    if head.statement.predicate_type != TYPE:
        raise StatementRefused("the passport's verdict is another kind of statement")
    if "model-owner" not in head.party.roles:
        raise TrustRefused(f"the verdict is signed by {head.party.id}, who owns no model")
    said = VerdictStatement.from_json(head.statement.predicate)
    if not said.admitted:
        raise PolicyRefused("the verdict on this model is: refused", mend="ask its owner for a released model")
    if said.subject != head.statement.digest:
        raise StatementRefused("the verdict in this statement is on another model", why=f"it names {said.subject}")
    _waivers_last(said, max(now, head.by or now))
    return said, head


def _waivers_last(said: VerdictStatement, now: datetime) -> None:
    """A waiver is an exception that ends, for those who rely on it too."""
    for ruling in said.rulings:
        if ruling.until and moment(ruling.until) <= now:
            raise PolicyRefused(
                f"the waiver of {ruling.id!r:.120} ended on {ruling.until}", why="the verdict admits only because of it",
                mend="ask the owner for a newer release",
            )  # fmt: skip


def follows(passport: Passport, said: VerdictStatement, trust: Trust) -> None:
    """What the verdict was made from is here: a policy that counts, and no other evidence than was judged.

    Raises:
        PolicyRefused: the trust document names no such policy. StatementRefused: auditors are shown other evidence.
    """
    policy = canonical.sha256_hex(passport.policy)
    if policy != said.policy or policy not in trust.document.policies:
        raise PolicyRefused("the passport's policy is not one that the trust document names", why=f"policy {policy}")
    if passport.evidence is None:
        return
    evidence = canonical.sha256_hex(canonical.to_bytes(passport.evidence))
    if evidence != said.evidence:
        raise StatementRefused(
            "the passport's evidence is not what the verdict judged", why=f"judged {said.evidence}, here {evidence}",
            mend="ask the owner for a fresh passport",
        )  # fmt: skip
