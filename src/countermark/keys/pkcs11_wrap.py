"""Content keys and PKCS#11 tokens: wrapped under a key that never leaves the token, or agreed with one.

Sources: PKCS#11 v3.0 (CKM_AES_KEY_WRAP, CKM_ECDH1_DERIVE), RFC 3394 (AES Key Wrap), RFC 9180 (HPKE). What is taken as a
wrapping or agreement key must be sensitive and must never have been extractable: a token says so of each key, and a key that
was imported, or that can be read out, is refused here by name. SoftHSM2, which the tests use, keeps its keys in files: it is
a test double for a real token and protects nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from countermark.errors import TrustRefused, Unusable
from countermark.keys import hpke_p256
from countermark.keys.pkcs11_session import MEND, import_library, octets, only, session, told, wanted
from countermark.keys.uri import KeyUri

CONTENT_KEY_BYTES = 32
WRAPPED_BYTES = CONTENT_KEY_BYTES + 8
_REFUSED = "this key was wrapped under another key, or was changed"


class WrappingKey:
    """An AES-256 key in a token that wraps content keys (RFC 3394); made by `make_wrapping_key` or `open_wrapping_key`.

    Attributes:
        id: hex SHA-256 over what it makes of 32 zero bytes: the same key has it under any label.
    """

    def __init__(self, uri: KeyUri, pin: bytes | None) -> None:
        self._uri, self._pin = uri, pin
        self.id = hashlib.sha256(b"countermark/pkcs11-aes-kw/v1\0" + self.wrap(bytes(CONTENT_KEY_BYTES))).hexdigest()

    def __repr__(self) -> str:
        return f"WrappingKey(id={self.id[:16]!r})"

    def wrap(self, key: bytes) -> bytes:
        """Wrap a content key of 32 bytes; gives 40 bytes.

        Raises:
            Unusable: another size, or the token refuses.
        """
        import pkcs11

        if len(key) != CONTENT_KEY_BYTES:
            raise Unusable("a content key has 32 bytes", why=f"seen {len(key)}")
        with _opened(self._uri, self._pin) as opened:
            kek = _guarded(only(opened, self._uri, pkcs11.ObjectClass.SECRET_KEY))
            held = opened.create_object({
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
                pkcs11.Attribute.VALUE: bytes(key), pkcs11.Attribute.TOKEN: False, **_readable(),
            })  # fmt: skip
            try:
                return bytes(kek.wrap_key(held, mechanism=pkcs11.Mechanism.AES_KEY_WRAP))
            finally:
                held.destroy()

    def unwrap(self, wrapped: bytes) -> bytearray:
        """The content key, 32 bytes; wipe it when done.

        Raises:
            TrustRefused: changed, or wrapped under another key. Unusable: the token is gone, or its key can be read out.
        """
        import pkcs11

        if len(wrapped) != WRAPPED_BYTES:
            raise TrustRefused(_REFUSED, why=f"{len(wrapped)} bytes, not {WRAPPED_BYTES}")
        with _opened(self._uri, self._pin) as opened:
            kek = _guarded(only(opened, self._uri, pkcs11.ObjectClass.SECRET_KEY))
            try:
                held = kek.unwrap_key(
                    pkcs11.ObjectClass.SECRET_KEY, pkcs11.KeyType.AES, bytes(wrapped), store=False,
                    mechanism=pkcs11.Mechanism.AES_KEY_WRAP, template=_readable(),
                )  # fmt: skip
            except pkcs11.PKCS11Error as error:  # SoftHSM2 has CKR_GENERAL_ERROR for a failed integrity check
                raise TrustRefused(_REFUSED, why=told(error), mend="ask for it to be wrapped anew") from error
            return _taken(held)


class AgreementKey:
    """A P-256 key pair in a token that HPKE seals to; made by `make_agreement_key` or `open_agreement_key`."""

    def __init__(self, uri: KeyUri, pin: bytes | None, public: bytes) -> None:
        self._uri, self._pin, self._public = uri, pin, public

    def __repr__(self) -> str:
        return f"AgreementKey(object={self._uri.one('object')!r})"

    @property
    def public(self) -> bytes:
        """The public point, 65 bytes, uncompressed."""
        return self._public

    def open_sealed(self, sealed: bytes, info: bytes) -> bytearray:
        """Open what was sealed to `public`; wipe it when done.

        Raises:
            TrustRefused: malformed, sealed to another key or purpose, or changed. Unusable: the token is gone or refuses.
        """
        with _opened(self._uri, self._pin) as opened:
            return self.opened_in(opened, sealed, info)

    def opened_in(self, opened: Any, sealed: bytes, info: bytes) -> bytearray:
        """As `open_sealed`, in a session that is held open."""
        import pkcs11

        private = _guarded(only(opened, self._uri, pkcs11.ObjectClass.PRIVATE_KEY))
        return bytearray(hpke_p256.open_sealed(sealed, self._public, lambda sender: _agreed(private, sender), info))

    @contextmanager
    def held(self) -> Iterator[Any]:
        """A session that is logged in, for as long as a service runs: it keeps this process's one place at the tokens."""
        with _opened(self._uri, self._pin) as opened:
            yield opened


def make_wrapping_key(uri: KeyUri, pin: bytes | None) -> WrappingKey:
    """Make an AES-256 key in a token that wraps and unwraps and does nothing else; it can never be read out.

    Raises:
        MissingExtra: the library is absent. Unusable: no such token, a key of this label is there, or it cannot make one.
    """
    import_library()
    import pkcs11

    label = _label(uri)
    with _opened(uri, pin, write=True) as opened:
        _refuse_taken(opened, uri, pkcs11.ObjectClass.SECRET_KEY)
        opened.generate_key(
            pkcs11.KeyType.AES, 256, label=label, id=uri.path.get("id", label.encode()), store=True,
            capabilities=pkcs11.MechanismFlag.WRAP | pkcs11.MechanismFlag.UNWRAP, template=_locked(),
        )  # fmt: skip
    return open_wrapping_key(uri, pin)


def open_wrapping_key(uri: KeyUri, pin: bytes | None) -> WrappingKey:
    """The wrapping key that a URI names.

    Raises:
        MissingExtra: the library is absent. Unusable: no such token or key, several, or one that can be read out.
    """
    import_library()
    return WrappingKey(uri, pin)


def open_key(uri: KeyUri, pin: bytes | None) -> WrappingKey | AgreementKey:
    """The key that a URI names, a secret one that wraps or a pair that agrees.

    Raises:
        As `open_wrapping_key`; Unusable: the URI fits one of each.
    """
    import_library()
    import pkcs11

    with _opened(uri, pin) as opened:
        found = [any(opened.get_objects(wanted(uri, kind)))
                 for kind in (pkcs11.ObjectClass.SECRET_KEY, pkcs11.ObjectClass.PRIVATE_KEY)]  # fmt: skip
    if all(found):
        raise Unusable("a secret key and a pair in the token answer to this URI", mend=MEND)
    return open_wrapping_key(uri, pin) if found[0] else open_agreement_key(uri, pin)


def make_agreement_key(uri: KeyUri, pin: bytes | None) -> AgreementKey:
    """Make a P-256 key pair in a token that agrees on secrets and signs nothing; the private half can never be read out.

    Raises:
        As `make_wrapping_key`.
    """
    import_library()
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    label = _label(uri)
    with _opened(uri, pin, write=True) as opened:
        _refuse_taken(opened, uri, pkcs11.ObjectClass.PRIVATE_KEY)
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        opened.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(
            label=label, id=uri.path.get("id", label.encode()), store=True,
            capabilities=pkcs11.MechanismFlag.DERIVE, private_template=_locked(),
        )  # fmt: skip
    return open_agreement_key(uri, pin)


def open_agreement_key(uri: KeyUri, pin: bytes | None) -> AgreementKey:
    """The agreement key that a URI names.

    Raises:
        As `open_wrapping_key`; TrustRefused: it is not on P-256.
    """
    import_library()
    import pkcs11

    with _opened(uri, pin) as opened:
        _guarded(only(opened, uri, pkcs11.ObjectClass.PRIVATE_KEY))
        encoded = bytes(only(opened, uri, pkcs11.ObjectClass.PUBLIC_KEY)[pkcs11.Attribute.EC_POINT])
    try:
        public = encoded if len(encoded) == hpke_p256.POINT_BYTES else octets(encoded)
    except ValueError as error:
        raise TrustRefused("the token's key is not on P-256", why=str(error)) from error
    hpke_p256.point(public)
    return AgreementKey(uri, pin, public)


def _agreed(private: Any, sender: bytes) -> bytes:
    import pkcs11

    try:
        derived = private.derive_key(
            pkcs11.KeyType.GENERIC_SECRET, 256, mechanism=pkcs11.Mechanism.ECDH1_DERIVE, store=False,
            mechanism_param=(pkcs11.KDF.NULL, None, sender), template=_readable(),
        )  # fmt: skip
    except (
        pkcs11.PKCS11Error,
        AttributeError,
    ) as error:  # AttributeError: a key that may not derive has no such method
        raise Unusable(
            "the token did not agree on a secret", why=told(error), mend="name a key made for that"
        ) from error
    return bytes(_taken(derived))


@contextmanager
def _opened(uri: KeyUri, pin: bytes | None, *, write: bool = False) -> Iterator[Any]:
    """A session whose refusals are ours; what is judged here passes through."""
    import pkcs11

    with session(uri, pin, write=write) as opened:
        try:
            yield opened
        except pkcs11.PKCS11Error as error:
            raise Unusable(
                "the token refused", why=told(error), mend="is it still plugged in, and can it do this?"
            ) from error


def _guarded(key: Any) -> Any:
    """The key, if the token says that it was made inside and that nobody can read it out."""
    import pkcs11

    try:
        inside = bool(key[pkcs11.Attribute.ALWAYS_SENSITIVE]) and bool(key[pkcs11.Attribute.NEVER_EXTRACTABLE])
    except pkcs11.PKCS11Error as error:
        raise Unusable("the token does not say whether its key can be read out", why=told(error)) from error
    if not inside:
        raise Unusable(
            "the token's key could be read out, now or once", why="it is not always sensitive and never extractable",
            mend="let the token make a new one",
        )  # fmt: skip
    return key


def _taken(held: Any) -> bytearray:
    """The value of a passing object, which is destroyed."""
    import pkcs11

    try:
        value = bytearray(held[pkcs11.Attribute.VALUE])
    finally:
        held.destroy()
    if len(value) != CONTENT_KEY_BYTES:
        raise TrustRefused(_REFUSED, why=f"{len(value)} bytes, not {CONTENT_KEY_BYTES}")
    return value


def _refuse_taken(opened: Any, uri: KeyUri, kind: Any) -> None:
    if any(opened.get_objects(wanted(uri, kind))):
        raise Unusable(f"the token has a key {uri.one('object')!r:.80} already", mend="open it, or name another")


def _label(uri: KeyUri) -> str:
    label = uri.one("object")
    if not label:
        raise Unusable("the URI names no object", why="the new key needs a label", mend=MEND)
    return label


def _locked() -> dict[Any, Any]:
    import pkcs11

    return {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}


def _readable() -> dict[Any, Any]:
    import pkcs11

    return {pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True}
