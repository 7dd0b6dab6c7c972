"""The guard as an ASGI application: no way in without a key, and what a key may and may not ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from core_world import SECOND
from guard_world import LABELS, MODEL, GuardWorld, pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import ExchangeRefused
from countermark.guard import body, keyring, signature, tensor
from countermark.guard.app import Guard, Limits
from countermark.guard.signature import Exchange

NONCE = "n" * 32
METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT", "FOO")
PATHS = (
    "/v1/predict", "/v1/model", "/", "", "*", "/health", "/invocations", "/metrics", "/docs",
    "/openapi.json", "/v1/predict/", "//v1/predict", "/v1/../v1/predict", "/V1/PREDICT", "/v1/predict;x", "/v2/models",
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What came back: status, fields, body."""

    status: int
    fields: dict[str, str]
    body: bytes


def call(
    app: Guard, method: str = "POST", path: str = "/v1/predict", *, fields: dict[str, str] | None = None,
    pieces: Iterable[bytes] = (b"",), raw: bytes | None = None, query: bytes = b"", more: Iterable[tuple[bytes, bytes]] = (),
) -> Reply | None:  # fmt: skip
    """One request as an ASGI server would hand it over; None where nothing was answered."""
    given_ = [(k.encode(), v.encode("latin-1")) for k, v in (fields or {}).items()] + list(more)
    scope: dict[str, Any] = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode() if raw is None else raw,
        "query_string": query, "headers": given_,
    }  # fmt: skip
    parts = list(pieces)
    waiting = [{"type": "http.request", "body": p, "more_body": i + 1 < len(parts)} for i, p in enumerate(parts)]
    sent: list[Any] = []

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(3600)
        return None

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    if not sent:
        return None
    return Reply(
        sent[0]["status"],
        {k.decode(): v.decode() for k, v in sent[0]["headers"]},
        b"".join(m["body"] for m in sent[1:]),
    )


def fields_for(place: GuardWorld, data: bytes, kind: str = tensor.MEDIA_TYPE, **changes: str) -> dict[str, str]:
    out = {
        "authorization": f"Bearer {place.token}", "content-type": kind, "countermark-nonce": NONCE,
        "content-digest": signature.content_digest(data), "content-length": str(len(data)),
    }  # fmt: skip
    return {k: v for k, v in (out | {k.replace("_", "-"): v for k, v in changes.items()}).items() if v != "absent"}


def ask(place: GuardWorld, app: Guard, data: bytes, kind: str = tensor.MEDIA_TYPE, **changes: str) -> Reply:
    reply = call(app, fields=fields_for(place, data, kind, **changes), pieces=[data])
    assert reply is not None
    return reply


def verified(place: GuardWorld, reply: Reply, data: bytes, method: str = "POST", path: str = "/v1/predict") -> None:
    exchange = Exchange(
        method, path, signature.content_digest(data), NONCE, reply.status, signature.content_digest(reply.body), MODEL
    )
    now = int(place.world.clock().timestamp())
    signature.verify(exchange, reply.fields["signature-input"], reply.fields["signature"], place.signer.public, now)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_key_every_method_and_path_gets_the_same_refusal(place: GuardWorld, method: str) -> None:
    """vLLM's /invocations was one route that its key did not cover (issue 58144 there): here no route can be."""
    app = place.app()
    seen = {str(call(app, method, path, fields={"countermark-nonce": NONCE})) for path in PATHS}
    assert len(seen) == 1
    assert "status=401" in seen.pop()


def test_no_text_in_path_method_or_key_opens_the_door(place: GuardWorld) -> None:
    app = place.app()

    @settings(max_examples=100, deadline=None)
    @given(st.text(max_size=40), st.binary(max_size=40), st.sampled_from(METHODS), st.binary(max_size=90))
    def knock(path: str, raw: bytes, method: str, key: bytes) -> None:
        reply = call(app, method, "/v1/" + path, raw=raw, more=[(b"authorization", b"Bearer " + key)])
        assert reply is not None
        assert reply.status == 401

    knock()


def test_every_route_takes_a_query_that_only_a_known_caller_has(place: GuardWorld) -> None:
    app = place.app()
    assert {p: m for p, (m, _) in app._routes.items()} == {"/v1/predict": "POST", "/v1/model": "GET"}
    for path, (method, _) in app._routes.items():
        good = fields_for(place, b"")
        assert call(app, method, path, fields={k: v for k, v in good.items() if k != "authorization"}).status == 401  # type: ignore[union-attr]
        twice = call(app, method, path, fields=good, more=[(b"authorization", good["authorization"].encode())])
        assert twice is not None
        assert twice.status == 401


def test_a_good_query_gets_a_signed_answer(place: GuardWorld) -> None:
    images = pictures(3)
    data = body.pack_images(images)
    reply = ask(place, place.app(), data)
    assert reply.status == 200
    verified(place, reply, data)
    assert np.array_equal(body.read_scores(reply.body, 3, 5), place.served.network.predict(images))
    assert not {"server", "x-powered-by"} & set(reply.fields)


def test_json_is_taken_too(place: GuardWorld) -> None:
    images = pictures(2)
    data = json.dumps({"images": images.tolist()}).encode()
    reply = ask(place, place.app(), data, body.JSON)
    verified(place, reply, data)
    said = json.loads(reply.body)
    scores = place.served.network.predict(images)
    assert said["labels"] == [LABELS[i] for i in scores.argmax(axis=1)]
    assert np.allclose(said["scores"], scores)


def test_many_pictures_are_answered_in_a_worker(place: GuardWorld) -> None:
    images = pictures(40)
    reply = ask(place, place.app(), body.pack_images(images))
    assert np.array_equal(body.read_scores(reply.body, 40, 5), place.served.network.predict(images))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"countermark_nonce": "absent"}, 400), ({"countermark_nonce": "short"}, 400),
        ({"countermark_nonce": "n" * 65}, 400), ({"countermark_nonce": "n" * 31 + "\xff"}, 400),
        ({"content_digest": "absent"}, 400), ({"content_digest": "\xff"}, 400), ({"content_digest": "sha-256=:AA==:"}, 400),
    ],
)  # fmt: skip
def test_what_no_signature_could_be_bound_to_is_refused_unsigned(
    place: GuardWorld, changes: dict[str, str], status: int
) -> None:
    reply = ask(place, place.app(), body.pack_images(pictures()), **changes)
    assert reply.status == status
    assert "signature" not in reply.fields
    assert reply.fields["connection"] == "close"


@pytest.mark.parametrize("length", ["9" * 30, "-1", "1_0", str((8 << 20) + 1)])
def test_a_body_too_large_is_refused_before_it_is_read_and_signed(place: GuardWorld, length: str) -> None:
    data = body.pack_images(pictures())
    reply = ask(place, place.app(), data, content_length=length)
    assert reply.status == 413
    verified(place, reply, data)
    assert reply.fields["connection"] == "close"


def test_a_body_changed_on_its_way_is_a_signed_refusal_of_what_was_declared(place: GuardWorld) -> None:
    meant = body.pack_images(pictures())
    reply = ask(place, place.app(), meant[:-1] + b"\0", content_digest=signature.content_digest(meant))
    assert reply.status == 400
    verified(place, reply, meant)


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/v1/none", 404), ("PUT", "/v1/predict", 405)])
def test_wrong_doors_are_signed_for_known_callers(place: GuardWorld, method: str, path: str, status: int) -> None:
    reply = call(place.app(), method, path, fields=fields_for(place, b""))
    assert reply is not None
    assert reply.status == status
    verified(place, reply, b"", method, path)


@pytest.mark.parametrize("path", ["/a\nb", "/a b", "", "/\u00e9", '/a\n"@status": 200'])
def test_no_path_writes_a_line_of_its_own_into_a_signature(place: GuardWorld, path: str) -> None:
    """A server other than uvicorn may hand over any text; uvicorn's parser refuses these before us."""
    reply = call(place.app(), "POST", path, fields=fields_for(place, b""))
    assert reply is not None
    assert reply.status == 404
    assert "signature" not in reply.fields


def test_large_json_is_read_in_the_worker(place: GuardWorld) -> None:
    place.limits = Limits(inline_json_bytes=10)
    data = json.dumps({"images": pictures(2).tolist()}).encode()
    reply = ask(place, place.app(), data, body.JSON)
    assert reply.status == 200
    verified(place, reply, data)
    bad = b'{"images": ["' + b"a" * 100 + b'"]}'
    reply = ask(place, place.app(), bad, body.JSON)
    assert reply.status == 400
    verified(place, reply, bad)


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"", tensor.MEDIA_TYPE, 400), (b"garbage" * 9, tensor.MEDIA_TYPE, 400), (b"{}", body.JSON, 400),
        (b"x", "text/plain", 415), (body.pack_images(pictures(65)), tensor.MEDIA_TYPE, 400),
        (body.pack_images(pictures()[:0]), tensor.MEDIA_TYPE, 400), (body.pack_images(pictures()[0]), tensor.MEDIA_TYPE, 400),
        (body.pack_images(np.zeros((1, 9, 8, 3), np.uint8)), tensor.MEDIA_TYPE, 400),
        (body.pack_images(np.zeros((), np.uint8)), tensor.MEDIA_TYPE, 400),
        (b'{"images":[[[["x"]]]]}', body.JSON, 400),
    ],
)  # fmt: skip
def test_queries_that_do_not_hold_get_a_signed_refusal(place: GuardWorld, data: bytes, kind: str, status: int) -> None:
    reply = ask(place, place.app(), data, kind)
    assert reply.status == status
    verified(place, reply, data)
    assert json.loads(reply.body)["error"]


def test_a_body_larger_than_it_declared_is_cut_off(place: GuardWorld) -> None:
    place.limits = Limits(body_bytes=1000)
    reply = call(place.app(), fields=fields_for(place, b"", content_length="absent"), pieces=[b"x" * 600] * 100)
    assert reply is not None
    assert reply.status == 413


def test_a_body_that_never_ends_is_cut_off(place: GuardWorld) -> None:
    place.limits = Limits(body_seconds=0.05)
    app = place.app()

    async def scenario() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(k.encode(), v.encode()) for k, v in fields_for(place, b"", content_length="absent").items()]
        scope = {"type": "http", "method": "POST", "path": "/v1/predict", "raw_path": b"/v1/predict",
                 "query_string": b"", "headers": headers}  # fmt: skip
        await asyncio.wait_for(app(scope, receive, send), 5)
        return sent

    assert asyncio.run(scenario())[0]["status"] == 408


def test_a_caller_that_hangs_up_gets_nothing(place: GuardWorld) -> None:
    app = place.app()

    async def scenario() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(k.encode(), v.encode()) for k, v in fields_for(place, b"").items()]
        await app({"type": "http", "method": "POST", "path": "/v1/predict", "query_string": b"", "headers": headers},
                  receive, send)  # fmt: skip
        return sent

    assert asyncio.run(scenario()) == []


@pytest.mark.parametrize("path", [p for p in PATHS if not p.startswith("/v1/") or p.count("/") != 2] + ["/v1/none"])
def test_with_a_key_other_paths_are_not_found(place: GuardWorld, path: str) -> None:
    reply = call(place.app(), "POST", path, fields=fields_for(place, b""))
    assert reply is not None
    assert reply.status == 404


@pytest.mark.parametrize("raw", [b"/v1/%70redict", b"/v1/predict%00", b"/v1%2fpredict"])
def test_a_path_counts_only_as_it_was_sent(place: GuardWorld, raw: bytes) -> None:
    reply = call(place.app(), fields=fields_for(place, b""), raw=raw)
    assert reply is not None
    assert reply.status == 404


def test_a_query_string_is_refused_because_no_signature_covers_it(place: GuardWorld) -> None:
    reply = call(place.app(), fields=fields_for(place, b""), query=b"detail=full")
    assert reply is not None
    assert reply.status == 404


@pytest.mark.parametrize("method", [m for m in METHODS if m != "POST"])
def test_with_a_key_other_methods_are_refused(place: GuardWorld, method: str) -> None:
    reply = call(place.app(), method, fields=fields_for(place, b""))
    assert reply is not None
    assert reply.status == 405


def test_after_the_delegation_nothing_is_signed(place: GuardWorld) -> None:
    app, data = place.app(), body.pack_images(pictures())
    place.world.clock.move(days=7)
    reply = ask(place, app, data)
    assert reply.status == 503
    assert "signature" not in reply.fields


def test_a_revoked_key_ends_on_a_running_guard(place: GuardWorld) -> None:
    app, data = place.app(), body.pack_images(pictures())
    assert ask(place, app, data).status == 200
    space = place.world[SECOND].space
    keyring.revoke(space, keyring.entries(space)[0].id, place.world[SECOND].stamp())
    place.world.clock.move(seconds=1)
    assert ask(place, app, data).status == 401


class Broken:
    """A network that answers with what it was made with."""

    input_shape = (8, 8, 3)

    def __init__(self, value: float) -> None:
        self._value = value

    def predict(self, images: Any) -> Any:
        return np.full((len(images), 5), self._value, np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_a_signed_refusal(place: GuardWorld, value: float) -> None:
    place.served = replace(place.served, network=Broken(value))
    data = body.pack_images(pictures())
    reply = ask(place, place.app(), data)
    assert reply.status == 422
    verified(place, reply, data)


def test_a_replayed_answer_does_not_fit_another_nonce(place: GuardWorld) -> None:
    app, data = place.app(), body.pack_images(pictures())
    old = ask(place, app, data, countermark_nonce="m" * 32)
    with pytest.raises(ExchangeRefused, match="not the one the guard gave"):
        verified(place, old, data)


def test_websockets_are_closed(place: GuardWorld) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(place.app()({"type": "websocket", "path": "/v1/predict"}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
