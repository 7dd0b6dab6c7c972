"""ASGI application of a witness: one route, everything else is denied.

Source: C2SP tlog-witness. There is no authentication beyond the signature on the checkpoint, as the specification has
it; the key that signs is not in this file, nor is what was seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from countermark.errors import CountermarkError
from countermark.ledger import asgi
from countermark.ledger.asgi import Receive, Scope, Send
from countermark.ledger.submission import MAX_BYTES, Answer

PATH = "/add-checkpoint"
BODY_SECONDS = 10.0


class Witness:
    """The application.

    Args:
        answer: answers the body of one submission; raises where the witness cannot work at all. It is called from
            one thread at a time.
    """

    def __init__(self, answer: Callable[[bytes], Answer]) -> None:
        self._answer = answer
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection. Anything but HTTP and the lifespan is closed."""
        if scope["type"] == "http":
            await _send(send, await self._http(scope, receive))
        elif scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": f"{scope['type']}.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive) -> Answer:
        if scope["path"] != PATH:
            return Answer(404, b"there is nothing here\n")
        if scope["method"] != "POST":
            return Answer(405, b"POST a submission\n")
        try:
            body = await asgi.body(receive, MAX_BYTES, BODY_SECONDS)
        except TimeoutError:
            return Answer(408, b"the submission did not come in time\n")
        if body is None:
            return Answer(413, b"the submission is too large\n")
        async with self._turn:
            try:
                return await asyncio.to_thread(self._answer, body)
            except CountermarkError:
                return Answer(503, b"this witness cannot work now\n")


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", answer.type.encode()), (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
