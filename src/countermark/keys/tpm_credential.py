"""Showing that an attestation key is in the TPM of a known endorsement key: a secret that only that TPM gives back.

Source: TCG TPM 2.0 Library, part 1: 24 (credential protection), 11.4.10 (KDFa, KDFe), C.6.1 (secret sharing with ECC); TCG EK Credential
Profile 2.x, template L-2 (ECC P-256). Challenging takes no TPM. The TPM gives the secret back only if an object of exactly that name, attributes
included, is loaded beside that endorsement key. Whose endorsement key it is, its maker's certificate says: that chain is not verified here, its
owner compares the id. A software TPM, which the tests use, is a test double: its endorsement key is anybody's.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark import canonical
from countermark.errors import SignatureRefused, TrustRefused
from countermark.keys import tpm_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from countermark.keys.tpm_attest import AttestationKey
    from countermark.keys.uri import KeyUri

SECRET_BYTES = 32
MOST_CHALLENGE = 512
_NAME = bytes.fromhex("000b")
_EK_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
"""PolicySecret of the endorsement hierarchy, as the template has it."""


@dataclass(frozen=True, slots=True)
class EndorsementKey:
    """A TPM's endorsement key: P-256, by the default template.

    Attributes:
        point: 65 bytes, uncompressed.
    """

    point: bytes

    @property
    def id(self) -> str:
        """Hex SHA-256 of its SubjectPublicKeyInfo: what the maker's certificate holds."""
        return canonical.sha256_hex(self._loaded().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def _loaded(self) -> ec.EllipticCurvePublicKey:
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.point)
        except ValueError as error:
            raise SignatureRefused("the endorsement key's point does not lie on P-256") from error

    def agree(self) -> tuple[bytes, bytes]:
        """A fresh point (x and y, 64 bytes) and the seed (32 bytes) that the TPM derives from it."""
        mine = ec.generate_private_key(ec.SECP256R1())
        point = mine.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        shared = mine.exchange(ec.ECDH(), self._loaded())
        seed = hashlib.sha256(struct.pack(">I", 1) + shared + b"IDENTITY\0" + point[:32] + self.point[1:33]).digest()
        return point, seed


def challenge(endorsed: EndorsementKey, attesting: AttestationKey, secret: bytes) -> bytes:
    """A secret that only the TPM with both keys gives back: TPM2B_ID_OBJECT, then TPM2B_ENCRYPTED_SECRET.

    Args:
        secret: 32 fresh random bytes.

    Raises:
        SignatureRefused: the endorsement key is no point of P-256, or the secret has another size.
    """
    if len(secret) != SECRET_BYTES:
        raise SignatureRefused(f"a credential's secret has {SECRET_BYTES} bytes, not {len(secret)}")
    name = _NAME + attesting.name
    point, seed = endorsed.agree()
    cipher = Cipher(algorithms.AES(_kdfa(seed, b"STORAGE", name, 128)), CFB(bytes(16))).encryptor()
    hidden = cipher.update(_sized(secret)) + cipher.finalize()
    guard = hmac.digest(_kdfa(seed, b"INTEGRITY", b"", 256), hidden + name, hashlib.sha256)
    return _sized(_sized(guard) + hidden) + _sized(_sized(point[:32]) + _sized(point[32:]))


def read_endorsement(uri: KeyUri) -> EndorsementKey:
    """The endorsement key of the TPM that a URI leads to.

    Raises:
        MissingExtra: the library is absent. Unusable: no TPM, or it cannot make the key.
    """
    with tpm_session.opened(uri) as chip, _endorsement(chip) as made:
        public, _, _ = chip.read_public(made)
        unique = public.publicArea.unique.ecc
        halves = bytes(unique.x).rjust(32, b"\0"), bytes(unique.y).rjust(32, b"\0")
        return EndorsementKey(b"\x04" + halves[0] + halves[1])


def activate(uri: KeyUri, data: bytes) -> bytes:
    """Answer a challenge with the attestation key that a URI names: its secret, 32 bytes.

    Raises:
        TrustRefused: it is for another TPM or key, or was changed. SignatureRefused: malformed. Unusable: no TPM or key.
        MissingExtra: the library is absent.
    """
    blob, secret = _parts(data)
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        key = tpm_session.key(chip, uri)
        with _endorsement(chip) as made:
            session = chip.start_auth_session(
                tpm.ESYS_TR.NONE,
                tpm.ESYS_TR.NONE,
                tpm.TPM2_SE.POLICY,
                tpm.TPMT_SYM_DEF(algorithm=tpm.TPM2_ALG.NULL),
                tpm.TPM2_ALG.SHA256,
            )
            try:
                chip.policy_secret(tpm.ESYS_TR.ENDORSEMENT, session, b"", b"", b"", 0)
                parts = tpm.TPM2B_ID_OBJECT.unmarshal(blob)[0], tpm.TPM2B_ENCRYPTED_SECRET.unmarshal(secret)[0]
                given = chip.activate_credential(key, made, *parts, session1=tpm.ESYS_TR.PASSWORD, session2=session)
                return bytes(given)
            except tpm.TSS2_Exception as error:
                raise TrustRefused(
                    "this TPM does not answer that challenge", why=f"it is for another TPM or key, or was changed: {tpm_session.told(error)}",
                    mend="ask for a challenge to the keys of this TPM",
                ) from error  # fmt: skip
            finally:
                chip.flush_context(session)


@contextmanager
def _endorsement(chip: Any) -> Iterator[Any]:
    import tpm2_pytss as tpm

    bits = tpm.TPMA_OBJECT
    attributes = (
        bits.FIXEDTPM
        | bits.FIXEDPARENT
        | bits.SENSITIVEDATAORIGIN
        | bits.ADMINWITHPOLICY
        | bits.RESTRICTED
        | bits.DECRYPT
    )
    template = tpm.TPM2B_PUBLIC.parse("ecc256:aes128cfb", objectAttributes=attributes, authPolicy=_EK_POLICY)
    template.publicArea.unique.ecc.x = template.publicArea.unique.ecc.y = bytes(32)
    made, *_ = chip.create_primary(
        tpm.TPM2B_SENSITIVE_CREATE(tpm.TPMS_SENSITIVE_CREATE()), template, primary_handle=tpm.ESYS_TR.ENDORSEMENT
    )
    try:
        yield made
    finally:
        chip.flush_context(made)


def _parts(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:2], "big")
    blob, rest = data[: 2 + size], data[2 + size :]
    if len(data) > MOST_CHALLENGE or len(blob) != 2 + size or int.from_bytes(rest[:2], "big") != len(rest) - 2:
        raise SignatureRefused("this is no challenge to a TPM", why=f"{len(data)} bytes of another form")
    return blob, rest


def _kdfa(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """KDFa with SHA-256, one block: `bits` is at most 256."""
    return hmac.digest(key, struct.pack(">I", 1) + label + b"\0" + context + struct.pack(">I", bits), hashlib.sha256)[
        : bits // 8
    ]


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
