"""Keys in a TPM 2.0: ECDSA P-256 under a persistent handle; the private half never leaves the chip.

Sources: TCG TPM 2.0 Library, part 3 (TPM2_Sign, TPM2_CreatePrimary, TPM2_EvictControl). The library is tpm2-pytss, the extra
``tpm``. A software TPM (swtpm), which the tests use, is a test double and protects nothing.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from countermark.errors import Unusable
from countermark.keys import tpm_session
from countermark.keys.uri import KeyUri
from countermark.keys.verifier import PublicKey, Use


class TpmSigner:
    """A signer whose private key is in a TPM; the chip is opened for each signature and released after it."""

    def __init__(self, uri: KeyUri, public: PublicKey, password: bytes | None) -> None:
        self._uri, self._public, self._password = uri, public, password

    def __repr__(self) -> str:
        return f"TpmSigner(use={self._public.use!r}, id={self._public.id[:16]!r})"

    @property
    def public(self) -> PublicKey:
        """The public half and its single use."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """ECDSA signature over `message` with SHA-256, DER; checked with the public half.

        Raises:
            Unusable: the TPM is gone or refuses. SignatureRefused: what it gave does not verify.
        """
        import tpm2_pytss as tpm

        digest = hashes.Hash(hashes.SHA256())
        digest.update(message)
        scheme = tpm.TPMT_SIG_SCHEME(scheme=tpm.TPM2_ALG.ECDSA)
        scheme.details.any.hashAlg = tpm.TPM2_ALG.SHA256
        ticket = tpm.TPMT_TK_HASHCHECK(tag=tpm.TPM2_ST.HASHCHECK, hierarchy=tpm.TPM2_RH.NULL, digest=b"")
        with tpm_session.opened(self._uri) as chip:
            key = tpm_session.key(chip, self._uri)
            if self._password:
                chip.tr_set_auth(key, self._password)
            made = chip.sign(
                key, tpm.TPM2B_DIGEST(digest.finalize()), scheme, ticket
            )  # it owns the memory of its parts
            halves = bytes(made.signature.ecdsa.signatureR), bytes(made.signature.ecdsa.signatureS)
        signature = encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))
        self._public.verify(message, signature)
        return signature


def open_key(uri: KeyUri, use: Use, password: bytes | None) -> TpmSigner:
    """The key under a persistent handle.

    Raises:
        MissingExtra: the library is absent. Unusable: no TPM, or no key there. SignatureRefused: not P-256.
    """
    with tpm_session.opened(uri) as chip:
        public, _, _ = chip.read_public(tpm_session.key(chip, uri))
        spki = bytes(public.to_der())
    return TpmSigner(uri, PublicKey.from_spki(use, spki), password)


def make_key(uri: KeyUri, use: Use, password: bytes | None) -> TpmSigner:
    """Make a signing key in the owner hierarchy and keep it under the handle that the URI names.

    Raises:
        As `open_key`; Unusable: the handle is taken, or the TPM cannot make it.
    """
    tpm_session.import_library()
    import tpm2_pytss as tpm

    handle = tpm_session.handle(uri)
    with tpm_session.opened(uri) as chip:
        if tpm_session.taken(chip, handle):
            raise Unusable(f"the handle {handle:#x} is taken", mend="`countermark key use` takes it; or name another")
        bits = tpm.TPMA_OBJECT
        attributes = (bits.USERWITHAUTH | bits.SIGN_ENCRYPT | bits.FIXEDTPM | bits.FIXEDPARENT
                      | bits.SENSITIVEDATAORIGIN | bits.NODA)  # fmt: skip
        template = tpm.TPM2B_PUBLIC.parse("ecc256:ecdsa-sha256:null", objectAttributes=attributes)
        # A seed of its own for every key: the same template would give the same key again.
        template.publicArea.unique.ecc.x = bytes(chip.get_random(32))
        sensitive = tpm.TPM2B_SENSITIVE_CREATE(tpm.TPMS_SENSITIVE_CREATE(userAuth=tpm.TPM2B_AUTH(password or b"")))
        made, *_ = chip.create_primary(sensitive, template)
        try:
            chip.evict_control(tpm.ESYS_TR.OWNER, made, handle)
        finally:
            chip.flush_context(made)
    return open_key(uri, use, password)
