"""The broker that counts for a licence, as a host reaches it over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from countermark.errors import Unusable
from countermark.keys.signer import Signer
from countermark.ledger.peer import Peer, refusal
from countermark.licence.broker_anchor import BrokerAnchor, Send, broker_of, named, signer_for
from countermark.licence.chain import Chain
from countermark.licence.metered import MOST_ANSWER, PATH
from countermark.licence.refusal import LicenceRefused

_MOST_BODY = 64 << 10


def anchor(chain: Chain, signers: Sequence[Signer], url: str) -> BrokerAnchor | None:
    """The anchor by the broker that a licence names; None where it names none.

    Args:
        signers: this host's licence keys. url: of the broker; https outside this machine. "" where none is said.

    Raises:
        LicenceRefused: ``state``: the licence names a broker and no address is said, or an address and the licence names none; ``host``: it
            names no key of this host. Unusable: the address is none. LedgerRefused: the broker's key is malformed.
    """
    binding = chain.claims.host
    broker = broker_of(binding)
    if binding is None or broker is None:
        if url:
            raise LicenceRefused("state", expected="no broker: the licence names none", seen=url,
                                 mend="leave --meter out, or ask for a licence that names it (`license grant --meter`)")  # fmt: skip
        return None
    if not url:
        raise LicenceRefused("state", expected=f"counts anchored in {named(broker)}", seen="no address of it",
                             mend="name the broker: --meter URL")  # fmt: skip
    return BrokerAnchor(sending(url), broker, chain.root.digest, signer_for(binding, signers))


def sending(url: str) -> Send:
    """Requests to a broker's meter.

    Raises:
        Unusable: no address.
    """
    peer = Peer(url, "the broker that counts")

    def send(asked: bytes) -> bytes:
        reply = peer.post(PATH, asked, _MOST_BODY)
        if reply.status == 200 and len(reply.body) <= MOST_ANSWER:
            return reply.body
        if reply.status not in (400, 403):
            raise Unusable(
                f"the broker that counts answers with status {reply.status}", mend="its operator looks into its log"
            )
        what, why, mend = refusal(reply.body)
        raise LicenceRefused(
            "state", expected="a step that the broker takes", seen=f"{what} ({why})" if why else what, mend=mend
        )

    return send
