"""ASGI application of a broker: two routes for keys, one for licences' meters; everything else is denied.

There is no caller's login: what is asked for is granted or not by the evidence in the request alone, and what is answered opens only for
the ephemeral key that the evidence names. A refusal tells the caller about his own evidence; what is wrong with the broker stays here.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from countermark import canonical
from countermark.broker.meters import Meters
from countermark.broker.request import MOST_REQUEST
from countermark.broker.service import Broker
from countermark.errors import CountermarkError, FormatRefused, Refusal, StatementRefused
from countermark.ledger import asgi
from countermark.ledger.asgi import Receive, Scope, Send
from countermark.licence.metered import PATH as METER

Said = tuple[int, bytes]
CHALLENGE, RELEASE = "/v1/challenge", "/v1/release"
BODY_SECONDS = 10.0
ENDS_SECONDS = 5.0
THREADS = 16
"""At once in the broker: they wait for the same disk, and one commit of the log is enough for all of them."""
_log = logging.getLogger("countermark.broker")


class App:
    """The application of one broker."""

    def __init__(self, broker: Broker, meters: Meters | None = None) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "broker")
        self._broker, self._meters = broker, meters
        self._acts = {RELEASE: broker.release} | ({METER: meters.answer} if meters else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection. Anything but HTTP and the lifespan is closed."""
        if scope["type"] == "http":
            await _send(send, await self._http(scope, receive))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": f"{scope['type']}.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        ends = asyncio.create_task(self._enter_ends())
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        ends.cancel()
        self._pool.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _enter_ends(self) -> None:
        """What the operator ends while this runs is in the log soon, also where no host asks."""
        while self._meters is not None:
            await asyncio.sleep(ENDS_SECONDS)
            try:
                await asyncio.get_running_loop().run_in_executor(self._pool, self._meters.enter_ends)
            except CountermarkError as error:
                _log.error("an end is not in the log yet: %s (%s)", error.what, error.why)

    async def _http(self, scope: Scope, receive: Receive) -> Said:
        if scope["path"] not in (CHALLENGE, *self._acts) or scope["query_string"]:
            return _told(404, "nothing is here")
        if scope["method"] != "POST":
            return _told(405, "this takes POST")
        try:
            body = await asgi.body(receive, MOST_REQUEST, BODY_SECONDS)
        except TimeoutError:
            return _told(408, "the request did not come in time")
        if body is None:
            return _told(413, f"a request has at most {MOST_REQUEST} bytes")
        if scope["path"] == CHALLENGE:  # costs a hash: no thread is worth it
            return 200, canonical.to_bytes({"challenge": base64.b64encode(self._broker.challenge()).decode()})
        return await asyncio.get_running_loop().run_in_executor(self._pool, _answered, self._acts[scope["path"]], body)


def _answered(act: Callable[[bytes], bytes], body: bytes) -> Said:
    try:
        return 200, act(body)
    except (StatementRefused, FormatRefused) as error:
        return _told(400, error.what, error)
    except Refusal as error:
        _log.info("refused: %s", error.what)
        return _told(403, error.what, error)
    except CountermarkError as error:
        _log.error("cannot answer: %s (%s)", error.what, error.why)
        return _told(503, "this broker cannot answer now")


def _told(status: int, what: str, error: Refusal | None = None) -> Said:
    more = {"why": error.why, "fix": error.mend} if error else {}
    return status, canonical.to_bytes({"error": what, **more})


async def _send(send: Send, said: Said) -> None:
    status, body = said
    headers = [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
