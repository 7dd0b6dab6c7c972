"""A ledger that somebody serves over HTTP (C2SP tlog-tiles), to read: whatever it sends is bounded, and believed in nothing."""

from __future__ import annotations

from countermark.errors import Unusable
from countermark.ledger.peer import SECONDS, Peer

MOST_OBJECTS = 100_000
_GONE = (404, 410)


class WebStore:
    """The reading half of `Store`, over the log's prefix URL.

    An answer of 200 is the object, 404 and 410 say that there is none; anything else is trouble.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS, clear: bool = False, most: int = MOST_OBJECTS) -> None:
        """Check the address; nothing is asked for yet.

        Args:
            seconds: for each object. clear: whether ``http://`` may leave this machine. most: objects in all.

        Raises:
            Unusable: no such address, or unencrypted to another machine.
        """
        self._peer = Peer(url, "the ledger", seconds=seconds, clear=clear)
        self._left = most

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Store.read`."""
        self._left -= 1
        if self._left < 0:
            raise OSError("it was asked for more objects than one look may need")
        try:
            reply = self._peer.get(f"/{name}", limit)
        except Unusable as error:
            raise OSError(f"{error.what}: {error.why}") from error
        if reply.status in _GONE:
            return None
        if reply.status != 200:
            raise OSError(f"it answers {reply.status} for {name}")
        return reply.body
