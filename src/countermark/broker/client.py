"""Asking a broker over HTTP. The answer proves itself: it opens for our key only, and fits the container's commitment or is refused."""

from __future__ import annotations

from countermark import canonical
from countermark.broker import prove
from countermark.broker.app import CHALLENGE, RELEASE
from countermark.broker.request import MOST_ANSWER
from countermark.canonical import Fields
from countermark.errors import PolicyRefused, Unusable
from countermark.ledger.note import NoteKey
from countermark.ledger.peer import Peer, refusal


def ask(url: str, asset: prove.Asset, prover: prove.Prover, log_key: NoteKey | None = None) -> bytearray:
    """The content key of an asset, for the evidence that this host can show; the caller wipes it.

    Args:
        url: of the broker; https outside this machine. log_key: where known, the release must be proven to be logged.

    Raises:
        PolicyRefused: the broker refuses. Unusable: it does not answer, or cannot. Others: as `prove.content_key`, and the prover.
    """
    mine = prove.ephemeral()
    with Peer(url, "the broker") as peer:  # both requests over one connection: one handshake
        said = Fields(canonical.from_bytes(_post(peer, CHALLENGE, b""), what="challenge", max_bytes=4096), "challenge")
        challenge = said.base64("challenge")
        asked = prove.request(asset, challenge, mine, prover)
        return prove.content_key(asset, _post(peer, RELEASE, asked.to_bytes()), mine, log_key, challenge)


def _post(peer: Peer, path: str, body: bytes) -> bytes:
    reply = peer.post(path, body, MOST_ANSWER)
    if reply.status == 200:
        return reply.body
    if reply.status not in (400, 403):
        raise Unusable(f"the broker answers with status {reply.status}", mend="its operator looks into its log")
    what, why, mend = refusal(reply.body)
    raise PolicyRefused(f"the broker refuses: {what}", why=why, mend=mend)
