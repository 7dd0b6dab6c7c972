"""Narrowing: a sublicence may claim no more than the licence above it, claim by claim, in fixed orders.

Each claim has one order, written down once below. Absent lies under everything, because absent is denied; the words ``none``,
``unlimited`` and ``*`` lie above everything of their claim. There is no way to write an order of one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from countermark.licence.claim_words import said
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_claims import (
    ANY,
    DERIVATIVES,
    ON_LAPSE,
    Claims,
    Lease,
    Quota,
    Revocation,
    Subject,
)
from countermark.statement.predicates.licence_host import HostBinding

Under = Callable[[Any, Any], bool]


def _kept(child: object, parent: object) -> bool:
    """What the parent names stays; what it leaves open may be named."""
    return parent is None or child == parent


def _count(child: int | None, parent: int | None) -> bool:
    return parent is None or (child is not None and child <= parent)


def _words(child: frozenset[str], parent: frozenset[str]) -> bool:
    return ANY in parent or child <= parent


def _subject(child: Subject, parent: Subject) -> bool:
    return (
        child.digest == parent.digest
        and _kept(child.ciphertext_root, parent.ciphertext_root)
        and _kept(child.manifest, parent.manifest)
    )


def _quota(child: Quota | None, parent: Quota | None) -> bool:
    """Fewer queries in windows that contain the parent's whole: a multiple of its length, or the whole life."""
    if parent is None:
        return True
    if child is None or child.count > parent.count:
        return False
    if child.count == 0 or child.window in (parent.window, 0):
        return True
    return parent.window != 0 and child.window % parent.window == 0


def _host(child: HostBinding | None, parent: HostBinding | None) -> bool:
    if child is None or parent is None:
        return child is None
    if parent.kind == "none":
        return True
    return (
        child.kind == parent.kind
        and set(child.keys) <= set(parent.keys)
        and (child.ek, child.ak) == (parent.ek, parent.ak)
        and set(child.pcrs) >= set(parent.pcrs)
        and _kept(child.counter, parent.counter)
        and _kept(child.broker, parent.broker or None)
        and child.measurements <= parent.measurements
    )


def _lease(child: Lease | str | None, parent: Lease | str | None) -> bool:
    if child is None or not isinstance(parent, Lease):
        return child is None or parent is not None
    return (
        isinstance(child, Lease)
        and child.max_age <= parent.max_age
        and child.grace <= parent.grace
        and ON_LAPSE.index(child.on_lapse) <= ON_LAPSE.index(parent.on_lapse)
        and child.time_key == parent.time_key
    )


def _revocation(child: Revocation | str | None, parent: Revocation | str | None) -> bool:
    if child is None or not isinstance(parent, Revocation):
        return child is None or parent is not None
    return isinstance(child, Revocation) and child.list == parent.list and child.epoch >= parent.epoch


ORDERS: dict[str, Under] = {
    "subject": _subject,
    "uses": lambda child, parent: child <= parent,
    "field_of_use": _words,
    "territory": _words,
    "not_before": lambda child, parent: child >= parent,
    "not_after": lambda child, parent: child <= parent,
    "max_loads": _count,
    "max_queries": _quota,
    "max_hosts": _count,
    "host": _host,
    "lease": _lease,
    "revocation": _revocation,
    "sublicense": lambda child, parent: child.depth < parent.depth and child.uses <= parent.uses,
    "transfer": lambda child, parent: child <= parent,
    "derivatives": lambda child, parent: DERIVATIVES.index(child) <= DERIVATIVES.index(parent),
    "fingerprint": _kept,
    "text": _kept,
    "co_signers": lambda child, parent: child >= parent,
}
"""Claim -> whether the child's value lies under the parent's. All claims but `licensee`, which a sublicence is there to change."""


_BOUNDS = {
    "not_before": "{} or later", "not_after": "{} or earlier", "co_signers": "{} at least", "subject": "{}",
    "fingerprint": "{}", "text": "{}", "host": "{}, or fewer", "sublicense": "less than {}",
}  # fmt: skip
_MENDS = {
    "max_queries": "grant fewer, in the same window, in a multiple of it, or in all (windows have to nest)",
    "sublicense": "the last licence that may be narrowed has depth 1: ask its licensor for a deeper one (`license grant --sublicense N`)",
    "host": "name hosts of the licence above only; the licensor grants for others (`countermark license move`)",
}
_ASK = "a sublicence only narrows; ask the licensor for a wider licence"


def refuse_widening(child: Claims, parent: Claims) -> None:
    """Refuse a sublicence that claims more than the licence above it, on any claim.

    Raises:
        LicenceRefused: names the first claim that is wider.
    """
    for claim, under in ORDERS.items():
        mine, above = getattr(child, claim), getattr(parent, claim)
        if not under(mine, above):
            raise LicenceRefused(claim, expected=_BOUNDS.get(claim, "at most {}").format(said(claim, above)),
                                 seen=said(claim, mine), mend=_MENDS.get(claim, _ASK))  # fmt: skip
    if not child.uses <= parent.sublicense.uses:
        raise LicenceRefused("uses", expected=f"at most {said('uses', parent.sublicense.uses)} (sublicense.uses)",
                             seen=said("uses", child.uses), mend="leave out what may not be sublicensed")  # fmt: skip
