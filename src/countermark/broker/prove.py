"""The host's side: an ephemeral key, a request bound to it, evidence over that, and the content key from the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from countermark.broker import log
from countermark.broker.evidence import DOMAIN
from countermark.broker.policy import PKCS11, SOFTWARE, TPM
from countermark.broker.request import Answer, Evidence, Request
from countermark.errors import LedgerRefused
from countermark.keys import tpm_quote
from countermark.keys.signer import FileSigner, Signer
from countermark.keys.uri import KeyUri
from countermark.ledger.note import NoteKey
from countermark.ledger.receipt import verify
from countermark.seal import hpke
from countermark.seal.hpke import HpkeIdentity
from countermark.seal.prelude import Prelude
from countermark.seal.release import taken
from countermark.seal.stanza import NO_LICENCE

CHALLENGE_ID = 16
"""So many first bytes of a challenge name it in the log."""
Prover = Callable[[bytes], Evidence]
"""From a binding (32 bytes) to evidence over it."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What a host asks for.

    Attributes:
        owner: party. prelude: of the sealed file. recipient, licence: what the copy is bound to. claims: what it is going to run under.
    """

    owner: str
    prelude: Prelude
    recipient: str
    licence: str = NO_LICENCE
    claims: Mapping[str, str] = field(default_factory=dict)


def request(asset: Asset, challenge: bytes, mine: HpkeIdentity, prover: Prover) -> Request:
    """A request with evidence over it.

    Args:
        challenge: as the broker gave it. mine: the ephemeral key, made for this request.

    Raises:
        StatementRefused: a name, claim or challenge is malformed. Others: what the prover's element raises.
    """
    bare = Request(
        challenge, asset.owner, asset.prelude.asset, asset.recipient, asset.licence, mine.public, asset.claims
    )
    return replace(bare, evidence=prover(bare.binding()))


def content_key(
    asset: Asset, answer: bytes, mine: HpkeIdentity, log_key: NoteKey | None, challenge: bytes | None = None
) -> bytearray:
    """The content key from an answer; the caller wipes it.

    The record that comes with it must be of this very release: its owner, asset, recipient, licence, claims, ephemeral key and challenge.

    Args:
        log_key: of the broker's release log, where it is known; then the receipt must prove that this record was logged. challenge: that was
            asked on; None where it is not known any more.

    Raises:
        TrustRefused: it is for another key, asset, recipient or licence. FormatRefused: another container's key. LedgerRefused: the release
        was not logged, or another one was. StatementRefused: malformed.
    """
    said = Answer.from_bytes(answer)
    if log_key is not None:
        verify(said.record, said.receipt, log_key)
    _refuse_another(log.Record.from_bytes(said.record), asset, mine, challenge)
    return taken(said.released, asset.prelude, mine, recipient=asset.recipient, licence=asset.licence)


def _refuse_another(entry: log.Record, asset: Asset, mine: HpkeIdentity, challenge: bytes | None) -> None:
    asked = {
        "owner": asset.owner, "asset": asset.prelude.asset.hex(), "recipient": asset.recipient, "licence": asset.licence,
        "claims": dict(asset.claims), "to": mine.public.id,
        **({"challenge": challenge[:CHALLENGE_ID].hex()} if challenge is not None else {}),
    }  # fmt: skip
    for name, mine_ in asked.items():
        if (seen := getattr(entry, name)) != mine_:
            raise LedgerRefused("the receipt is of another release", why=f"{name}: asked {mine_!r:.120}, logged {seen!r:.120}",
                                mend="ask anew, and tell the broker's owner: it logged what you did not ask for")  # fmt: skip


def ephemeral() -> HpkeIdentity:
    """A key for one request: X-Wing, so that a recorded exchange stays shut to a quantum computer."""
    return hpke.generate()


def by_key(signer: Signer) -> Prover:
    """Evidence by a key of the use `host`, in a file or a token."""
    kind = SOFTWARE if isinstance(signer, FileSigner) else PKCS11

    def prove(binding: bytes) -> Evidence:
        return Evidence(kind, {"key": signer.public.spki, "signature": signer.sign(DOMAIN + binding)})

    return prove


def by_tpm(where: KeyUri, pcrs: Iterable[int]) -> Prover:
    """Evidence by a TPM's attestation key over PCRs."""
    chosen = tuple(pcrs)

    def prove(binding: bytes) -> Evidence:
        made = tpm_quote.quote(where, binding, chosen)
        return Evidence(TPM, {"area": made.area, "attested": made.attested, "signature": made.signature})

    return prove
