"""The guard: a bare ASGI application that answers nobody without a key, and signs every answer.

Order of work for every request, whatever its path or method: 1. the API key; 2. the delegation's time; 3. the form of
nonce and digest, without which there is nothing to bind a signature to; 4. route and method; 5. the body, bounded in
size and time; 6. its digest; 7. the licence, where the model has one; 8. the model; 9. the signature. What fails from 4 on is refused with a signature. A handler takes a `Caller`, which only a key ring makes, so that no route can be written that skips the key.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
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
from countermark.licence.refusal import LicenceRefused
from countermark.licence.tenure import Tenure

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Bytes = TypeVar("_Bytes", bytes, bytearray)
_Made = TypeVar("_Made")

PREDICT, MODEL = "/v1/predict", "/v1/model"
_WANTED = frozenset(
    (b"authorization", b"content-type", b"content-length", b"content-digest", signature.NONCE.encode())
)  # fmt: skip
_VISIBLE = re.compile("[!-~]+")
_TWICE = b"\0"
"""Stands for a field that was sent twice; it fits no form."""
_log = logging.getLogger("countermark.guard")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost.

    Attributes:
        body_bytes: of a query. body_seconds: until the whole body is here. images: of one query.
        inline_images, inline_json_bytes: up to so much is worked on the event loop, more in a worker thread.
    """

    body_bytes: int = 8 << 20
    body_seconds: float = 10.0
    images: int = 64
    inline_images: int = 4
    inline_json_bytes: int = 64 << 10


@dataclass(frozen=True, slots=True)
class Query:
    """A request by a known caller, whole and with the digest it declared."""

    caller: Caller
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller sent, as a signature names it. `digest` is the declared one until the body was read."""

    method: str
    path: str
    digest: str
    nonce: str


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
        clock: POSIX seconds. tenure: the licence that the model is served under, already loaded, or None.

    Raises:
        TrustRefused: the delegation is of another key, another model, or another time.
    """

    def __init__(
        self, served: Served, keys: KeyRing, signer: Signer, delegated: Delegated, papers: bytes,
        clock: Callable[[], float], limits: Limits | None = None, tenure: Tenure | None = None,
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
        self._tenure = tenure
        self._worker = ThreadPoolExecutor(1, "guard-model")
        self._routes: dict[str, tuple[str, Handler]] = {
            PREDICT: ("POST", self._predict),
            MODEL: ("GET", self._describe),
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
            asked = self._asked(scope, fields)
        except Turned as error:
            await _refuse(send, error.status, error.what)
            _log.info("%s %d", caller.id, error.status)
            return
        try:
            handler = self._route(scope)
            whole = await self._read(receive, fields)
            if whole is None:
                return  # the caller hung up
            if not hmac.compare_digest(signature.content_digest(whole), asked.digest):
                raise Turned(400, "Content-Digest is not that of the body")
        except Turned as error:
            # The body may be unread: what is signed is the digest the caller declared, and that it was refused.
            await self._sign(send, asked, (error.status, bodies.JSON, _said(error)), (b"connection", b"close"))
            _log.info("%s %d", caller.id, error.status)
            return
        media_type = fields.get(b"content-type", b"").decode("latin-1")
        answer = await self._answer(handler, Query(caller, media_type, whole))
        await self._sign(send, asked, answer)
        _log.info("%s %s %d", caller.id, asked.path, answer[0])

    def _asked(self, scope: Scope, fields: dict[bytes, bytes]) -> Asked:
        """What an answer is bound to; text that could not stand on one line of a signature base is turned away."""
        if not self._begin <= self._clock() < self._end:
            raise Turned(503, "the guard key's delegation has ended")
        nonce = fields.get(signature.NONCE.encode(), b"").decode("latin-1")
        if not signature.NONCE_FORM.fullmatch(nonce):
            raise Turned(400, f"the field {signature.NONCE} is missing or malformed")
        digest = fields.get(b"content-digest", b"").decode("latin-1")
        if not signature.DIGEST_FORM.fullmatch(digest):
            raise Turned(400, "Content-Digest is missing or malformed")
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        if not _VISIBLE.fullmatch(path) or not _VISIBLE.fullmatch(scope["method"]):
            raise Turned(404, "nothing is here")
        return Asked(scope["method"], path, digest, nonce)

    def _route(self, scope: Scope) -> Handler:
        path = scope["path"]
        if path not in self._routes or scope.get("raw_path", path.encode()) != path.encode() or scope["query_string"]:
            raise Turned(404, "nothing is here")
        method, handler = self._routes[path]
        if scope["method"] != method:
            raise Turned(405, f"this takes {method}")
        return handler

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
            status = error.status if isinstance(error, Turned) else 403 if isinstance(error, LicenceRefused) else 400
            return status, bodies.JSON, _said(error)

    async def _sign(
        self, send: Send, asked: Asked, said: tuple[int, str, bytes], *more: tuple[bytes, bytes]
    ) -> None:  # fmt: skip
        status, kind, answer = said
        exchange = Exchange(
            asked.method, asked.path, asked.digest, asked.nonce, status, signature.content_digest(answer),
            self._served.digest,
        )  # fmt: skip
        given, value = signature.sign(exchange, int(self._clock()), self._signer, self._key_id)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(answer)),
            (b"content-digest", exchange.answer_digest.encode()),
            (signature.MODEL.encode(), exchange.model.encode()),
            (b"signature-input", given.encode()),
            (b"signature", value.encode()),
            *more,
        ]
        await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _predict(self, query: Query) -> tuple[str, bytes]:
        if query.media_type not in bodies.TYPES:
            raise Turned(415, f"a query is one of {', '.join(bodies.TYPES)}")
        if query.media_type == bodies.JSON and len(query.body) > self._limits.inline_json_bytes:
            images = await self._aside(bodies.read_images, query.media_type, query.body)
        else:
            images = bodies.read_images(query.media_type, query.body)
        if not images.ndim or not 1 <= len(images) <= self._limits.images:
            raise Turned(400, f"a query has 1 to {self._limits.images} pictures")
        await self._licensed(len(images))
        if len(images) <= self._limits.inline_images:
            scores = self._served.network.predict(images)
        else:
            scores = await self._aside(self._served.network.predict, images)
        if not np.isfinite(scores).all():
            raise Turned(422, "the model has no finite answer to this")
        return query.media_type, bodies.pack_scores(query.media_type, scores, self._served.labels)

    async def _licensed(self, queries: int) -> None:
        """Use the licence; where it has to be looked at again or a block has to be drawn, that waits for a disk or a chip."""
        if self._tenure is None or self._tenure.take(queries):
            return
        try:
            await self._aside(self._tenure.renew, queries)
        except LicenceRefused as error:
            _log.warning("%s; %s", error.what, error.mend)
            raise
        except CountermarkError as error:  # what a disk or a chip says may tell of this host
            _log.error("the licence cannot be kept: %s", error)
            raise Turned(503, "the licence's state cannot be read or kept at the guard") from error
        for note in self._tenure.granted.notes if self._tenure.granted else ():
            _log.warning("%s", note)  # at most once a minute or a block

    def _finish(self) -> None:
        """An orderly end: running work is done, and what was drawn and not used is given back."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        if self._tenure is not None:
            try:
                self._tenure.close()
            except CountermarkError as error:  # the block is lost, as in a crash; the guard ends all the same
                _log.error("the rest of a block of queries is lost: %s", error)

    async def _aside(self, work: Callable[..., _Made], *given: Any) -> _Made:
        """Work that would hold up other callers, in the worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *given)

    async def _describe(self, query: Query) -> tuple[str, bytes]:
        return bodies.JSON, self._about

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._finish()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def _said(error: CountermarkError) -> bytes:
    """A refusal's first line; why and mend stay here, they may tell of this host."""
    return canonical.to_bytes({"error": error.what})


async def _refuse(send: Send, status: int, what: str, *more: tuple[bytes, bytes]) -> None:
    """An answer that nobody signed: the caller is unknown, or there is nothing to bind it to. The connection ends."""
    text = canonical.to_bytes({"error": what})
    headers = [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(text)), (b"connection", b"close"), *more,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
