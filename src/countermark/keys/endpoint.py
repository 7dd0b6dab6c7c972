"""Where a token may be sent: over TLS, or to this very machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from countermark.errors import Unusable


def refuse_in_clear(url: str, what: str) -> None:
    """Refuse an address that a secret would travel to in clear.

    Args:
        url: of a service. what: what it is called in the refusal.

    Raises:
        Unusable: neither https nor on loopback.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise Unusable(f"the address of {what} is malformed", why=str(error)) from error
    if not host or parts.scheme not in ("http", "https"):
        raise Unusable(f"the address of {what} is malformed", why=repr(url)[:200])
    if parts.scheme == "http" and not _loopback(host):
        raise Unusable(f"the address of {what} is not https", why="whoever is on the way could read the token",
                       mend="name an https address, or one on this machine")  # fmt: skip


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
