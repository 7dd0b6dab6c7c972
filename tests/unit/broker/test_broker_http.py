"""The broker over HTTP: two routes, bounded bodies, and a client that takes nothing which does not prove itself."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from broker_world import World

from countermark.broker import client, prove
from countermark.broker.app import CHALLENGE, RELEASE, App
from countermark.broker.request import MOST_REQUEST
from countermark.errors import FormatRefused, PolicyRefused, Unusable
from countermark.keys import signer

uvicorn = pytest.importorskip("uvicorn", reason="needs the serve extra")


@pytest.fixture
def served(world: World) -> Iterator[tuple[World, str, object]]:
    from countermark.guard import server

    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(releases=100))
        with server.background(App(broker)) as url:
            yield world, url, log


def post(url: str, path: str, body: bytes = b"", method: str = "POST") -> tuple[int, dict]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(method, path, body)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def test_a_host_gets_its_key_over_http(served) -> None:
    world, url, log = served
    assert client.ask(url, world.asset(), prove.by_key(world.host), log.key) == world.key
    with pytest.raises(PolicyRefused, match="not enrolled") as caught:
        client.ask(url, world.asset(), prove.by_key(signer.generate("host")))
    assert "ask the owner" in caught.value.mend
    with pytest.raises(PolicyRefused, match="no rule of the owner"):
        client.ask(url, world.asset(recipient="plant-9"), prove.by_key(world.host))


def test_a_broker_that_gives_another_key_is_found_out(served) -> None:
    """The attack: somebody in the broker's place gives a key of his own, so that what is opened with it is his."""
    world, url, _ = served
    theirs = World(world.home / "none", root=world.root)
    with pytest.raises((FormatRefused, PolicyRefused)):
        client.ask(url, prove.Asset("acme", theirs.prelude, "plant-7"), prove.by_key(world.host))


def test_everything_else_is_denied(served) -> None:
    world, url, log = served
    before = len(list(log.records()))
    for method, path, body, status in (
        ("GET", RELEASE, b"", 405), ("GET", CHALLENGE, b"", 405), ("PUT", RELEASE, b"", 405), ("POST", "/", b"", 404),
        ("POST", "/v1/release/", b"", 404), ("POST", RELEASE + "?x=1", b"", 404), ("POST", RELEASE, b"", 400),
        ("POST", RELEASE, b"{}", 400), ("POST", RELEASE, b"[" * 5000, 400), ("POST", RELEASE, b"x" * (MOST_REQUEST + 1), 413),
        ("POST", "/v1/deposits", b"{}", 404),
    ):  # fmt: skip
        seen, said = post(url, path, body, method)
        assert seen == status and said["error"], (method, path)
    status, said = post(url, CHALLENGE)
    asked = prove.request(
        world.asset(), base64.b64decode(said["challenge"]), prove.ephemeral(), prove.by_key(world.host)
    ).to_bytes()
    assert status == 200 and post(url, RELEASE, asked)[0] == 200
    assert post(url, RELEASE, asked)[0] == 403
    assert len(list(log.records())) == before + 1


def test_what_is_wrong_with_the_broker_stays_there(served) -> None:
    world, url, log = served
    log.__exit__(None, None, None)
    with pytest.raises(Unusable, match="status 503"):
        client.ask(url, world.asset(), prove.by_key(world.host))


def test_it_does_not_listen_outside_loopback_in_the_clear() -> None:
    from countermark.guard import server

    with pytest.raises(Unusable, match="outside loopback"):
        server.bind(server.Listen("0.0.0.0"))
    with pytest.raises(Unusable, match="outside loopback"):
        client.ask("http://192.0.2.1:8767", None, None)  # type: ignore[arg-type]


def test_a_client_that_leaves_half_way_costs_nothing(served) -> None:
    world, url, log = served
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        line.sendall(b"POST /v1/release HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
    assert client.ask(url, world.asset(), prove.by_key(world.host), log.key) == world.key
