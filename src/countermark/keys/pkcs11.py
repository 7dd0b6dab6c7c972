"""Keys in PKCS#11 tokens (smart cards, HSMs): the private half never leaves the token.

Sources: PKCS#11 v3.0 (mechanisms CKM_ECDSA and CKM_EDDSA), RFC 7512 (URIs). The library is python-pkcs11, the extra
``pkcs11``. Hashing is done here: CKM_ECDSA is what every token has. Every signature is checked with the public half before
anybody sees it, so that a token that signs something else is noticed here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark.errors import MissingExtra, SignatureRefused, Unusable
from countermark.keys.uri import KeyUri
from countermark.keys.verifier import CURVES, Algorithm, PublicKey, Use, ecdsa_hash

RAW = 32
_LOGGED_IN = threading.Lock()
_MEND = "name it as `pkcs11-tool --module MODULE -O` lists it: pkcs11:token=T;object=LABEL?module-path=/path/to.so"


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
            with _session(self._uri, self._pin) as session:
                signature = self._signed(_only(session, self._uri, pkcs11.ObjectClass.PRIVATE_KEY), message)
        except pkcs11.PKCS11Error as error:
            raise Unusable("the token did not sign", why=_told(error), mend="is it still plugged in?") from error
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

    with _session(uri, pin) as session:
        _only(session, uri, ObjectClass.PRIVATE_KEY)
        return Pkcs11Signer(uri, _public(_only(session, uri, ObjectClass.PUBLIC_KEY), use), pin)


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
        raise Unusable("the URI names no object", why="the new key needs a label", mend=_MEND)
    kind = pkcs11.KeyType.EC_EDWARDS if algorithm == "ed25519" else pkcs11.KeyType.EC
    if algorithm != "ed25519" and algorithm not in CURVES:
        raise Unusable(f"a token makes no {algorithm} key here", mend="ed25519, or one of " + ", ".join(CURVES))
    curve = "1.3.101.112" if algorithm == "ed25519" else CURVES[algorithm][0]().name
    private_only = {pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True}
    with _session(uri, pin, write=True) as session:
        if any(session.get_objects(_wanted(uri, pkcs11.ObjectClass.PRIVATE_KEY))):
            raise Unusable(
                f"the token has a key {label!r:.80} already", mend="`countermark key use` takes it; or name another"
            )
        try:
            attributes = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            parameters = session.create_domain_parameters(kind, attributes, local=True)
            public, _ = parameters.generate_keypair(label=label, id=uri.path.get("id", label.encode()), store=True,
                                                    private_template=private_only)  # fmt: skip
        except pkcs11.PKCS11Error as error:
            raise Unusable(f"the token cannot make a {algorithm} key", why=_told(error)) from error
        return Pkcs11Signer(uri, _public(public, use), pin)


def import_library() -> None:
    """Refuse by name where the extra is absent.

    Raises:
        MissingExtra: it is.
    """
    try:
        import pkcs11  # noqa: F401 - asked for only to say by name that it is absent
    except ImportError as error:
        raise MissingExtra("a key in a token needs python-pkcs11", mend="pip install 'countermark[pkcs11]'") from error


@contextlib.contextmanager
def _session(uri: KeyUri, pin: bytes | None, *, write: bool = False) -> Iterator[Any]:
    """A session that is logged in; one at a time, because a process logs in to a token once for all its sessions."""
    with _LOGGED_IN:
        session = _logged_in(uri, pin, write=write)
        try:
            yield session
        finally:
            session.close()


def _logged_in(uri: KeyUri, pin: bytes | None, *, write: bool) -> Any:
    import pkcs11

    module = uri.asked("module-path")
    if not module.startswith("/"):
        raise Unusable("the URI names no module", why="which library speaks to the token is not said", mend=_MEND)
    label, serial = uri.one("token") or None, uri.path.get("serial")
    try:
        tokens = list(pkcs11.lib(module).get_tokens(token_label=label, token_serial=serial))
        if len(tokens) != 1:
            raise Unusable(f"{len(tokens)} tokens answer to this URI", mend="name the one: token=LABEL or serial=...")
        return tokens[0].open(rw=write, user_pin=pin.decode() if pin else None)
    except pkcs11.PinIncorrect as error:
        raise Unusable(
            "the token's PIN is wrong", why="a few more and it locks itself", mend="check it first"
        ) from error
    except pkcs11.PinLocked as error:
        raise Unusable("the token is locked", mend="its security officer unlocks it") from error
    except (pkcs11.PKCS11Error, UnicodeDecodeError, OSError, RuntimeError) as error:
        raise Unusable(
            "the token cannot be opened", why=_told(error), mend="is it plugged in, and the module right?"
        ) from error


def _wanted(uri: KeyUri, kind: Any) -> dict[Any, Any]:
    import pkcs11

    wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: kind}
    if uri.one("object"):
        wanted[pkcs11.Attribute.LABEL] = uri.one("object")
    if "id" in uri.path:
        wanted[pkcs11.Attribute.ID] = uri.path["id"]
    return wanted


def _only(session: Any, uri: KeyUri, kind: Any) -> Any:
    import pkcs11

    try:
        found = list(session.get_objects(_wanted(uri, kind)))
    except pkcs11.PKCS11Error as error:
        raise Unusable("the token cannot be read", why=_told(error)) from error
    if len(found) != 1:
        half = "private" if kind == pkcs11.ObjectClass.PRIVATE_KEY else "public"
        raise Unusable(f"{len(found)} {half} keys in the token answer to this URI", mend=_MEND)
    return found[0]


def _public(key: Any, use: Use) -> PublicKey:
    """The public half, from the point as the token gives it: DER octets, as the standard says, or bare."""
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    try:
        point, parameters = bytes(key[pkcs11.Attribute.EC_POINT]), bytes(key[pkcs11.Attribute.EC_PARAMS])
        if key.key_type == pkcs11.KeyType.EC_EDWARDS:
            spki = _spki(ed25519.Ed25519PublicKey.from_public_bytes(point if len(point) == RAW else _octets(point)))
        else:
            (curve,) = (c for c, _ in CURVES.values() if bytes(encode_named_curve_parameters(c().name)) == parameters)
            spki = _spki(ec.EllipticCurvePublicKey.from_encoded_point(curve(), _octets(point)))
    except (pkcs11.PKCS11Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SignatureRefused(
            "the token's key is neither Ed25519 nor ECDSA on a curve known here", why=_told(error)
        ) from error
    return PublicKey.from_spki(use, spki)


def _octets(der: bytes) -> bytes:
    """Content of a DER OCTET STRING of less than 256 bytes."""
    short = der[:1] == b"\x04" and len(der) > 2 and der[1] < 0x80 and len(der) == 2 + der[1]
    long = der[:2] == b"\x04\x81" and len(der) > 3 and len(der) == 3 + der[2]
    if not short and not long:
        raise ValueError("the point is not in DER")
    return der[2:] if short else der[3:]


def _spki(key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _told(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
