"""Word of the licensor: beacons, lists of revoked licences, owners' resets, return receipts, each verified before it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from countermark import dsse
from countermark.errors import SignatureRefused, StatementRefused, TrustRefused
from countermark.keys.document import OWNERS
from countermark.keys.trust import Trust
from countermark.licence.chain import Chain
from countermark.licence.clock import seconds
from countermark.licence.signature import refuse_other
from countermark.statement.predicates.beacon import BEACON, MOST_BEACON_BYTES, RESET, Beacon, Reset
from countermark.statement.predicates.licence import LICENCE_LIST, RETURN, ReturnReceipt, RevokedLicences
from countermark.statement.predicates.licence_claims import Lease
from countermark.statement.statement import Context, Statement

MOST_BEACONS = 4096
MOST_LIST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of revoked licences whose signature holds.

    Attributes:
        first: position of the first link that its signer issued; it revokes that one and those below.
    """

    first: int
    said: RevokedLicences


def lines(data: bytes) -> list[bytes]:
    """Lines of a file of beacons or resets: one envelope each, in any order.

    Raises:
        StatementRefused: a line is longer than 1 KiB, or there are too many.
    """
    if len(data) > MOST_BEACONS * (MOST_BEACON_BYTES + 2):
        raise StatementRefused(f"a beacon file of {len(data)} bytes", why=f"at most {MOST_BEACONS} beacons are read")
    found = [line for line in data.splitlines() if line]
    for line in found:
        if len(line) > MOST_BEACON_BYTES:
            raise StatementRefused(f"a beacon of {len(line)} bytes", why=f"at most {MOST_BEACON_BYTES} are read")
    return found


def beacon(envelope: dsse.Envelope, lease: Lease, project: str) -> Beacon:
    """Verify a beacon: signed by the lease's time key, for this project.

    Raises:
        SignatureRefused, StatementRefused, TrustRefused: it does not hold.
    """
    payload = envelope.statement_bytes()
    refuse_other(envelope, lease.time_key, "beacon", "the time key that the licence names",
                 "take a beacon of this licence's licensor (`countermark license beacon` there)")  # fmt: skip
    said = Beacon.from_json(_predicate(payload, BEACON, "beacon"))
    _of_project(said.context, project, "beacon")
    return said


def reset(envelope: dsse.Envelope, trust: Trust, now: datetime) -> Reset:
    """Verify a reset: signed by the root key of one owner of this project.

    Raises:
        SignatureRefused, StatementRefused, TrustRefused: it does not hold.
    """
    payload = envelope.statement_bytes()
    trust.require(trust.verify(envelope, "root", now), *sorted(OWNERS))
    said = Reset.from_json(_predicate(payload, RESET, "reset"))
    _of_project(said.context, trust.fingerprint, "reset")
    return said


def revoked(envelope: dsse.Envelope, chain: Chain, trust: Trust, now: datetime) -> Listed:
    """Verify a list of revoked licences by whoever issued a link of this chain.

    Raises:
        SignatureRefused, StatementRefused, TrustRefused: it does not hold, or its signer issued none of these.
    """
    payload = envelope.statement_bytes()
    if len(payload) > MOST_LIST_BYTES:
        raise StatementRefused(f"a list of {len(payload)} bytes", why=f"at most {MOST_LIST_BYTES} are read")
    first = _issuer(envelope, chain, trust, now)
    said = RevokedLicences.from_json(_predicate(payload, LICENCE_LIST, "list of revoked licences"))
    _of_project(said.context, trust.fingerprint, "list of revoked licences")
    return Listed(first, said)


def _issuer(envelope: dsse.Envelope, chain: Chain, trust: Trust, now: datetime) -> int:
    named = {s.keyid for s in envelope.signatures}
    for at, link in enumerate(chain.links):
        if link.key is not None and link.key.id in named:
            refuse_other(envelope, link.key, "list of revoked licences", link.issuer, f"ask {link.issuer} for its list")
            return at
    signer = trust.verify(envelope, "licence", now).party.id
    if signer != chain.root.issuer:
        raise TrustRefused(f"{signer} granted none of these licences", why="only who grants a licence revokes it",
                           mend=f"ask {chain.root.issuer} for its list (`countermark license revoke`)")  # fmt: skip
    return 0


def returned(envelope: dsse.Envelope, chain: Chain) -> ReturnReceipt:
    """Verify a return receipt: signed by the licensee of the chain's last link, about that link.

    Raises:
        SignatureRefused, StatementRefused, TrustRefused: it does not hold.
    """
    payload = envelope.statement_bytes()
    key = chain.claims.licensee.key
    holder = chain.claims.licensee.party
    refuse_other(
        envelope, key, "return receipt", holder, f"{holder} writes it: `countermark license move FILE --out RECEIPT`"
    )
    said = ReturnReceipt.from_json(_predicate(payload, RETURN, "return receipt"))
    _of_project(said.context, chain.project, "return receipt")
    if said.licence != chain.leaf.digest:
        raise SignatureRefused("this receipt gives another licence back", why=f"it names {said.licence[:16]}",
                               mend=f"the receipt of {chain.leaf.digest[:16]} is needed")  # fmt: skip
    return said


def when(context: Context) -> int:
    """The claimed time of a statement, in POSIX seconds."""
    return seconds(context.time)


def _predicate(payload: bytes, kind: str, what: str) -> dict[str, object]:
    statement = Statement.from_bytes(payload, what=what)
    if statement.predicate_type != kind:
        raise StatementRefused(f"this statement is no {what}", why=f"it is of type {statement.predicate_type:.120}",
                               mend="check that it is the right file")  # fmt: skip
    return statement.predicate


def _of_project(context: Context, project: str, what: str) -> None:
    if context.project != project:
        raise TrustRefused(
            f"this {what} is of another project", why=f"expected {project[:16]}, seen {context.project[:16]}",
            mend="ask the licensor for the one of this project",
        )  # fmt: skip
