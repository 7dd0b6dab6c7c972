"""The terms of a licence as options: what is not named is denied in a grant, and stays as it is in a sublicence."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.errors import LedgerRefused, StatementRefused, Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.statement.predicates.licence_claims import Claims, Lease, Licensee, Quota
    from countermark.statement.predicates.licence_host import HostBinding

USES = ("infer", "evaluate", "fine-tune", "distil", "quantise", "embed", "redistribute", "train-on")
UNLIMITED, NONE = "unlimited", "none"
_SPAN = re.compile(r"([0-9]{1,9})(s|min|h|d)")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_OPTIONS = (
    click.option("--use", "uses", multiple=True, type=click.Choice(USES), help="What it may be used for; repeat it."),
    click.option("--field", "fields", multiple=True, metavar="WORD", help="Field of use, '*' for any; repeat it."),
    click.option("--territory", multiple=True, metavar="CODE", help="ISO 3166 code (DE, US-CA), '*' for any; repeat it."),
    click.option("--days", type=click.FloatRange(0, 36_500, min_open=True), help="How long it counts, from now on."),
    click.option("--max-loads", metavar="N", help="How often it may be loaded; a number, or unlimited."),
    click.option("--max-queries", metavar="N[/SPAN]", help="Pictures asked, as 1000/1d, 50000 in all, or unlimited."),
    click.option("--max-hosts", metavar="N", help="On how many hosts; a number, or unlimited."),
    click.option("--host", metavar="KIND|FILE", help="none, software-key, pkcs11-key, or a JSON file of a TPM's or TEE's."),
    click.option("--host-key", "host_keys", multiple=True, type=PATH, metavar="PEM",
                 help="Public key of a host (default: the licensee's licence key); repeat it."),
    click.option("--meter", type=PATH, metavar="VKEY",
                 help="The .vkey of a broker that counts: without its answer nothing is loaded or asked. The host is one with a key."),
    click.option("--lease", metavar="SPAN", help="How old the newest beacon may be: 30d; none asks for no beacons."),
    click.option("--grace", metavar="SPAN", help="How much longer, with a warning: 7d."),
    click.option("--on-lapse", type=click.Choice(["refuse", "advisory"]), help="What then."),
    click.option("--revocation", metavar="PLACE", help="Where lists of revoked licences are had; none asks for none."),
    click.option("--sublicense", "depth", type=click.IntRange(0, 7), help="How many sublicences may follow one another."),
    click.option("--sublicense-use", "sub_uses", multiple=True, type=click.Choice(USES), help="What those may grant."),
    click.option("--transfer/--no-transfer", default=None, help="Whether it may pass to another licensee."),
    click.option("--derivatives", type=click.Choice(["denied", "inherit", "free"]),
                 help="What is made of it: denied, under this licence, or the licensee's own."),
    click.option("--fingerprint", metavar="ID", help="The mark in this licensee's copy."),
    click.option("--text", type=PATH, metavar="FILE", help="The legal text, which prevails; its digest is signed."),
    click.option("--co-signer", "co_signers", multiple=True, metavar="PARTY", help="Who must sign as well; repeat it."),
)  # fmt: skip


_NAMES = (
    "uses", "fields", "territory", "days", "max_loads", "max_queries", "max_hosts", "host", "host_keys", "meter", "lease", "grace",
    "on_lapse", "revocation", "depth", "sub_uses", "transfer", "derivatives", "fingerprint", "text", "co_signers",
)  # fmt: skip


def _named(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value not in (None, ())}


terms = taken_as("named", _named, _NAMES, _OPTIONS)
"""Adds the options; the command gets what was named as `named`, a dictionary."""


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
        changes["host"] = _host(claims.licensee, named)
    if "meter" in named:
        changes["host"] = _metered(changes.get("host", claims.host), named["meter"])
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


def _host(licensee: Licensee, named: dict[str, Any]) -> HostBinding:
    from countermark.statement.predicates.licence_host import HostBinding

    kind = named.get("host", "software-key")
    if kind == NONE:
        return HostBinding("none")
    if kind not in ("software-key", "pkcs11-key"):
        return _host_file(Path(kind))
    keys = tuple(public_key(path) for path in named.get("host_keys", ())) or (licensee.key,)
    return HostBinding(kind, keys=keys)


def _host_file(file: Path) -> HostBinding:
    from countermark import canonical
    from countermark.lifecycle.desk import read_file
    from countermark.statement.predicates.licence_host import HostBinding

    data = read_file(file, 1 << 16)
    try:
        return HostBinding.from_json(canonical.from_bytes(data, what=file.name))
    except StatementRefused as error:
        raise StatementRefused(f"{file.name} names no host", why=error.what,
                               mend="--host none, software-key, pkcs11-key, or what `countermark license host` wrote") from error  # fmt: skip


def _metered(host: HostBinding | None, vkey: Path) -> HostBinding:
    from countermark.ledger.note import NoteKey
    from countermark.lifecycle.desk import read_file

    if host is None or not host.keys:
        raise Unusable("a broker counts for hosts that have a key", mend="--host software-key or pkcs11-key")
    text = read_file(vkey, 4096).decode(errors="replace")
    try:
        return replace(host, broker=NoteKey.from_vkey(text).vkey())
    except LedgerRefused as error:
        raise LedgerRefused(
            f"{vkey.name} is no broker's key",
            why=error.what,
            mend="--meter NAME.vkey, as `countermark broker init` writes it",
        ) from error


def public_key(path: Path) -> Any:
    """A public key of the use ``licence`` from a PEM file (SubjectPublicKeyInfo).

    Raises:
        Unusable: no PEM file of a public key. SignatureRefused: of a kind that is not taken.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    from countermark.keys.verifier import PublicKey
    from countermark.lifecycle.desk import read_file

    try:
        key = load_pem_public_key(read_file(path, 16 << 10))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(
            f"{path} is no public key",
            why="it holds no SubjectPublicKeyInfo in PEM",
            mend="`openssl pkey -pubout` writes one",
        ) from error
    return PublicKey.from_spki("licence", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
