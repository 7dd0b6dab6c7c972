"""Trace: all that this workspace knows of one supplier, from its deliveries to the models that learned from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.errors import NothingToVerify, Unusable
from countermark.lifecycle import letters, recall, review, rows
from countermark.lifecycle.deliveries import Received, admitted_trees, received
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.letters import Disputed
from countermark.lifecycle.recall import Recall


@dataclass(frozen=True, slots=True)
class Delivered:
    """One delivery: digest of its statement, sequence, state ("admitted", "refused", "replaced" or "withdrawn"), reasons, rows."""

    digest: str
    sequence: int
    state: str
    reasons: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the newest screening says of a supplier.

    Attributes:
        statement: its digest. named: {"supplier", "p", "q", "why"} where the supplier was named, else None. findings: (check, severity,
            what), of this supplier alone. flagged: ids of its rows.
    """

    statement: str
    named: dict[str, Any] | None
    findings: tuple[tuple[str, str, str], ...]
    flagged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """One supplier.

    Attributes:
        seen: None where nothing was screened. aside: ids of its rows that no training sees. relabelled: id -> class. disputed: what it
            says of its own rows. reached: None where no row was ever admitted. not_looked_at: a line each.
    """

    supplier: str
    deliveries: tuple[Delivered, ...]
    seen: Seen | None
    aside: tuple[str, ...]
    relabelled: dict[str, str]
    disputed: tuple[Disputed, ...]
    reached: Recall | None
    not_looked_at: tuple[str, ...]


def trace(desk: Desk, supplier: str) -> Traced:
    """Gather what is known of a supplier: deliveries, the newest screening, decisions, its answers, what its rows reached.

    Raises:
        NothingToVerify: nothing of this supplier was ever received here. TreeRefused: an admitted delivery was changed on disk.
    """
    mine = [one for one in received(desk) if one.supplier == supplier]
    if not mine:
        raise NothingToVerify(f"nothing by {supplier!r:.80} was received here", mend="`countermark receive --list`")
    left_out: list[str] = []
    admitted = any(one.state == "admitted" for one in mine)
    over = rows.ended(desk, admitted_trees(desk)) if admitted else {}
    own, aside, relabelled = _rows(desk, supplier)
    disputed = tuple(d for d in letters.disputed(desk, left_out).values() if d.supplier == supplier)
    reached = recall.recall(desk, supplier=supplier) if admitted else None
    seen = _seen(desk, supplier, own)
    if seen is None:
        left_out.append("nothing was screened yet")
    return Traced(
        supplier, tuple(_delivered(one, over) for one in mine), seen, aside, relabelled, disputed, reached,
        (*left_out, *(reached.not_looked_at if reached else ())),
    )  # fmt: skip


def _delivered(one: Received, over: dict[str, str]) -> Delivered:
    if one.parcel is None:
        return Delivered("", 0, one.state, one.reasons, one.rows)
    digest = one.parcel.envelope.digest
    return Delivered(digest, one.parcel.delivery.context.sequence, over.get(digest, one.state), one.reasons, one.rows)


def _rows(desk: Desk, supplier: str) -> tuple[frozenset[str], tuple[str, ...], dict[str, str]]:
    """Ids of the supplier's standing rows, of those set aside, and decided classes."""
    try:
        listed = rows.listed(desk)
    except Unusable:  # nothing stands: all was refused or withdrawn
        return frozenset(), (), {}
    own = frozenset(row.id for row in listed if row.supplier == supplier)
    chosen = rows.select(desk, listed)
    return own, tuple(sorted(own & chosen.aside)), {i: c for i, c in chosen.relabelled.items() if i in own}


def _seen(desk: Desk, supplier: str, own: frozenset[str]) -> Seen | None:
    try:
        slip, said = review.newest_screening(desk)
    except NothingToVerify:
        return None
    named = next((one for one in said.facts.get("named", []) if one["supplier"] == supplier), None)
    every = [f for outcome in said.checks.values() for f in outcome.get("findings", [])]
    about = tuple((f["check"], f["severity"], f["what"]) for f in every if f["where"].get("supplier") == supplier)
    flagged = tuple(i for i in said.facts.get("flagged", []) if i in own)
    return Seen(slip.envelope.digest, named, about, flagged)
