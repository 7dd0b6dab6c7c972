"""Keys in key services: AWS KMS and Vault's transit engine; the private half never leaves the service.

The library is securesystemslib's signers, the extra ``kms``; of it only fetching a public half and asking for a signature is
used. Credentials come from the provider's own environment and files. Which key answers is the service's word, so the public half is
pinned in the key's URI when the key is taken, and every signature is checked with it before anybody sees it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from countermark.errors import MissingExtra, SignatureRefused, Unusable
from countermark.keys import _aws, _vault
from countermark.keys.uri import KeyUri, parse
from countermark.keys.verifier import PublicKey, Use

SERVICES = {"awskms": _aws, "hv": _vault}
MAX_SIGNATURE_BYTES = 4096


class KmsSigner:
    """A signer whose private key is in a key service; the service is asked for each signature."""

    def __init__(self, uri: KeyUri, public: PublicKey) -> None:
        self._uri, self._public = uri, public

    def __repr__(self) -> str:
        return f"KmsSigner(use={self._public.use!r}, id={self._public.id[:16]!r})"

    @property
    def public(self) -> PublicKey:
        """The public half as it was pinned, and its single use."""
        return self._public

    @property
    def uri(self) -> KeyUri:
        """The key's place, with the pin."""
        return self._uri

    def sign(self, message: bytes) -> bytes:
        """Signature over `message`: 64 bytes for Ed25519, DER for ECDSA.

        Raises:
            Unusable: the service cannot be reached, or refuses. SignatureRefused: it signed with another key, or something else.
        """
        service = SERVICES[self._uri.scheme]
        with _asked(self._uri):
            told = service.sign(self._uri.one("key"), _sslib(self._public), message)
        try:
            self._public.verify(message, _signature(told))
        except SignatureRefused as error:
            raise SignatureRefused(
                f"{service.NAME} signed with another key than the pinned one, or something else",
                why=f"pinned is {self._public.id[:16]}",
                mend="find out who changed the key or its alias; `countermark key use` pins a new one",
            ) from error
        return _signature(told)


def open_key(uri: KeyUri, use: Use) -> KmsSigner:
    """The key that a pinned URI names; nobody is asked yet.

    Raises:
        MissingExtra: the library is absent. Unusable: nothing is pinned. SignatureRefused: the pin is no key of an allowed kind.
    """
    import_library()
    pin = uri.asked("spki")
    if not pin:
        raise Unusable("this URI pins no key", why="whatever key the service names would count",
                       mend="`countermark key use USE URI` fetches and pins it")  # fmt: skip
    return KmsSigner(uri, PublicKey.from_spki(use, _unpinned(pin)))


def take_key(uri: KeyUri, use: Use) -> KmsSigner:
    """Fetch the public half and pin it; a pin that the URI has already must be the same.

    Raises:
        MissingExtra: the library is absent. Unusable: the service cannot be reached, or refuses.
        SignatureRefused: not a key of an allowed kind, or another than pinned.
    """
    import_library()
    service = SERVICES[uri.scheme]
    with _asked(uri):
        key, fetched = service.fetch(uri.one("key"))
        spki = fetched.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public, pin = PublicKey.from_spki(use, spki), uri.asked("spki")
    if pin and _unpinned(pin) != spki:
        raise SignatureRefused(
            f"{service.NAME} names another public key than the pinned one", why=f"it names {public.id[:16]}",
            mend="find out who changed the key or its alias",
        )  # fmt: skip
    text = base64.urlsafe_b64encode(spki).decode().rstrip("=")
    return KmsSigner(parse(f"{uri.scheme}:{key}?spki={text}"), public)


def import_library() -> None:
    """Refuse by name where the extra is absent.

    Raises:
        MissingExtra: it is.
    """
    try:
        import securesystemslib.signer  # noqa: F401 - asked for only to say by name that it is absent
    except ImportError as error:
        raise MissingExtra(
            "a key in a key service needs securesystemslib", mend="pip install 'countermark[kms]'"
        ) from error
    # Its log repeats what is raised; with a handler that keeps quiet, Python does not print it on the side.
    logging.getLogger("securesystemslib").addHandler(logging.NullHandler())


@contextlib.contextmanager
def _asked(uri: KeyUri) -> Iterator[None]:
    """Whatever a service's library raises, as a refusal with a mend."""
    from securesystemslib.exceptions import UnsupportedAlgorithmError, UnsupportedLibraryError

    service = SERVICES[uri.scheme]
    try:
        yield
    except UnsupportedLibraryError as error:
        raise MissingExtra(f"{service.NAME} needs its library", mend="pip install 'countermark[kms]'") from error
    except UnsupportedAlgorithmError as error:
        raise SignatureRefused(
            f"the key in {service.NAME} is of no kind that signs here",
            why=service.KINDS,
            mend="make one of these kinds",
        ) from error
    except service.failures() as error:
        what, mend = service.explain(error)
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise Unusable(what, why=why, mend=mend) from error


def _sslib(public: PublicKey) -> Any:
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    key: Any = load_der_public_key(public.spki)
    return SSlibKey.from_crypto(key)


def _signature(told: str) -> bytes:
    try:
        return bytes.fromhex(told[: 2 * MAX_SIGNATURE_BYTES])
    except ValueError as error:
        raise SignatureRefused("the key service gave no signature", why=str(error)) from error


def _unpinned(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureRefused("the pin in the URI is not base64url", why=str(error)) from error
