"""One exchange with a server that is not trusted: bounded in bytes and in time, never led elsewhere.

What comes back proves itself by signatures and hashes, so the transport need not be believed; outside this machine it is
encrypted all the same, so that nobody on the way learns who asks, or keeps an answer back unseen.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

from countermark import canonical
from countermark.errors import Unusable
from countermark.ledger.line import Line

if TYPE_CHECKING:
    from http.client import HTTPResponse

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
    """A server by its URL; every request has a connection of its own, but in a ``with`` block, where one thread asks over one.

    Args:
        url: ``https://HOST[:PORT][/PREFIX]``, or ``http://`` on this machine. what: its name in messages.
        seconds: for one whole exchange, from the connection, or the request on one that stands, to the last byte.
        clear: whether ``http://`` may leave this machine.
    """

    def __init__(self, url: str, what: str, *, seconds: float = SECONDS, clear: bool = False) -> None:
        """Check the address; nothing is sent yet.

        Raises:
            Unusable: not http or https, with a user, query or fragment, or unencrypted to another machine.
        """
        self._parts = _address(url, what)
        self._what, self._seconds = what, seconds
        self._keeps = False
        self._kept: Line | None = None
        if self._parts.scheme == "http" and not clear and not _loopback(self._host):
            raise Unusable(f"{url!r:.120} is outside loopback without TLS", mend="use https")

    def __enter__(self) -> Self:
        self._keeps = True
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._keeps = False
        if self._kept is not None:
            self._kept.close()

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
        import http.client  # a verifier, who asks nobody, needs it not

        with self._trouble(http.client.HTTPException), self._line() as line, line.exchange() as connection:
            connection.request(method, self._parts.path.rstrip("/") + path, body or None, headers)
            with connection.getresponse() as answer:
                wanted = method == "POST" or answer.status == 200
                got = self._body(answer, limit) if wanted else b""
                reply = Reply(answer.status, got, answer.headers.get("Content-Type", ""))
                line.clean = answer.isclosed()
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
    def _line(self) -> Iterator[Line]:
        """The line that is kept, where it goes on, or a new one."""
        line, self._kept = self._kept, None
        if line is not None and not line.goes_on():
            line.close()
            line = None
        if line is None:
            plain = self._parts.scheme == "http"
            line = Line(self._host, self._parts.port or (80 if plain else 443), self._seconds, plain=plain)
        try:
            yield line
        except BaseException:
            line.close()
            raise
        if self._keeps:
            self._kept = line
        else:
            line.close()

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
