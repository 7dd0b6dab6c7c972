"""The guard: a bare ASGI application that answers nobody without a key, and signs every answer.

Order of work for every request, whatever its path or method: 1. the API key; 2. the delegation's time; 3. the route,
its method and the form of the fields; 4. the body, bounded in size and time; 5. its digest; 6. the model; 7. the
signature. A handler takes a `Caller`, which only a key ring makes, so that no route can be written that skips the key.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from countermark import canonical
from countermark.errors import CountermarkError, ExchangeRefused, TrustRefused
from countermark.guard import body as bodies
from countermark.guard import signature
from countermark.guard.admission import Served
from countermark.guard.delegation import Delegated
from countermark.guard.keyring import Caller, KeyRing
from countermark.guard.signature import Exchange
from countermark.keys.signer import Signer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Bytes = TypeVar("_Bytes", bytes, bytearray)

PREDICT, MODEL, HEALTH = "/v1/predict", "/v1/model", "/v1/health"
_WANTED = frozenset(
    (b"authorization", b"content-type", b"content-length", b"content-digest", signature.NONCE.encode())
)  # fmt: skip
_TWICE = b"\0"
"""Stands for a field that was sent twice; it fits no form."""
_log = logging.getLogger("countermark.guard")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost.

    Attributes:
        body_bytes: of a query. body_seconds: until the whole body is here. images: of one query.
        inline_images: up to so many are answered on the event loop, more in a worker thread.
    """

    body_bytes: int = 8 << 20
    body_seconds: float = 10.0
    images: int = 64
    inline_images: int = 4


@dataclass(frozen=True, slots=True)
class Query:
    """A request by a known caller, whole and with the digest it declared."""

    caller: Caller
    media_type: str
    body: bytes


Handler = Callable[[Query], Awaitable[tuple[str, bytes]]]


class Turned(ExchangeRefused):
    """A request that is turned away with an HTTP status."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


class Guard:
    """ASGI application for one admitted model.

    Args:
        served: the model. keys: who may ask. signer: the guard key.
        delegated, papers: the verified delegation of that key, and its envelope as clients get it.
        clock: POSIX seconds.

    Raises:
        TrustRefused: the delegation is of another key, another model, or another time.
    """

    def __init__(
        self, served: Served, keys: KeyRing, signer: Signer, delegated: Delegated, papers: bytes,
        clock: Callable[[], float], limits: Limits | None = None,
    ) -> None:  # fmt: skip
        if delegated.key != signer.public or delegated.model != served.digest:
            raise TrustRefused("the delegation is of another guard key or of another model")
        self._served, self._keys, self._signer, self._clock = served, keys, signer, clock
        self._key_id = signer.public.id
        self._begin, self._end = delegated.not_before.timestamp(), delegated.not_after.timestamp()
        if not self._begin <= clock() < self._end:
            raise TrustRefused("the guard key's delegation does not count now", mend="the operator delegates anew")
        self._limits = limits or Limits()
        self._about = served.about(papers)
        self._worker = ThreadPoolExecutor(1, "guard-model")
        self._routes: dict[str, tuple[str, Handler]] = {
            PREDICT: ("POST", self._predict),
            MODEL: ("GET", self._describe),
            HEALTH: ("GET", self._health),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection. Anything but HTTP and the lifespan is closed."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": f"{scope['type']}.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        fields: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _WANTED:
                fields[name] = _TWICE if name in fields else value
        caller = self._keys.identify(fields.get(b"authorization", b""))
        if caller is None:
            await _refuse(send, 401, "an API key is needed", (b"www-authenticate", b"Bearer"))
            return
        try:
            handler = self._route(scope)
            media_type, nonce, declared = self._form(fields)
            whole = await self._read(receive, fields)
        except Turned as error:
            await _refuse(send, error.status, error.what)
            _log.info("%s %d", caller.id, error.status)
            return
        if whole is None:
            return  # the caller hung up
        digest = signature.content_digest(whole)
        if not hmac.compare_digest(digest, declared):
            await _refuse(send, 400, "Content-Digest is missing or not that of the body")
            return
        status, kind, answer = await self._answer(handler, Query(caller, media_type, whole))
        answered = signature.content_digest(answer)
        exchange = Exchange(scope["method"], scope["path"], digest, nonce, status, answered, self._served.digest)
        await self._sign(send, exchange, kind, answer)
        _log.info("%s %s %d", caller.id, scope["path"], status)

    def _route(self, scope: Scope) -> Handler:
        if not self._begin <= self._clock() < self._end:
            raise Turned(503, "the guard key's delegation has ended")
        path = scope["path"]
        if path not in self._routes or scope.get("raw_path", path.encode()) != path.encode() or scope["query_string"]:
            raise Turned(404, "nothing is here")
        method, handler = self._routes[path]
        if scope["method"] != method:
            raise Turned(405, f"this takes {method}")
        return handler

    def _form(self, fields: dict[bytes, bytes]) -> tuple[str, str, str]:
        nonce = fields.get(signature.NONCE.encode(), b"").decode("latin-1")
        if not signature.NONCE_FORM.fullmatch(nonce):
            raise Turned(400, f"the field {signature.NONCE} is missing or malformed")
        declared = fields.get(b"content-digest", b"").decode("latin-1")
        if not declared.isascii():
            raise Turned(400, "Content-Digest is malformed")
        return fields.get(b"content-type", b"").decode("latin-1"), nonce, declared

    async def _read(self, receive: Receive, fields: dict[bytes, bytes]) -> bytes | None:
        """The whole body, or None where the caller hung up."""
        length = fields.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 19 or int(length) > self._limits.body_bytes:
            raise Turned(413, f"a query has at most {self._limits.body_bytes} bytes")
        message = await receive()  # bounded by the server, which ends connections that send nothing
        if message["type"] == "http.request" and not message.get("more_body"):
            return self._within(bytes(message.get("body", b"")))
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._rest(receive, message)
        except TimeoutError:
            raise Turned(408, f"the query took longer than {self._limits.body_seconds:g} s to arrive") from None

    async def _rest(self, receive: Receive, message: MutableMapping[str, Any]) -> bytes | None:
        whole = bytearray()
        while message["type"] == "http.request":
            whole += message.get("body", b"")
            self._within(whole)
            if not message.get("more_body"):
                return bytes(whole)
            message = await receive()
        return None

    def _within(self, whole: _Bytes) -> _Bytes:
        if len(whole) > self._limits.body_bytes:
            raise Turned(413, f"a query has at most {self._limits.body_bytes} bytes")
        return whole

    async def _answer(self, handler: Handler, query: Query) -> tuple[int, str, bytes]:
        try:
            return (200, *await handler(query))
        except CountermarkError as error:
            status = error.status if isinstance(error, Turned) else 400
            return status, bodies.JSON, canonical.to_bytes({"error": error.what})

    async def _sign(self, send: Send, exchange: Exchange, kind: str, answer: bytes) -> None:
        given, value = signature.sign(exchange, int(self._clock()), self._signer, self._key_id)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(answer)),
            (b"content-digest", exchange.answer_digest.encode()),
            (signature.MODEL.encode(), exchange.model.encode()),
            (b"signature-input", given.encode()),
            (b"signature", value.encode()),
        ]
        await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _predict(self, query: Query) -> tuple[str, bytes]:
        if query.media_type not in bodies.TYPES:
            raise Turned(415, f"a query is one of {', '.join(bodies.TYPES)}")
        images = bodies.read_images(query.media_type, query.body)
        if not images.ndim or not 1 <= len(images) <= self._limits.images:
            raise Turned(400, f"a query has 1 to {self._limits.images} pictures")
        if len(images) <= self._limits.inline_images:
            scores = self._served.network.predict(images)
        else:
            loop = asyncio.get_running_loop()
            scores = await loop.run_in_executor(self._worker, self._served.network.predict, images)
        if not np.isfinite(scores).all():
            raise Turned(422, "the model has no finite answer to this")
        return query.media_type, bodies.pack_scores(query.media_type, scores, self._served.labels)

    async def _describe(self, query: Query) -> tuple[str, bytes]:
        return bodies.JSON, self._about

    async def _health(self, query: Query) -> tuple[str, bytes]:
        return bodies.JSON, b'{"status":"serving"}'

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._worker.shutdown(wait=True, cancel_futures=True)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


async def _refuse(send: Send, status: int, what: str, *more: tuple[bytes, bytes]) -> None:
    """An answer that nobody signed: the caller is unknown, or the query was not read. The connection ends."""
    text = canonical.to_bytes({"error": what})
    headers = [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(text)), (b"connection", b"close"), *more,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
