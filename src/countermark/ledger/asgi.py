"""What servers of this program take in over ASGI: bounded in bytes and in time, as `peer` is on the other side.

Here because witness and broker both stand on the ledger, and on nothing else together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def body(receive: Receive, most: int, seconds: float) -> bytes | None:
    """The whole body of a request; None where it is larger than `most` bytes, and b"" where its sender left.

    Args:
        receive: of the connection. seconds: for all of it: a sender that trickles does not stay.

    Raises:
        TimeoutError: it did not come in time.
    """
    async with asyncio.timeout(seconds):  # not `wait_for`, which makes a task of each body
        return await _whole(receive, most)


async def _whole(receive: Receive, most: int) -> bytes | None:
    taken, more = bytearray(), True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return b""
        taken += event.get("body", b"")
        more = event.get("more_body", False)
        if len(taken) > most:
            return None
    return bytes(taken)
