"""What travels: a request for a key with its evidence, and the answer. Parsed strictly, bounded before anything is built.

Source: `docs/reference/formats/release-request.md`. The evidence is over `Request.binding`, which covers all else: the broker's challenge, the
asset, who receives it, the claims, and the ephemeral key. A request therefore works once, for one key that lives as long as the exchange.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from countermark import canonical
from countermark.broker.policy import OWNER, check_claims
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.ledger.receipt import MAX_RECEIPT_BYTES
from countermark.ledger.tiles import MAX_ENTRY_BYTES
from countermark.seal.hpke import P256, PUBLIC_BYTES, XWING, SealingKey
from countermark.seal.stanza import Binding

FORMAT = 1
MOST_REQUEST, MOST_ANSWER = 128 << 10, 1 << 20
MOST_EVIDENCE = 64 << 10
MOST_CHALLENGE = 64
MOST_RELEASED = 8 << 10
_LABEL = b"countermark/release-request/v1\0"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence as it was shown, not verified.

    Attributes:
        kind: as in a rule. parts: name -> bytes; which names, the kind says (`PARTS`).
    """

    kind: str
    parts: Mapping[str, bytes] = field(repr=False)

    def to_json(self) -> dict[str, str]:
        """JSON object: the kind, and each part in base64."""
        return {"kind": self.kind, **{name: _text(part) for name, part in self.parts.items()}}


PARTS = {
    "software": ("key", "signature"),
    "pkcs11": ("key", "signature"),
    "tpm-quote": ("area", "attested", "signature"),
    "sgx": ("quote",),
    "tdx": ("quote",),
}
NOT_YET = Evidence("none", {})


@dataclass(frozen=True, slots=True)
class Request:
    """A request for the content key of one sealed asset.

    Attributes:
        challenge: as the broker gave it. owner: party whose asset it is. asset: 32 bytes. recipient, licence: what the copy is bound to.
        key: the ephemeral public key it is wrapped for. claims: name -> hex SHA-256 of what it is going to run under.
    """

    challenge: bytes
    owner: str
    asset: bytes
    recipient: str
    licence: str
    key: SealingKey
    claims: Mapping[str, str]
    evidence: Evidence = NOT_YET

    def __post_init__(self) -> None:
        Binding(self.asset, bytes(32), self.recipient, self.licence)
        check_claims(self.claims)
        if not OWNER.fullmatch(self.owner) or len(self.asset) != 32 or len(self.challenge) > MOST_CHALLENGE:
            raise StatementRefused("a request names a challenge, an owner and a sealed asset")

    def _bound(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "challenge": _text(self.challenge),
            "owner": self.owner,
            "asset": self.asset.hex(),
            "recipient": self.recipient,
            "licence": self.licence,
            "key": {"kind": self.key.kind, "public": _text(self.key.raw)},
            "claims": dict(self.claims),
        }

    def binding(self) -> bytes:
        """What evidence signs or quotes, 32 bytes."""
        return hashlib.sha256(_LABEL + canonical.to_bytes(self._bound())).digest()

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({**self._bound(), "evidence": self.evidence.to_json()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Request:
        """Parse strictly.

        Raises:
            StatementRefused, FormatRefused: malformed, or too large.
        """
        fields = Fields(canonical.from_bytes(data, what="request", max_bytes=MOST_REQUEST), "request")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a request of another format", mend="a newer Countermark may read it")
        claims = fields.object("claims")
        if not all(isinstance(value, str) for value in claims.values()):
            raise StatementRefused("a claim is no text")
        out = cls(
            fields.base64("challenge"), fields.text("owner", most=64), bytes.fromhex(fields.hex("asset")),
            fields.text("recipient", most=64), fields.hex("licence"), _key(fields.object("key")), claims,
            _evidence(fields.object("evidence")),
        )  # fmt: skip
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Answer:
    """A content key for the ephemeral key, and the proof that its release was logged.

    Attributes:
        released: HPKE ciphertext. record: the entry of the release log. receipt: tlog-proof of it.
    """

    released: bytes = field(repr=False)
    record: bytes
    receipt: bytes

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({
            "format": FORMAT, "released": _text(self.released), "record": _text(self.record), "receipt": _text(self.receipt),
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, or too large.
        """
        fields = Fields(canonical.from_bytes(data, what="answer", max_bytes=MOST_ANSWER), "answer")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("an answer of another format", mend="a newer Countermark may read it")
        out = cls(fields.base64("released"), fields.base64("record"), fields.base64("receipt"))
        fields.done()
        if (
            len(out.released) > MOST_RELEASED
            or len(out.record) > MAX_ENTRY_BYTES
            or len(out.receipt) > MAX_RECEIPT_BYTES
        ):
            raise StatementRefused("a part of this answer is too large")
        return out


def _key(value: dict[str, Any]) -> SealingKey:
    fields = Fields(value, "ephemeral key")
    kind, raw = fields.text("kind", most=40), fields.base64("public")
    fields.done()
    for known in (XWING, P256):
        if known == kind and len(raw) == PUBLIC_BYTES[known]:
            return SealingKey(known, raw)
    raise StatementRefused("the ephemeral key is of no kind that keys are released to", mend=f"{XWING} or {P256}")


def _evidence(value: dict[str, Any]) -> Evidence:
    fields = Fields(value, "evidence")
    kind = fields.text("kind", most=40)
    if kind not in PARTS:
        raise StatementRefused(f"evidence of kind {kind!r:.40}", mend=f"one of {', '.join(PARTS)}")
    parts = {name: fields.base64(name) for name in PARTS[kind]}
    fields.done()
    if sum(map(len, parts.values())) > MOST_EVIDENCE:
        raise StatementRefused(f"evidence of more than {MOST_EVIDENCE} bytes")
    return Evidence(kind, parts)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
