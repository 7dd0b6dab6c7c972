"""Delegation: the operator lets one guard key sign answers of one model for at most seven days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from countermark import dsse
from countermark.errors import ExchangeRefused, TrustRefused
from countermark.keys.document import moment
from countermark.keys.signer import Signer, sign_envelope
from countermark.keys.trust import Trust
from countermark.keys.verifier import PublicKey
from countermark.statement.predicates.acts import DELEGATION, Delegation
from countermark.statement.statement import EVERYBODY, Context, Statement

LONGEST = timedelta(days=7)
ROLE = "operator"


@dataclass(frozen=True, slots=True)
class Delegated:
    """A handle to a guard key that an operator vouches for.

    Attributes:
        key: the guard key. model: tree digest, hex, of the one model it may sign answers of.
        not_before, not_after: when. operator: party id, "" where the key itself was pinned.
    """

    key: PublicKey
    model: str
    not_before: datetime
    not_after: datetime
    operator: str

    def covers(self, now: datetime) -> None:
        """Refuse outside the delegation's time.

        Raises:
            TrustRefused: not yet, or no longer.
        """
        if not self.not_before <= now < self.not_after:
            raise TrustRefused(
                f"the guard key is delegated from {self.not_before:%Y-%m-%d %H:%M} to {self.not_after:%Y-%m-%d %H:%M} UTC",
                why=f"it is {now:%Y-%m-%d %H:%M} here", mend="the operator starts the guard again",
            )  # fmt: skip


def delegate(
    signer: Signer, key: PublicKey, context: Context, *, name: str, model: str, not_before: str, not_after: str
) -> dsse.Envelope:
    """The operator's signed delegation.

    Args:
        signer: the operator's statement key. key: the guard key. name, model: of the model, its tree digest in hex.
        not_before, not_after: RFC 3339 UTC.

    Raises:
        TrustRefused: the time is empty or longer than seven days, or the key is of another use.
    """
    _bounds(key, not_before, not_after)
    predicate = Delegation(context, key, not_before, not_after)
    statement = Statement(name, model, DELEGATION, predicate.to_json())
    return sign_envelope(dsse.IN_TOTO, statement.to_bytes(), [signer])


def verify(envelope: dsse.Envelope, trust: Trust, now: datetime) -> Delegated:
    """Verify a delegation.

    1. one party of the project signed it with a statement key that counts now; 2. that party is an operator;
    3. it is a delegation, of this project, for everybody; 4. of a guard key, for at most seven days; 5. now.

    Raises:
        SignatureRefused, TrustRefused, StatementRefused: a step fails.
    """
    signed = trust.require(trust.verify(envelope, "statement", now), ROLE)
    statement = Statement.from_bytes(envelope.payload, what="delegation")
    if envelope.payload_type != dsse.IN_TOTO or statement.predicate_type != DELEGATION:
        raise TrustRefused("this statement delegates no guard key", why=statement.predicate_type)
    said = Delegation.from_json(statement.predicate)
    if said.context.project != trust.fingerprint or said.context.addressee != EVERYBODY:
        raise TrustRefused("the delegation belongs to another project", why=f"it names {said.context.project[:16]}")
    begin, end = _bounds(said.key, said.not_before, said.not_after)
    delegated = Delegated(said.key, statement.digest, begin, end, signed.party.id)
    delegated.covers(now)
    return delegated


def pinned(key: PublicKey, model: str, now: datetime) -> Delegated:
    """A guard key that the reader pinned himself, for a test bench without a trust document."""
    if key.use != "guard":
        raise ExchangeRefused(f"a {key.use} key cannot sign answers")
    return Delegated(key, model, now, now + LONGEST, "")


def _bounds(key: PublicKey, not_before: str, not_after: str) -> tuple[datetime, datetime]:
    if key.use != "guard" or key.algorithm != "ed25519":
        raise TrustRefused(f"a {key.algorithm} {key.use} key cannot be delegated to a guard", mend="Ed25519, use guard")
    begin, end = moment(not_before), moment(not_after)
    if not timedelta(0) < end - begin <= LONGEST:
        raise TrustRefused(
            f"a delegation from {not_before} to {not_after} is empty or longer than {LONGEST.days} days",
            mend="delegate for at most seven days; the guard starts again with a fresh key",
        )
    return begin, end
