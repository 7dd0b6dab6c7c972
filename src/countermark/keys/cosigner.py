"""Keys of witnesses in the one-line text form of signed notes.

Sources: C2SP signed-note v1.0 ("Verifier keys") and tlog-cosignature v1.1: type 0x04 is Ed25519, 0x06 ML-DSA-44.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import mldsa

from countermark.errors import TrustRefused
from countermark.keys.verifier import PublicKey

ED25519, ML_DSA_44 = 4, 6
KEY_BYTES = {ED25519: 32, ML_DSA_44: 1312}
SIGNATURE_BYTES = {ED25519: 64, ML_DSA_44: 2420}
MAX_VKEY = 4096


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A witness's key, known by name and 32-bit key id together.

    Attributes:
        name: non-empty, without spaces or ``+``. kind: `ED25519` or `ML_DSA_44`. public: 32 or 1312 bytes.
    """

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(c.isspace() or c < " " for c in self.name):
            raise TrustRefused(f"{self.name!r:.80} cannot name a witness", mend="no spaces, no plus sign, not empty")
        if self.kind not in KEY_BYTES or len(self.public) != KEY_BYTES[self.kind]:
            raise TrustRefused(
                f"the key of witness {self.name!r:.80} is of no known kind", why="Ed25519 (4) or ML-DSA-44 (6)"
            )

    @property
    def id(self) -> bytes:
        """The 4 bytes by which signature lines name this key; a hint, never a proof."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def names(self, name: str, key_id: bytes) -> bool:
        """Whether a signature line of that name and id claims to be by this key."""
        return (name, key_id) == (self.name, self.id)

    def vkey(self) -> str:
        """``name+id+base64(kind || key)``."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def from_vkey(cls, text: str) -> CosignerKey:
        """Parse the form that `vkey` prints.

        Raises:
            TrustRefused: malformed, another kind of key, or the id does not belong to name and key.
        """
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded.encode("ascii"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise TrustRefused("a witness key is not base64", why=f"{text!r:.80}") from error
        if len(text) > MAX_VKEY or base64.b64encode(raw).decode() != encoded or not raw:
            raise TrustRefused("a witness key is not in its one form", why=f"{text!r:.80}")
        key = cls(name, raw[0], raw[1:])
        if not hmac.compare_digest(key.id.hex().encode(), key_id.encode()):
            raise TrustRefused(
                f"witness key {name!r:.80} has the id {key_id!r:.20}", why=f"its bytes have {key.id.hex()}"
            )
        return key


def of_key(name: str, key: PublicKey) -> CosignerKey:
    """A party's enrolled witness key, under a name.

    Raises:
        SignatureRefused: neither Ed25519 nor ML-DSA-44. TrustRefused: the name cannot stand in a note.
    """
    return CosignerKey(name, ML_DSA_44 if key.algorithm == "ml-dsa-44" else ED25519, key.raw())


def ml_dsa_44(public: bytes) -> mldsa.MLDSA44PublicKey:
    """The verifying key of 1312 bytes (FIPS 204)."""
    return mldsa.MLDSA44PublicKey.from_public_bytes(public)
