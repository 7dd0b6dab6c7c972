"""The terms of a licence, read from the options that name them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from countermark.cli._license_host import NONE, bound, metered
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.statement.predicates.licence_claims import Claims, Lease, Quota

UNLIMITED = "unlimited"
_SPAN = re.compile(r"([0-9]{1,9})(s|min|h|d)")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def applied(desk: Desk, claims: Claims, named: dict[str, Any]) -> Claims:
    """Claims with the terms that were named put in.

    Raises:
        Unusable: a term cannot be read. Refusal: it cannot stand in a licence.
    """
    from countermark.canonical import sha256_hex
    from countermark.lifecycle.desk import read_file
    from countermark.statement.predicates.licence_claims import Sublicense

    words = {"uses": "uses", "fields": "field_of_use", "territory": "territory", "co_signers": "co_signers"}
    changes: dict[str, Any] = {claim: frozenset(named[name]) for name, claim in words.items() if name in named}
    changes |= {n: _count(named[n], n) for n in ("max_loads", "max_hosts") if n in named}
    changes |= {n: named[n] for n in ("transfer", "derivatives", "fingerprint") if n in named}
    if "max_queries" in named:
        changes["max_queries"] = _quota(named["max_queries"])
    if "days" in named:
        changes |= _term(desk, named["days"])
    if {"depth", "sub_uses"} & named.keys():
        uses = frozenset(named.get("sub_uses", ())) or claims.sublicense.uses
        changes["sublicense"] = Sublicense(named.get("depth", claims.sublicense.depth), uses)
    if "text" in named:
        changes["text"] = sha256_hex(read_file(named["text"]))
    if "revocation" in named:
        changes["revocation"] = _revocation(desk, claims, named["revocation"])
    if {"lease", "grace", "on_lapse"} & named.keys():
        changes["lease"] = _lease(desk, claims, named)
    if {"host", "host_keys"} & named.keys():
        changes["host"] = bound(claims.licensee, named)
    if "meter" in named:
        changes["host"] = metered(changes.get("host", claims.host), named["meter"])
    elif "host" in changes and claims.host is not None and claims.host.broker and changes["host"].keys:
        changes["host"] = replace(changes["host"], broker=claims.host.broker)  # what is not named stays as it is
    return replace(claims, **changes)


def span(text: str) -> int:
    """Seconds of ``30d``, ``12h``, ``90min`` or ``45s``.

    Raises:
        Unusable: another form.
    """
    found = _SPAN.fullmatch(text)
    if not found:
        raise Unusable(f"{text!r:.40} is no span of time", mend="write 30d, 12h, 90min or 45s")
    return int(found[1]) * _UNITS[found[2]]


def _count(text: str, name: str) -> int | None:
    if text == UNLIMITED:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Unusable(f"--{name.replace('_', '-')} is {text!r:.40}", mend="write a number, or unlimited")
    return int(text)


def _quota(text: str) -> Quota | None:
    from countermark.statement.predicates.licence_claims import Quota

    number, slash, window = text.partition("/")
    count = _count(number, "max_queries")
    if count is None and slash:
        raise Unusable(f"--max-queries is {text!r:.40}", mend="write 1000/1d, 50000 or unlimited")
    return None if count is None else Quota(count, span(window) if slash else 0)


def _term(desk: Desk, days: float) -> dict[str, str]:
    from datetime import timedelta

    begin = desk.now()
    return {
        "not_before": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{begin + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
    }


def _lease(desk: Desk, claims: Claims, named: dict[str, Any]) -> Lease | str:
    from countermark.lifecycle import license_time
    from countermark.statement.predicates.licence_claims import Lease

    old = claims.lease if isinstance(claims.lease, Lease) else None
    if named.get("lease") == NONE:
        return NONE
    if old is None and "lease" not in named:
        raise Unusable("--grace and --on-lapse belong to a lease", mend="--lease 30d")
    return Lease(
        _max_age(named["lease"]) if "lease" in named or old is None else old.max_age,
        span(named["grace"]) if "grace" in named else (old.grace if old else 0),
        named.get("on_lapse", old.on_lapse if old else "refuse"),
        old.time_key if old else license_time.time_key(desk).public,
    )


def _max_age(text: str) -> int:
    from countermark.statement.predicates.licence_claims import LEAST_LEASE

    seconds = span(text)
    if seconds < LEAST_LEASE:
        raise Unusable(
            f"--lease is {text}",
            why="hosts look for the licensor's word once a minute",
            mend=f"--lease {LEAST_LEASE}s or longer",
        )
    return seconds


def _revocation(desk: Desk, claims: Claims, place: str) -> Any:
    from countermark.lifecycle import license_lists
    from countermark.statement.predicates.licence_claims import Revocation

    if place == NONE:
        return NONE
    if isinstance(claims.revocation, Revocation):
        return replace(claims.revocation, list=place)
    return license_lists.revocation(desk, place)
