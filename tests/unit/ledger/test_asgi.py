"""A server's side of an exchange: how much is taken in, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from countermark.broker import app as broker
from countermark.ledger import asgi
from countermark.witness import app as witness


def taken(*events: MutableMapping[str, Any], most: int = 10, seconds: float = 5.0) -> tuple[bytes | None, int]:
    """The body, and how many events were asked for."""
    asked = iter(events)
    count = [0]

    async def receive() -> MutableMapping[str, Any]:
        count[0] += 1
        event = next(asked, None)
        if event is None:
            await asyncio.sleep(60)
        return event or {}

    return asyncio.run(asgi.body(receive, most, seconds)), count[0]


def part(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_is_taken_whole_up_to_its_bound() -> None:
    assert taken(part(b"01234", more=True), part(b"56789")) == (b"0123456789", 2)
    assert taken({"type": "http.request"}) == (b"", 1)
    assert taken(part(b"0123", more=True), {"type": "http.disconnect"}) == (b"", 2)


def test_what_is_larger_is_not_read_to_its_end() -> None:
    assert taken(part(b"0" * 11, more=True), part(b"0")) == (None, 1)
    assert taken(*[part(b"0123", more=True)] * 9) == (None, 3)


def test_who_trickles_does_not_stay() -> None:
    with pytest.raises(TimeoutError):
        taken(part(b"0", more=True), seconds=0.05)


def test_broker_and_witness_share_it() -> None:
    assert broker.asgi is witness.asgi is asgi
