"""Re-wrapping a content key for a key that lives as long as one release: what a key broker does with a stanza of its own.

The broker is a recipient like any other. `released` gives a copy for the ephemeral HPKE key of whoever showed his evidence; HPKE's info
is ``label || asset id || commit || recipient || licence digest``, so that the copy opens for that licence and name only.
"""

from __future__ import annotations

from countermark.errors import TrustRefused
from countermark.seal.hpke import HpkeIdentity, SealingKey
from countermark.seal.prelude import Prelude, wipe
from countermark.seal.recipients import Recipients, check_committed, content_key
from countermark.seal.stanza import NO_LICENCE, Binding, Identity

LABEL = b"countermark/seal/release/v1"


def released(
    said: Recipients, prelude: Prelude, broker: Identity, to: SealingKey, *, recipient: str, licence: str
) -> bytes:
    """The content key for an ephemeral key, by HPKE; the key itself is overwritten before this returns.

    Args:
        said: the verified list in which the broker is a recipient. broker: its private side. to: the ephemeral public key that the
            evidence names. recipient: the name of who receives it. licence: hex SHA-256 of the licence's payload, or `NO_LICENCE`.

    Raises:
        TrustRefused: the list has nothing for the broker, or its stanza is bound to another licence. FormatRefused: its key does not
            belong to this container. StatementRefused: no such name or licence digest.
    """
    bound = Binding(prelude.asset, prelude.commit, recipient, licence)
    secret, stanza = content_key(said, prelude, broker)
    try:
        if stanza.licence not in (NO_LICENCE, licence):
            raise TrustRefused(
                "the broker holds this key for another licence", why=f"for {stanza.licence}, asked for {licence}"
            )
        return to.encrypt(secret, bound.info(LABEL))
    finally:
        wipe(secret)


def taken(released_key: bytes, prelude: Prelude, mine: HpkeIdentity, *, recipient: str, licence: str) -> bytearray:
    """The content key from what a broker released; the caller overwrites it after use.

    Raises:
        TrustRefused: it is for another key, container, recipient or licence. FormatRefused: not what the prelude commits to.
    """
    bound = Binding(prelude.asset, prelude.commit, recipient, licence)
    secret = mine.decrypt(released_key, bound.info(LABEL))
    check_committed(prelude, secret)
    return secret
