"""A TPM 2.0 behind the licence's protocols: which host this is, by a quote, and a clock that its owner cannot set back.

Source: TCG TPM 2.0 Library, parts 1 (clock, 36) and 2 (TPMS_ATTEST). Verifying takes no TPM and no library. A software TPM, which the tests
use, is a test double and protects nothing. That the attestation key sits beside the endorsement key that the licence names is what the
licensor saw to when it took the name: a quote does not show it.
"""

from __future__ import annotations

import hmac
import struct

from countermark.errors import Refusal
from countermark.keys import tpm_attest, tpm_quote, tpm_seal
from countermark.keys.uri import KeyUri
from countermark.licence.anchors import Ticks
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_host import HostBinding

_SHA256_NAME = "000b"


class TpmClock:
    """`TrustedClock` by the TPM that a URI leads to."""

    name = "TPM clock"

    def __init__(self, where: KeyUri) -> None:
        self._where = where

    def ticks(self) -> Ticks:
        """Read it; the chip is named by its storage root, which clearing the TPM changes together with its clock.

        Raises:
            Unusable: no TPM. MissingExtra: its library is absent.
        """
        read = tpm_seal.read_time(self._where)
        return Ticks(read.milliseconds, read.resets, read.safe, tpm_seal.root_id(self._where))


class TpmProver:
    """`HostProver` by the attestation key that a URI names."""

    def __init__(self, where: KeyUri) -> None:
        self._where = where

    def prove(self, binding: HostBinding, challenge: bytes) -> bytes:
        """A quote over the challenge: public area, TPMS_ATTEST and TPMT_SIGNATURE, each behind its length (16 bits).

        Raises:
            Unusable: no TPM or key. MissingExtra: the library is absent.
        """
        made = tpm_quote.quote(self._where, challenge, [index for index, _ in binding.pcrs])
        return b"".join(struct.pack(">H", len(part)) + part for part in (made.area, made.attested, made.signature))


class TpmVerifier:
    """`EvidenceVerifier` of what a `TpmProver` gives."""

    def verify(self, binding: HostBinding, evidence: bytes, challenge: bytes) -> str:
        """Name of the attestation key, hex, 34 bytes, as the licence has it.

        Raises:
            LicenceRefused: another key, challenge, PCR value, or no quote at all.
        """
        try:
            area, attested, signature = _parts(evidence)
            key = tpm_attest.attestation_key(area)
            name = _SHA256_NAME + key.name.hex()
            if not hmac.compare_digest(name, binding.ak):
                raise LicenceRefused("host", expected=f"a quote by TPM key {binding.ak[:20]}", seen=f"one by {name[:20]}",
                                     mend="use the host that the licence names, or ask to move it (`countermark license move`)")  # fmt: skip
            pcrs = {index: bytes.fromhex(value) for index, value in binding.pcrs}
            tpm_attest.verify_quote(attested, signature, key, nonce=challenge, pcrs=pcrs)
        except LicenceRefused:
            raise
        except Refusal as error:
            raise LicenceRefused("host", expected="a quote over this challenge with the licence's PCR values", seen=error.what,
                                 mend=error.mend) from error  # fmt: skip
        return name


def _parts(evidence: bytes) -> tuple[bytes, bytes, bytes]:
    parts: list[bytes] = []
    rest = evidence
    while rest and len(parts) < 3:
        size = int.from_bytes(rest[:2], "big")
        parts.append(rest[2 : 2 + size])
        if len(parts[-1]) != size:
            break
        rest = rest[2 + size :]
    else:
        if len(parts) == 3 and not rest:
            return parts[0], parts[1], parts[2]
    raise LicenceRefused("host", expected="a TPM's key, quote and signature", seen=f"{len(evidence)} other bytes",
                         mend="prove this host by the TPM that the licence names (`--tpm URI`)")  # fmt: skip
