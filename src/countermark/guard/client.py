"""The verifying client: asks a guarded model, and takes no answer that its guard did not sign for this very question."""

from __future__ import annotations

import http.client
import ipaddress
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import ExchangeRefused, StatementRefused, Unusable
from countermark.guard import delegation, signature
from countermark.guard.delegation import Delegated
from countermark.guard.signature import Exchange, Signed
from countermark.keys.trust import Trust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ANSWER_BYTES = 16 << 20
MAX_LABELS = 1 << 16
_TOKEN = re.compile(r"cmk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Described:
    """What a verified guard serves.

    Attributes:
        delegated: the guard key, vouched for by the operator. labels: class names in score order.
        input_shape: of one picture; -1 where any size is taken.
    """

    delegated: Delegated
    labels: tuple[str, ...]
    input_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A handle to an answer whose signature holds.

    Attributes:
        scores: float32 (n, classes). labels: best class of each picture. model: tree digest, hex.
        time: when the guard signed. guard: id of its key. operator: who vouches for it. signed: the exchange.
    """

    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    model: str
    time: int
    guard: str
    operator: str
    signed: Signed


class Session:
    """One connection to a guard, kept open between questions; a context manager.

    Args:
        url: ``https://host[:port]``, or ``http://`` on loopback. api_key: the caller's token.
        ca: PEM file of the only authority whose certificates are taken; default: the system's.
        seconds: for one whole exchange. clock: UTC.

    Raises:
        Unusable: the URL is malformed or would send the key in the clear, or the CA file does not load.
    """

    def __init__(
        self, url: str, api_key: str, *, clock: Callable[[], datetime], ca: Path | None = None, seconds: float = 30.0
    ) -> None:
        if not _TOKEN.fullmatch(api_key):
            raise Unusable("this is not an API key", mend="it starts with cmk_ and was shown when it was made")
        self._key, self._clock, self._seconds = api_key, clock, seconds
        self._connection = _connection(url, ca, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()

    def describe(self, trust: Trust | Delegated, model: str) -> Described:
        """Ask what the guard serves, and verify its delegation and its signature.

        Args:
            trust: the reader's pinned trust document, or a guard key that he pinned himself (`delegation.pinned`).
            model: tree digest expected, hex.

        Raises:
            ExchangeRefused: the answer does not hold, or another model is served. TrustRefused, SignatureRefused,
            StatementRefused: the delegation does not hold. Unusable: nobody answers.
        """
        got = self._ask("GET", "/v1/model", b"", "")
        if got.status != 200:
            raise _refused(got, signed=False)  # who may sign here is not known yet
        said, labels, shape, envelope = _about(got.body)
        delegated = trust if isinstance(trust, Delegated) else delegation.verify(envelope, trust, self._clock())
        if said != model:
            raise ExchangeRefused(f"this guard serves another model: {said[:16]}", why=f"expected {model}")
        self._verify(got, delegated, model)
        return Described(delegated, labels, shape)

    def predict(self, images: NDArray[Any], described: Described) -> Answer:
        """Ask for scores.

        Args:
            images: uint8 or float32 (n, h, w, 3), values 0..255.

        Raises:
            ExchangeRefused: the answer does not hold, is a refusal, or is not about this question.
            TrustRefused: the delegation has ended. Unusable: nobody answers.
        """
        from countermark.guard import body as bodies
        from countermark.guard.tensor import MEDIA_TYPE

        got = self._ask("POST", "/v1/predict", bodies.pack_images(images), MEDIA_TYPE)
        signed = self._verify(got, described.delegated, described.delegated.model)
        scores = bodies.read_scores(got.body, len(images), len(described.labels))
        best = tuple(described.labels[i] for i in scores.argmax(axis=1))
        by = described.delegated
        return Answer(scores, best, by.model, signed.created, by.key.id, by.operator, signed)

    def _verify(self, got: _Got, delegated: Delegated, model: str) -> Signed:
        """The exchange as this side saw it, against the signature; then the status it signed."""
        now = self._clock()
        delegated.covers(now)
        if delegated.model != model:
            raise ExchangeRefused("the guard key is delegated for another model", why=f"expected {model}")
        exchange = Exchange(
            got.method, got.path, got.request_digest, got.nonce, got.status, signature.content_digest(got.body), model
        )
        if got.status != 200 and not got.signature:
            raise _refused(got, signed=False)
        signed = signature.verify(exchange, got.signature_input, got.signature, delegated.key, int(now.timestamp()))
        if got.status != 200:
            raise _refused(got, signed=True)
        return signed

    def _ask(self, method: str, path: str, body: bytes, media_type: str) -> _Got:
        kept = self._connection.sock is not None
        try:
            return self._once(method, path, body, media_type)
        except Unusable:
            if not kept:
                raise
        return self._once(method, path, body, media_type)  # the guard had ended a connection that was idle

    def _once(self, method: str, path: str, body: bytes, media_type: str) -> _Got:
        nonce, digest = secrets.token_urlsafe(24), signature.content_digest(body)
        headers = {
            "Authorization": f"Bearer {self._key}", signature.NONCE: nonce, "Content-Digest": digest,
            "Content-Length": str(len(body)),
        }  # fmt: skip
        if media_type:
            headers["Content-Type"] = media_type
        with _within(self._connection, self._seconds):
            self._connection.request(method, path, body, headers)
            reply = self._connection.getresponse()
            data = reply.read(MAX_ANSWER_BYTES + 1)
            if len(data) > MAX_ANSWER_BYTES:
                self._connection.close()
                raise ExchangeRefused(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            given, value = reply.getheader("Signature-Input", ""), reply.getheader("Signature", "")
        return _Got(method, path, digest, nonce, reply.status, data, given, value)


@dataclass(frozen=True, slots=True)
class _Got:
    """An exchange before its signature was verified."""

    method: str
    path: str
    request_digest: str
    nonce: str
    status: int
    body: bytes
    signature_input: str
    signature: str


_MENDS = {
    401: "ask the operator for an API key that counts", 404: "check the URL: it names the guard alone",
    403: "the operator's licence for the model says no: the named claim tells why; the operator asks its licensor",
    413: "send fewer pictures at once", 503: "the operator delegates a fresh guard key",
}  # fmt: skip


def query(
    url: str, images: NDArray[Any], api_key: str, *, trust: Trust | Delegated, model: str, clock: Callable[[], datetime],
    ca: Path | None = None, seconds: float = 30.0,
) -> Answer:  # fmt: skip
    """Ask a guarded model once, and verify everything. Arguments and errors as `Session` and its methods."""
    with Session(url, api_key, clock=clock, ca=ca, seconds=seconds) as session:
        return session.predict(images, session.describe(trust, model))


def _connection(url: str, ca: Path | None, seconds: float) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unusable(f"{url!r:.80} is not a URL", why=str(error)) from error
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.path not in ("", "/")
        or parts.query
        or parts.username
    ):
        raise Unusable(f"{url!r:.80} does not name a guard", mend="write https://host:port")
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=_tls(ca))
    if not _loopback(host):
        raise Unusable(
            f"{url} would send the API key and the pictures in the clear", mend="use https, with --ca for a private CA"
        )
    return http.client.HTTPConnection(host, port, timeout=seconds)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"the CA file {ca} does not load", why=str(error)) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@contextmanager
def _within(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Bound a whole exchange: a socket's own timeout starts anew with every byte that a slow server drips.

    Raises:
        Unusable: nobody answers. ExchangeRefused: what comes is not HTTP, or does not end in time.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(OSError, AttributeError):  # it was never opened, or is gone already
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
        if late.is_set():
            raise ExchangeRefused(f"no whole answer within {seconds:g} s")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        if isinstance(error, ssl.SSLError):
            raise ExchangeRefused("the guard's TLS certificate is not trusted", why=str(error)[:200]) from error
        if late.is_set() or isinstance(error, TimeoutError):
            raise ExchangeRefused(f"no whole answer within {seconds:g} s") from error
        if isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected):
            raise ExchangeRefused("what came back is not an HTTP answer", why=str(error)[:200]) from error
        raise Unusable(
            f"no answer from {connection.host}:{connection.port}", why=str(error)[:200], mend="is the guard running?"
        ) from error
    finally:
        timer.cancel()


def _about(body: bytes) -> tuple[str, tuple[str, ...], tuple[int, ...], dsse.Envelope]:
    try:
        fields = Fields(canonical.from_bytes(body, what="the guard's description"), "the guard's description")
        model, labels, shape = fields.hex("model"), fields.texts("labels"), tuple(fields.items("input"))
        envelope = dsse.Envelope.from_json(fields.object("delegation"), what="delegation")
        fields.done()
    except StatementRefused as error:
        raise ExchangeRefused("the guard's description is malformed", why=error.what) from error
    if not 1 <= len(labels) <= MAX_LABELS or not all(type(side) is int and side >= -1 for side in shape):
        raise ExchangeRefused(f"the guard names {len(labels)} classes and pictures of shape {shape!r:.80}")
    return model, labels, shape, envelope


def _refused(got: _Got, *, signed: bool) -> ExchangeRefused:
    """What a status other than 200 means; where it is not signed, anybody between may have written it."""
    whose = "the guard refused" if signed else "refused, without a verified signature of the guard"
    try:
        reason = Fields(canonical.from_bytes(got.body[:4096]), "refusal").text("error", most=400)
    except StatementRefused:
        reason = ""
    return ExchangeRefused(f"{whose}: {got.status} {reason}".rstrip(), mend=_MENDS.get(got.status, ""))
