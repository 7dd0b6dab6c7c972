"""At the door: who may deliver, to whom, with which clock, and in which order."""

from __future__ import annotations

from countermark.keys.document import Party
from countermark.keys.trust import Trust
from countermark.lifecycle import deliveries, parcel
from countermark.lifecycle.deliveries import ID_DIGITS
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Head, Parcel
from countermark.statement.statement import EVERYBODY


def reasons(desk: Desk, trust: Trust, piece: Parcel, party: Party) -> list[str]:
    """Reasons to refuse a delivery before its data are looked at."""
    context = piece.delivery.context
    out = []
    if context.addressee not in (desk.party, EVERYBODY):
        out.append(f"the delivery is addressed to {context.addressee}, not to {desk.party}")
    if not {"supplier", "data-owner"} & set(party.roles):
        out.append(f"{party.id} may not deliver: it is no supplier")
    if wrong := parcel.misdated(context.time, trust, desk.now()):
        out.append(f"{wrong}: {party.id} sets its clock and delivers again")
    if any(name[:ID_DIGITS] == piece.envelope.digest[:ID_DIGITS] for name in _names(desk, "deliveries")):
        out.append(
            f"its rows would be called as those of another delivery: {party.id} changes its folder's name and delivers again"
        )
    return out + _sequence_reasons(desk, piece, party)


def _sequence_reasons(desk: Desk, piece: Parcel, party: Party) -> list[str]:
    """A delivery is the next of its supplier's, or a new try of the newest."""
    context, newest = piece.delivery.context, _newest(desk, piece, party)
    expected = newest.delivery.context.sequence + 1 if newest else 1
    if context.sequence < expected:
        return [f"delivery {context.sequence} of {party.id} comes after delivery {expected - 1}: an old one replayed"]
    if context.sequence > expected:
        return [
            f"delivery {context.sequence} of {party.id} does not follow the last one received ({expected - 1}): "
            f"receive delivery {expected} first, {party.id} keeps its file"
        ]
    if context.previous != (newest.envelope.digest if newest else None):
        return [f"delivery {context.sequence} of {party.id} names another delivery before it than the one received"]
    return []


def _newest(desk: Desk, piece: Parcel, party: Party) -> Head | None:
    """The end of the party's chain of deliveries to this receiver, as answered here, without `piece` itself."""
    after: dict[str | None, list[Head]] = {}
    for folder in deliveries.folders(desk):
        if (folder / f"from.{party.id}").exists():
            head = deliveries.head(folder)
            if head.envelope.digest != piece.envelope.digest and head.delivery.context.addressee == desk.party:
                after.setdefault(head.delivery.context.previous, []).append(head)
    newest: Head | None = None
    while follow := after.pop(newest.envelope.digest if newest else None, []):
        place = newest.delivery.context.sequence + 1 if newest else 1
        in_place = [h for h in follow if h.delivery.context.sequence == place]
        if not in_place:
            break
        newest = next((h for h in in_place if h.envelope.digest in _names(desk, "deliveries")), in_place[0])
    return newest


def _names(desk: Desk, place: str) -> frozenset[str]:
    return frozenset(p.name for p in desk.space.folder(place).iterdir())
