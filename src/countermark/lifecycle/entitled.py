"""Who may say what: a statement counts where it can be read and its signer holds a role that may say it.

Any party can have its signed words entered, and nothing leaves the ledger. So nobody who reads the ledger may take the
newest statement of a kind for the right one, or stop at one that is malformed: what does not count is left out, and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from countermark.errors import CountermarkError, TrustRefused
from countermark.keys.document import OWNERS
from countermark.keys.trust import Trust
from countermark.passport.slip import Shown, Slip, verify
from countermark.passport.times import NONE, Times
from countermark.statement.predicates import (
    acts,
    broker_heads,
    canary,
    checked,
    dispute,
    fingerprint,
    rows,
    training,
    verdict,
)

_Reader = Callable[[dict[str, Any]], object]
_ANYBODY = frozenset[str]()
_DATA_OWNER = frozenset({"data-owner"})
_MAY: dict[str, tuple[frozenset[str], _Reader]] = {
    checked.SCREENING: (_DATA_OWNER, checked.Checked.from_json),
    rows.QUARANTINE: (_DATA_OWNER, rows.Quarantine.from_json),
    rows.DECISION: (_DATA_OWNER, rows.Decision.from_json),
    dispute.DISPUTE: (frozenset({"supplier"}), dispute.Dispute.from_json),
    training.TYPE: (frozenset({"trainer"}), training.Training.from_json),
    checked.INSPECTION: (_ANYBODY, checked.Checked.from_json),  # whose inspections and trials count is policy's to say
    checked.TRIAL: (_ANYBODY, checked.Checked.from_json),
    acts.APPROVAL: (frozenset({"reviewer"}), acts.Approval.from_json),
    acts.WAIVER: (frozenset({"risk-owner"}), acts.Waiver.from_json),
    acts.WITHDRAWAL: (_ANYBODY, acts.Withdrawal.from_json),  # its own words may be withdrawn by anybody
    acts.REVOCATION: (OWNERS, acts.Revocations.from_json),
    broker_heads.BROKER_HEADS: (
        _ANYBODY,
        broker_heads.BrokerHeads.from_json,
    ),  # whose broker counts is the reader's to say
    verdict.TYPE: (frozenset({"model-owner"}), verdict.VerdictStatement.from_json),
    canary.CANARY_TEST: (
        _ANYBODY,
        canary.CanaryTest.from_json,
    ),  # it counts for what its delivery's signer said; see the reader
    fingerprint.TRACE: (frozenset({"model-owner"}), fingerprint.FingerprintTrace.from_json),
}


def counts(shown: Shown) -> Shown:
    """The verified statement, where its signer may say it and its predicate can be read.

    Raises:
        TrustRefused: the signer holds no role that may say it. StatementRefused: it is malformed.
    """
    may, read = _MAY.get(shown.statement.predicate_type, (_ANYBODY, dict))
    if may and not may & set(shown.party.roles):
        raise TrustRefused(
            f"{shown.party.id} may not say this: it needs the role {' or '.join(sorted(may))}",
            why=f"it is a statement of type {shown.statement.predicate_type:.120}",
            mend="have a party of that role sign it, or let the owners add the role in the next trust version",
        )
    read(shown.statement.predicate)
    return shown


def standing(
    slips: Iterable[Slip], trust: Trust, now: datetime, left_out: list[str] | None = None, times: Times = NONE
) -> list[Shown]:
    """The statements that hold and count, in the order given.

    Args:
        left_out: takes one line for each of the others. times: earlier heads that a quorum cosigned.
    """
    out = []
    for slip in slips:
        try:
            out.append(counts(verify(slip, trust, now, times=times)))
        except CountermarkError as error:
            if left_out is not None:
                left_out.append(f"statement {slip.envelope.digest[:16]} does not count: {error.what}")
    return out
