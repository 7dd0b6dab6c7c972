"""Keys in PKCS#11 tokens (smart cards, HSMs): the private half never leaves the token.

Sources: PKCS#11 v3.0 (mechanisms CKM_ECDSA and CKM_EDDSA), RFC 7512 (URIs). The library is python-pkcs11, the extra
``pkcs11``. Hashing is done here: CKM_ECDSA is what every token has. Every signature is checked with the public half before
anybody sees it, so that a token that signs something else is noticed here.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark.errors import SignatureRefused, Unusable
from countermark.keys.pkcs11_session import MEND, import_library, octets, only, session, told, wanted
from countermark.keys.uri import KeyUri
from countermark.keys.verifier import CURVES, Algorithm, PublicKey, Use, ecdsa_hash

RAW = 32


class Pkcs11Signer:
    """A signer whose private key is in a token; it logs in for each signature, and out after it."""

    def __init__(self, uri: KeyUri, public: PublicKey, pin: bytes | None) -> None:
        self._uri, self._public, self._pin = uri, public, pin

    def __repr__(self) -> str:
        return f"Pkcs11Signer(use={self._public.use!r}, id={self._public.id[:16]!r})"

    @property
    def public(self) -> PublicKey:
        """The public half and its single use."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Signature over `message`: 64 bytes for Ed25519, DER for ECDSA.

        Raises:
            Unusable: the token is gone or refuses. SignatureRefused: what it gave does not verify.
        """
        import pkcs11

        try:
            with session(self._uri, self._pin) as opened:
                signature = self._signed(only(opened, self._uri, pkcs11.ObjectClass.PRIVATE_KEY), message)
        except pkcs11.PKCS11Error as error:
            raise Unusable("the token did not sign", why=told(error), mend="is it still plugged in?") from error
        self._public.verify(message, signature)
        return signature

    def _signed(self, private: Any, message: bytes) -> bytes:
        import pkcs11

        if self._public.algorithm == "ed25519":
            return bytes(private.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
        digest = hashes.Hash(ecdsa_hash(self._public.algorithm))
        digest.update(message)
        raw = bytes(private.sign(digest.finalize(), mechanism=pkcs11.Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def open_key(uri: KeyUri, use: Use, pin: bytes | None) -> Pkcs11Signer:
    """The key that a URI names.

    Raises:
        MissingExtra: the library is absent. Unusable: no such module, token or key, several, or the PIN is wrong.
        SignatureRefused: not a key of an allowed kind.
    """
    import_library()
    from pkcs11 import ObjectClass

    with session(uri, pin) as opened:
        only(opened, uri, ObjectClass.PRIVATE_KEY)
        return Pkcs11Signer(uri, _public(only(opened, uri, ObjectClass.PUBLIC_KEY), use), pin)


def make_key(uri: KeyUri, use: Use, algorithm: Algorithm, pin: bytes | None) -> Pkcs11Signer:
    """Make a key pair in a token, private half sensitive and never extractable, under the label that the URI names.

    Raises:
        As `open_key`; Unusable: the token has such a key already, cannot make one, or the URI names no label.
    """
    import_library()
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    label = uri.one("object")
    if not label:
        raise Unusable("the URI names no object", why="the new key needs a label", mend=MEND)
    kind = pkcs11.KeyType.EC_EDWARDS if algorithm == "ed25519" else pkcs11.KeyType.EC
    if algorithm != "ed25519" and algorithm not in CURVES:
        raise Unusable(f"a token makes no {algorithm} key here", mend="ed25519, or one of " + ", ".join(CURVES))
    curve = "1.3.101.112" if algorithm == "ed25519" else CURVES[algorithm][0]().name
    private_only = {pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True}
    with session(uri, pin, write=True) as opened:
        if any(opened.get_objects(wanted(uri, pkcs11.ObjectClass.PRIVATE_KEY))):
            raise Unusable(
                f"the token has a key {label!r:.80} already", mend="`countermark key use` takes it; or name another"
            )
        try:
            attributes = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            parameters = opened.create_domain_parameters(kind, attributes, local=True)
            public, _ = parameters.generate_keypair(label=label, id=uri.path.get("id", label.encode()), store=True,
                                                    private_template=private_only)  # fmt: skip
        except pkcs11.PKCS11Error as error:
            raise Unusable(f"the token cannot make a {algorithm} key", why=told(error)) from error
        return Pkcs11Signer(uri, _public(public, use), pin)


def _public(key: Any, use: Use) -> PublicKey:
    """The public half, from the point as the token gives it: DER octets, as the standard says, or bare."""
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    try:
        point, parameters = bytes(key[pkcs11.Attribute.EC_POINT]), bytes(key[pkcs11.Attribute.EC_PARAMS])
        if key.key_type == pkcs11.KeyType.EC_EDWARDS:
            spki = _spki(ed25519.Ed25519PublicKey.from_public_bytes(point if len(point) == RAW else octets(point)))
        else:
            (curve,) = (c for c, _ in CURVES.values() if bytes(encode_named_curve_parameters(c().name)) == parameters)
            spki = _spki(ec.EllipticCurvePublicKey.from_encoded_point(curve(), octets(point)))
    except (pkcs11.PKCS11Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SignatureRefused(
            "the token's key is neither Ed25519 nor ECDSA on a curve known here", why=told(error)
        ) from error
    return PublicKey.from_spki(use, spki)


def _spki(key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
