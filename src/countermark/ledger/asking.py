"""Carries a submission to a witness over HTTP. What comes back proves itself, so the transport need not be trusted."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from urllib.parse import SplitResult, urlsplit

from countermark.errors import Unusable
from countermark.ledger.submission import MAX_BYTES, Answer, Exchange

SECONDS = 10.0
PATH = "/add-checkpoint"


def exchange(url: str, seconds: float = SECONDS) -> Exchange:
    """A carrier to the witness whose submission prefix is `url`.

    Raises:
        Unusable: not http or https; http outside loopback, where a witness's answer could be kept from us unseen.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unusable(
            f"{url!r:.120} is no address of a witness", why=str(error), mend="https://HOST[:PORT][/PREFIX]"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Unusable(f"{url!r:.120} is no address of a witness", mend="https://HOST[:PORT][/PREFIX]")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise Unusable(f"{url!r:.120} is outside loopback without TLS", mend="use https")
    return lambda body: _post(parts, port, body, seconds)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _post(parts: SplitResult, port: int | None, body: bytes, seconds: float) -> Answer:
    import http.client  # a verifier, who asks nobody, needs neither
    import ssl

    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    late = threading.Event()
    timer: threading.Timer | None = None
    try:
        connection.connect()
        timer = threading.Timer(seconds, _cut, [connection.sock, late])  # a socket's own timeout begins anew each byte
        timer.start()
        connection.request("POST", parts.path.rstrip("/") + PATH, body, {"Content-Type": "text/plain"})
        got = connection.getresponse()
        answer = Answer(got.status, got.read(MAX_BYTES + 1), got.headers.get("Content-Type", ""))
        if late.is_set():
            raise TimeoutError(f"no whole answer within {seconds:g} s")
        return answer
    except (
        OSError,
        http.client.HTTPException,
        UnicodeError,
    ) as error:  # the last: a name or path no protocol can carry
        raise Unusable(f"the witness at {host} does not answer", why=str(error), mend="try again later") from error
    finally:
        if timer is not None:
            timer.cancel()
        connection.close()


def _cut(peer: socket.socket, late: threading.Event) -> None:
    """End an exchange that outlasted its time, wherever it stands."""
    late.set()
    with contextlib.suppress(OSError):  # it closed meanwhile
        peer.shutdown(socket.SHUT_RDWR)
