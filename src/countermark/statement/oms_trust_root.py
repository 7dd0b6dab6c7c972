"""Sigstore's trust root: which authorities and logs counted at a time. Read from bytes, never from the network.

Source: sigstore/protobuf-specs, ``TrustedRoot`` v0.1 and ``ClientTrustConfig`` v0.1. The package `sigstore` takes an authority
or log for ever once it was valid; here it counts for a bundle only where it was valid when that bundle was signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from countermark import canonical
from countermark.errors import Inconclusive, StatementRefused, TrustRefused

if TYPE_CHECKING:
    from sigstore.models import TrustedRoot

CLIENT_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
MAX_ROOT_BYTES = 4 << 20
COUNTED = ("certificateAuthorities", "tlogs", "ctlogs")
_SHIPPED = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"


def trusted_root(data: bytes | None, times: Iterable[datetime]) -> TrustedRoot:
    """The trust root as it stood at these times.

    Args:
        data: trusted root or client trust configuration, JSON; None for the one that ships with the package.
        times: moments, with a time zone, at which an authority or log must have been valid to be kept.

    Raises:
        StatementRefused: malformed. TrustRefused: nobody in it counted then. Inconclusive: none is named, and none ships.
    """
    from sigstore.models import TrustedRoot
    from sigstore_models.trustroot.v1 import TrustedRoot as Model

    what = "Sigstore trust root"
    value = canonical.object_from_bytes(shipped() if data is None else data, what=what, max_bytes=MAX_ROOT_BYTES)
    if value.get("mediaType") == CLIENT_CONFIG and isinstance(value.get("trustedRoot"), dict):
        value = value["trustedRoot"]
    try:
        kept = _at(value, tuple(times))
        if all(kept[name] for name in COUNTED):
            return TrustedRoot(Model.from_json(json.dumps(kept)))
    except Exception as error:  # the package's classes are its own; whatever it says, this is no trust root
        told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise StatementRefused("this is not a Sigstore trust root", why=told) from error
    raise TrustRefused(
        "no authority or no log of the trust root was in use when this was signed",
        why=f"left are {', '.join(f'{len(kept[name])} {name}' for name in COUNTED)}", mend="name the right trust root: --trust-root FILE",
    )  # fmt: skip


def shipped() -> bytes:
    """The trust root of the public instance, as it came with the installed package.

    Raises:
        Inconclusive: this version of the package brings none.
    """
    from importlib.resources import files

    try:
        return (files("sigstore") / "_store" / _SHIPPED / "trusted_root.json").read_bytes()
    except OSError as error:
        raise Inconclusive(
            "this version of the package sigstore brings no trust root", mend="name one: --trust-root FILE"
        ) from error


def _at(value: dict[str, Any], moments: tuple[datetime, ...]) -> dict[str, Any]:
    return value | {name: [one for one in value[name] if _valid(_period(one), moments)] for name in COUNTED}


def _period(one: dict[str, Any]) -> dict[str, Any]:
    """An authority says for itself when it is valid, a log for its key."""
    found: dict[str, Any] = one["validFor"] if "validFor" in one else one["publicKey"]["validFor"]
    return found


def _valid(period: dict[str, Any], moments: tuple[datetime, ...]) -> bool:
    start, end = datetime.fromisoformat(period["start"]), period.get("end")
    return all(start <= at and (not end or at <= datetime.fromisoformat(end)) for at in moments)
