"""One exchange with a server that is not trusted: bounded in bytes and in time, never led elsewhere.

What comes back proves itself by signatures and hashes, so the transport need not be believed; outside this machine it is
encrypted all the same, so that nobody on the way learns who asks, or keeps an answer back unseen.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from countermark import canonical
from countermark.errors import Unusable

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

SCHEMES = ("http", "https")
SECONDS = 10.0
MOST_REFUSAL = 64 << 10


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and its type as a server sent them."""

    status: int
    body: bytes
    type: str = ""


def refusal(body: bytes) -> tuple[str, str, str]:
    """What, why and mend of a refusal, as services of this program answer it: a JSON object of ``error``, ``why`` and ``fix``.

    Args:
        body: foreign bytes, at most 64 KiB.

    Raises:
        StatementRefused: malformed.
    """
    fields = canonical.Fields(canonical.from_bytes(body, what="refusal", max_bytes=MOST_REFUSAL), "refusal")
    return fields.text("error"), fields.text("why"), fields.text("fix")


class Peer:
    """A server by its URL; every request has a connection of its own.

    Args:
        url: ``https://HOST[:PORT][/PREFIX]``, or ``http://`` on this machine. what: its name in messages.
        seconds: for one whole exchange, from the connection to the last byte.
        clear: whether ``http://`` may leave this machine.
    """

    def __init__(self, url: str, what: str, *, seconds: float = SECONDS, clear: bool = False) -> None:
        """Check the address; nothing is sent yet.

        Raises:
            Unusable: not http or https, with a user, query or fragment, or unencrypted to another machine.
        """
        self._parts = _address(url, what)
        self._what, self._seconds = what, seconds
        if self._parts.scheme == "http" and not clear and not _loopback(self._host):
            raise Unusable(f"{url!r:.120} is outside loopback without TLS", mend="use https")

    @property
    def _host(self) -> str:
        return self._parts.hostname or ""

    def get(self, path: str, limit: int) -> Reply:
        """Ask for what lies at a path below the prefix; only a reply of 200 has a body.

        Raises:
            Unusable: no answer, not in time, longer than `limit` bytes, or it leads elsewhere.
        """
        return self._exchange("GET", path, b"", {"Accept-Encoding": "identity"}, limit)

    def post(self, path: str, body: bytes, limit: int) -> Reply:
        """Hand a body to what listens at a path below the prefix.

        Raises:
            Unusable: as `get`.
        """
        return self._exchange("POST", path, body, {"Content-Type": "text/plain"}, limit)

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str], limit: int) -> Reply:
        import http.client  # a verifier, who asks nobody, needs neither this nor TLS

        with self._trouble(http.client.HTTPException), self._connected() as (connection, late):
            connection.request(method, self._parts.path.rstrip("/") + path, body or None, headers)
            with connection.getresponse() as answer:
                wanted = method == "POST" or answer.status == 200
                got = self._body(answer, limit) if wanted else b""
                reply = Reply(answer.status, got, answer.headers.get("Content-Type", ""))
            if late.is_set():
                raise TimeoutError(f"no whole answer within {self._seconds:g} s")
            return reply

    def _body(self, answer: HTTPResponse, limit: int) -> bytes:
        if 300 <= answer.status < 400:
            raise OSError(f"it leads elsewhere (status {answer.status})")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise OSError("its answer is compressed, which was not asked for")
        if (answer.length or 0) > limit:
            raise OSError(f"its answer is {answer.length} bytes; the limit is {limit}")
        data = answer.read(limit + 1)
        if len(data) > limit:
            raise OSError(f"its answer is longer than {limit} bytes")
        if answer.length:  # how much of a known length is left
            raise OSError("its answer was cut off")
        return data

    @contextlib.contextmanager
    def _connected(self) -> Iterator[tuple[HTTPConnection, threading.Event]]:
        """A connection that ends when its time is over: a socket's own timeout begins anew with each byte."""
        plain = self._parts.scheme == "http"
        port = self._parts.port or (80 if plain else 443)
        late = threading.Event()
        with contextlib.ExitStack() as stack:
            line = stack.enter_context(socket.create_connection((self._host, port), self._seconds))
            timer = threading.Timer(self._seconds, _cut, [stack.enter_context(line.dup()), late])
            timer.daemon = True
            stack.callback(timer.cancel)
            timer.start()
            try:
                yield self._spoken(line, port, stack, plain=plain), late
            except (OSError, ValueError) as error:
                if late.is_set():
                    raise TimeoutError(f"no whole answer within {self._seconds:g} s") from error
                raise

    def _spoken(self, line: socket.socket, port: int, stack: contextlib.ExitStack, *, plain: bool) -> HTTPConnection:
        """HTTP over the line, encrypted by who proves its name unless plain."""
        import http.client
        import ssl

        if plain:
            out = http.client.HTTPConnection(self._host, port)
        else:
            line = ssl.create_default_context().wrap_socket(line, server_hostname=self._host)
            out = http.client.HTTPSConnection(self._host, port)
        out.sock = line
        stack.callback(out.close)
        return out

    @contextlib.contextmanager
    def _trouble(self, malformed: type[Exception]) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, malformed) as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise Unusable(
                f"{self._what} at {self._host} does not answer", why=why[:300], mend="try again later"
            ) from error


def _address(url: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        plain = (
            parts.scheme in SCHEMES and parts.hostname and not (parts.query or parts.fragment or "@" in parts.netloc)
        )
        if plain and (parts.port is None or parts.port) and url.isascii() and url.isprintable() and " " not in url:
            return parts
    except ValueError as error:
        raise Unusable(
            f"{url!r:.120} is no address of {what}", why=str(error), mend="https://HOST[:PORT][/PREFIX]"
        ) from error
    raise Unusable(f"{url!r:.120} is no address of {what}", mend="https://HOST[:PORT][/PREFIX]")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cut(peer: socket.socket, late: threading.Event) -> None:
    """End an exchange that outlasted its time, wherever it stands."""
    late.set()
    with contextlib.suppress(OSError):  # it closed meanwhile
        peer.shutdown(socket.SHUT_RDWR)
