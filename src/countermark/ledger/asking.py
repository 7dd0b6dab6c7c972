"""Carries a submission to a witness over HTTP. What comes back proves itself, so the transport need not be trusted."""

from __future__ import annotations

from countermark.ledger.peer import SECONDS, Peer
from countermark.ledger.submission import MAX_BYTES, Answer, Exchange

__all__ = ["PATH", "SECONDS", "exchange"]
PATH = "/add-checkpoint"


def exchange(url: str, seconds: float = SECONDS) -> Exchange:
    """A carrier to the witness whose submission prefix is `url`.

    Raises:
        Unusable: not http or https; http outside loopback, where a witness's answer could be kept from us unseen.
    """
    peer = Peer(url, "the witness", seconds=seconds)

    def carry(body: bytes) -> Answer:
        reply = peer.post(PATH, body, MAX_BYTES)
        return Answer(reply.status, reply.body, reply.type)

    return carry
