"""The end of keys that sign no statements: of the ledger's key, and of witnesses' keys.

A head bears no time of its own. What is known of it are the times of its cosignatures, and the clock of who signs: the ledger's keeper
signs no new head with an ended key, a witness cosigns none of such a key and none with such a key, and a reader counts no cosignature of after its
key's end, and no quorum that was complete only after the ledger key's. Without a quorum a reader knows no time, and papers stay valid.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from countermark.errors import TrustRefused
from countermark.keys import quorum
from countermark.keys.document import EnrolledKey, TrustDocument, moment
from countermark.keys.quorum import Quorum


def quorum_of(document: TrustDocument) -> Quorum:
    """The quorum that a trust document names, each witness with the end of its key, and the ledger's keys with theirs."""
    rule = quorum.parse(document.quorum)
    if not rule.needed:
        return rule
    ends = [(p.id, k, moment(k.not_after)) for p in document.parties for k in p.keys if k.not_after]
    if not ends:
        return rule
    watching = {k.key.raw(): end for _, k, end in ends if k.key.use == "witness"}
    heads = [
        (document.ledger_origin, k.key.raw(), end)
        for party, k, end in ends
        if k.key.use == "ledger" and party == document.ledger_operator
    ]
    witnesses = tuple(replace(w, until=watching.get(w.key.public)) for w in rule.witnesses)
    return replace(rule, witnesses=witnesses, ledger_ends=tuple(heads))


def ledger_key_ended(document: TrustDocument, now: datetime) -> str:
    """When the ledger's key ended, where it has; else an empty string."""
    live = [k for k in document.party(document.ledger_operator).keys if k.key.use == "ledger" and not k.revoked]
    return _ended(live[0], now) if live else ""


def refuse_ended(enrolled: EnrolledKey, holder: str, now: datetime) -> None:
    """Refuse to sign anything new with a key that has ended.

    Raises:
        TrustRefused: it has.
    """
    if end := _ended(enrolled, now):
        raise TrustRefused(
            f"the {enrolled.key.use} key of {holder} ended on {end}", why="what it signed before stays valid; nothing new would be believed",
            mend=f"`countermark key new {enrolled.key.use}`, and the owners enrol it (docs: rotate the ledger key)",
        )  # fmt: skip


def refuse_ended_ledger_key(document: TrustDocument, now: datetime) -> None:
    """Refuse to sign a new head with a ledger key that has ended.

    Raises:
        TrustRefused: it has.
    """
    for enrolled in document.party(document.ledger_operator).keys:
        if enrolled.key.use == "ledger" and not enrolled.revoked:
            refuse_ended(enrolled, document.ledger_operator, now)
            return


def _ended(enrolled: EnrolledKey, now: datetime) -> str:
    return enrolled.not_after if enrolled.not_after and now >= moment(enrolled.not_after) else ""
