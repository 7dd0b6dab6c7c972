"""uvicorn's HTTP/1.1 protocol with the bounds it lacks: time for a request to arrive, and connections."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol


class _Bounded(H11Protocol):
    """Ends a connection that has not sent a whole request head in time, however slowly it goes on sending.

    uvicorn's own timer starts only after an answer and is taken back by any byte, so that a client that
    sends its head byte by byte would hold the connection for ever (Slowloris).
    """

    head_seconds = 10.0
    request_seconds = 30.0
    most = 256

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > self.most:
            transport.abort()  # type: ignore[attr-defined]
            return
        self._waits_since = self.loop.time()
        self._watch = self.loop.call_later(self.head_seconds, self._patrol)

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_watch"):
            self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def _patrol(self) -> None:
        """Looks now and then rather than setting a timer per request, which would cost every request."""
        idle = self.cycle is None or self.cycle.response_complete
        waits = self.loop.time() - self._waits_since
        unfinished = not idle and self.cycle.more_body
        if (idle and waits >= self.head_seconds) or (unfinished and waits >= self.request_seconds):
            self.transport.abort()
            return
        self._watch = self.loop.call_later(self.head_seconds / 4, self._patrol)


def bounded_protocol(head_seconds: float, request_seconds: float, connections: int) -> type[Any]:
    """The protocol class with these bounds."""
    bounds = {"head_seconds": head_seconds, "request_seconds": request_seconds, "most": connections}
    return type("Bounded", (_Bounded,), bounds)
