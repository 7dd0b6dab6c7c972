"""Answers given at the door, also those that a later answer took the place of: the ledger keeps what folders do not.

A refused delivery that comes again whole is admitted in the same place. That it was refused, and why, stays in the ledger, and is
told wherever deliveries are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from countermark.lifecycle import book
from countermark.lifecycle.deliveries import Received
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates import reception
from countermark.statement.predicates.reception import Reception
from countermark.statement.statement import Statement


@dataclass(frozen=True, slots=True)
class Past:
    """A refusal after which the same delivery was answered anew.

    Attributes:
        sequence: number of the delivery. delivery: digest of its statement. answer: digest of the refusal. then: what came of it.
    """

    supplier: str
    sequence: int
    delivery: str
    answer: str
    time: str
    rows: int
    reasons: tuple[str, ...]
    then: str


def past(desk: Desk, every: Sequence[Received]) -> list[Past]:
    """Refusals that another answer to the same delivery followed, in ledger order.

    Args:
        every: all deliveries that were answered, with their newest answers (`receive.received`).
    """
    now = {one.parcel.envelope.digest: one for one in every if one.parcel and one.answer}
    newest = {one.answer.envelope.digest for one in now.values() if one.answer}
    return [
        Past(said.context.addressee, said.context.sequence, said.delivery, digest, said.context.time, said.rows, said.reasons,
             "then admitted" if one.state == "admitted" else "then refused again")
        for digest, said in _refusals(desk)
        if digest not in newest and (one := now.get(said.delivery))
    ]  # fmt: skip


def _refusals(desk: Desk) -> Iterator[tuple[str, Reception]]:
    """Every refusal that this party signed and entered."""
    for slip in book.entered(desk, reception.TYPE):
        said = Reception.from_json(Statement.from_bytes(slip.envelope.payload).predicate)
        if said.state == "refused" and slip.opening and slip.opening.record.signer == desk.party:
            yield slip.envelope.digest, said


def then(every: Sequence[Received]) -> dict[str, str]:
    """What came after each refused delivery, by its statement's digest, where the supplier's next delivery was admitted."""
    after = {one.parcel.delivery.context.previous: one for one in every if one.parcel and one.state == "admitted"}
    out = {}
    for one in every:
        if one.parcel and one.state == "refused" and (nxt := after.get(one.parcel.envelope.digest)) and nxt.parcel:
            said = nxt.parcel.delivery
            word = "replaced by" if said.replaces == one.parcel.envelope.digest else "followed by"
            out[one.parcel.envelope.digest] = f"then {word} delivery {said.context.sequence}, which was admitted"
    return out
