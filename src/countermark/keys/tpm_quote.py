"""Making what `tpm_attest` verifies: an attestation key, a model's digest in a PCR, and quotes over it.

Source: TCG TPM 2.0 Library, part 3 (TPM2_CreatePrimary, TPM2_PCR_Extend, TPM2_PCR_Reset, TPM2_Quote). A quote over a software TPM
(swtpm), which the tests use, proves nothing about the machine: it is a test double whose owner can make it say anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from countermark.errors import Unusable
from countermark.keys import tpm_policy, tpm_session
from countermark.keys.tpm_attest import AttestationKey, attestation_key

if TYPE_CHECKING:
    from countermark.keys.uri import KeyUri

RESETTABLE = (16, 23)
"""PCRs that the operating system may reset: debug and application. What stands there is the word of whoever runs it."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quote as it was made, not verified.

    Attributes:
        area: TPMT_PUBLIC of the key. attested: TPMS_ATTEST. signature: TPMT_SIGNATURE.
    """

    area: bytes
    attested: bytes
    signature: bytes


def make_attestation_key(uri: KeyUri) -> AttestationKey:
    """Make a restricted ECDSA P-256 key in the owner hierarchy, under the handle that the URI names; it signs quotes only.

    Raises:
        MissingExtra: the library is absent. Unusable: the handle is taken, or the TPM refuses.
    """
    number = tpm_session.handle(uri)
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        if tpm_session.taken(chip, number):
            raise Unusable(f"the handle {number:#x} is taken", mend="use the key that is there, or name another handle")
        bits = tpm.TPMA_OBJECT
        attributes = (bits.USERWITHAUTH | bits.RESTRICTED | bits.SIGN_ENCRYPT | bits.FIXEDTPM | bits.FIXEDPARENT
                      | bits.SENSITIVEDATAORIGIN | bits.NODA)  # fmt: skip
        template = tpm.TPM2B_PUBLIC.parse("ecc256:ecdsa-sha256:null", objectAttributes=attributes)
        template.publicArea.unique.ecc.x = bytes(chip.get_random(32))
        made, *_ = chip.create_primary(tpm.TPM2B_SENSITIVE_CREATE(tpm.TPMS_SENSITIVE_CREATE()), template)
        try:
            chip.evict_control(tpm.ESYS_TR.OWNER, made, number)
        finally:
            chip.flush_context(made)
    return read_attestation_key(uri)


def read_attestation_key(uri: KeyUri) -> AttestationKey:
    """The attestation key under a handle.

    Raises:
        Unusable: no TPM, or no key there. SignatureRefused, TrustRefused: it is no attestation key.
    """
    return attestation_key(read_area(uri))


def read_area(uri: KeyUri) -> bytes:
    """TPMT_PUBLIC of the key under a handle.

    Raises:
        MissingExtra: the library is absent. Unusable: no TPM, or no key there.
    """
    with tpm_session.opened(uri) as chip:
        public, _, _ = chip.read_public(tpm_session.key(chip, uri))
        return bytes(public.publicArea.marshal())


def measure(uri: KeyUri, index: int, digest: bytes) -> bytes:
    """Extend a PCR with a SHA-256 digest, a model's tree digest say; gives the value that stands there now.

    Raises:
        Unusable: the TPM refuses. TrustRefused: not 32 bytes.
    """
    tpm_policy.extended(digest)
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        value = tpm.TPMT_HA(hashAlg=tpm.TPM2_ALG.SHA256, digest=tpm.TPMU_HA(sha256=digest))
        chip.pcr_extend(tpm.ESYS_TR(index), tpm.TPML_DIGEST_VALUES([value]))
    return read_pcrs(uri, (index,))[index]


def reset(uri: KeyUri, index: int) -> None:
    """Set one of `RESETTABLE` back to zeros.

    Raises:
        Unusable: the TPM refuses, as it does for every other PCR.
    """
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        chip.pcr_reset(tpm.ESYS_TR(index))


def read_pcrs(uri: KeyUri, indices: tuple[int, ...]) -> dict[int, bytes]:
    """Values of the SHA-256 bank.

    Raises:
        Unusable: the TPM refuses, or has no such bank.
    """
    out: dict[int, bytes] = {}
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        for index in sorted(indices):
            chosen = tpm.TPML_PCR_SELECTION.unmarshal(tpm_policy.selection((index,)))[0]
            _, _, values = chip.pcr_read(chosen)
            if values:
                out[index] = bytes(values[0])
    if set(out) != set(indices):
        raise Unusable("the TPM keeps no such PCR in a SHA-256 bank")
    return out


def quote(uri: KeyUri, nonce: bytes, pcrs: Iterable[int]) -> Quoted:
    """Quote PCRs of the SHA-256 bank with the attestation key that the URI names.

    Args:
        nonce: 1 to 32 bytes. pcrs: their indices.

    Raises:
        MissingExtra: the library is absent. Unusable: no TPM or key, or it refuses.
    """
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        key = tpm_session.key(chip, uri)
        chosen = tpm.TPML_PCR_SELECTION.unmarshal(tpm_policy.selection(pcrs))[0]
        attested, signature = chip.quote(
            key, chosen, tpm.TPM2B_DATA(nonce), tpm.TPMT_SIG_SCHEME(scheme=tpm.TPM2_ALG.NULL)
        )
        public, _, _ = chip.read_public(key)
        return Quoted(bytes(public.publicArea.marshal()), bytes(attested), bytes(signature.marshal()))
