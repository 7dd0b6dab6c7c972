"""A host with a TPM, as its owner enrols it: both public keys in a file, a challenge to them, and the answer that only that TPM gives."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused, TrustRefused
from countermark.keys import tpm_credential
from countermark.keys.tpm_attest import AttestationKey, attestation_key
from countermark.keys.tpm_credential import SECRET_BYTES, EndorsementKey

FORMAT = 1
MOST_BYTES = 8 << 10
_LABEL = b"countermark/broker-credential/v1\0"


@dataclass(frozen=True, slots=True)
class TpmHost:
    """What a host says of its TPM; it counts once `activated` held.

    Attributes:
        area: TPMT_PUBLIC of the attestation key. endorsement: point of the endorsement key, 65 bytes.
    """

    area: bytes
    endorsement: bytes

    def keys(self) -> tuple[AttestationKey, EndorsementKey]:
        """Both keys.

        Raises:
            SignatureRefused, TrustRefused: one is none, or the first is no attestation key.
        """
        return attestation_key(self.area), EndorsementKey(self.endorsement)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        parts = {"area": self.area, "endorsement": self.endorsement}
        return canonical.to_bytes(
            {"format": FORMAT, **{n: base64.b64encode(part).decode() for n, part in parts.items()}}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> TpmHost:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="TPM host", max_bytes=MOST_BYTES), "TPM host")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a TPM host of another format", mend="a newer Countermark may read it")
        out = cls(fields.base64("area"), fields.base64("endorsement"))
        fields.done()
        return out


def challenge(host: TpmHost) -> tuple[bytes, bytes]:
    """A challenge to carry to the host, and what to keep: it tells whether an answer is right, and not which.

    Raises:
        As `TpmHost.keys`.
    """
    attesting, endorsed = host.keys()
    secret = secrets.token_bytes(SECRET_BYTES)
    return tpm_credential.challenge(endorsed, attesting, secret), _expected(host, secret)


def activated(host: TpmHost, answer: bytes, kept: bytes) -> tuple[AttestationKey, EndorsementKey]:
    """The host's keys, if its answer is the challenge's secret.

    Args:
        answer: as the host's TPM gave it. kept: what `challenge` gave beside the challenge.

    Raises:
        TrustRefused: it is not: that attestation key is not in the TPM of that endorsement key.
    """
    if not hmac.compare_digest(_expected(host, answer), kept):
        raise TrustRefused(
            "the answer is not the challenge's secret", why="nothing shows that both keys are in one TPM",
            mend="make a new challenge for this very host file",
        )  # fmt: skip
    return host.keys()


def _expected(host: TpmHost, secret: bytes) -> bytes:
    return bytes.fromhex(canonical.sha256_hex(_LABEL + bytes.fromhex(canonical.sha256_hex(host.to_bytes())) + secret))
