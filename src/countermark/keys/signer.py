"""Signers: private keys in files, mode 0600, with an optional passphrase."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from countermark import dsse
from countermark.errors import SignatureRefused, Unusable
from countermark.keys.verifier import CURVES, Algorithm, PublicKey, Use, ecdsa_hash

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA44PrivateKey
MAX_PEM_BYTES = 16 << 10


class Signer(Protocol):
    """Something that signs with one key, in a file or a trusted element. Never shows the private half."""

    @property
    def public(self) -> PublicKey:
        """The public half and its single use."""

    def sign(self, message: bytes) -> bytes:
        """Signature over `message`: 64 bytes for Ed25519, DER for ECDSA."""


class FileSigner:
    """A signer whose private key came from a file, or was made here and not stored yet."""

    def __init__(self, private: PrivateKey, use: Use) -> None:
        self._private = private
        spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._public = PublicKey.from_spki(use, spki)

    def __repr__(self) -> str:
        return f"FileSigner(use={self._public.use!r}, id={self._public.id[:16]!r})"

    @property
    def public(self) -> PublicKey:
        """The public half and its single use."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Signature over `message`: 64 bytes for Ed25519, DER for ECDSA, 3,309 bytes for ML-DSA-65, 2,420 for ML-DSA-44."""
        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            return self._private.sign(message, ec.ECDSA(ecdsa_hash(self._public.algorithm)))
        return self._private.sign(message)

    def save(self, path: Path, passphrase: bytes | None = None) -> None:
        """Write PKCS#8 PEM, mode 0600, durably; an existing file is never replaced.

        Raises:
            Unusable: the file exists or cannot be written, or the passphrase is empty.
        """
        if passphrase == b"":
            raise Unusable("an empty passphrase protects nothing", mend="name one, or none at all")
        protect = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protect)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except FileExistsError as error:
            raise Unusable(f"{path} exists", why="a key is never overwritten", mend="name another file") from error
        except OSError as error:
            raise Unusable(f"cannot write {path}", why=str(error), mend="check the path") from error
        try:
            _write_durably(descriptor, pem, path.parent)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise Unusable(f"cannot write {path}", why=str(error), mend="make room, then try again") from error


def _write_durably(descriptor: int, data: bytes, folder: Path) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    if os.name == "posix":
        parent = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def generate(use: Use, algorithm: Algorithm = "ed25519") -> FileSigner:
    """A fresh key for one use."""
    if algorithm == "ed25519":
        return FileSigner(ed25519.Ed25519PrivateKey.generate(), use)
    if algorithm == "ml-dsa-65":
        return FileSigner(mldsa.MLDSA65PrivateKey.generate(), use)
    if algorithm == "ml-dsa-44":
        return FileSigner(mldsa.MLDSA44PrivateKey.generate(), use)
    return FileSigner(ec.generate_private_key(CURVES[algorithm][0]()), use)


def load(path: Path, use: Use, passphrase: bytes | None = None) -> FileSigner:
    """Read a PKCS#8 PEM key file.

    Raises:
        Unusable: missing, unreadable, or readable by others; not a private key of an allowed kind, or the passphrase is wrong or
            missing. One's own key that does not open is no verdict about anybody's evidence.
    """
    pem = read_private(path)
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:
        needed = "no passphrase is needed" if passphrase else "it needs a passphrase"
        raise Unusable(f"{path.name}: {needed}", mend="use --passphrase-file or answer the prompt") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(
            f"{path.name} does not open: the passphrase is wrong, or this is no key",
            mend="try the passphrase again; where it is lost, `countermark key new` makes a key, which the owners enrol",
        ) from error
    mend = f"`countermark key new {path.stem}` makes one that is"
    if not isinstance(key, PrivateKey):
        raise Unusable(f"{path.name} is neither an Ed25519, an ECDSA nor an ML-DSA-65 or ML-DSA-44 key", mend=mend)
    try:
        return FileSigner(key, use)
    except SignatureRefused as error:
        raise Unusable(f"{path.name} is no key that is taken here", why=error.what, mend=mend) from error


def read_private(path: Path) -> bytes:
    """Bytes of a small file that nobody else may read.

    Raises:
        Unusable: missing, unreadable, or readable by others.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise Unusable(
            f"cannot read the key {path}", why=error.strerror or "", mend=f"`countermark key new {path.stem}` makes one"
        ) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise Unusable(f"{path} is not a file", mend="`countermark init` makes keys")
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise Unusable(f"{path} can be read by others", mend=f"chmod 600 {path}")
        return os.read(descriptor, MAX_PEM_BYTES)
    finally:
        os.close(descriptor)


def sign_envelope(payload_type: str, payload: bytes, signers: Iterable[Signer]) -> dsse.Envelope:
    """Sign payload bytes with every signer, in order."""
    message = dsse.pae(payload_type, payload)
    signatures = tuple(dsse.Signature(s.public.id, s.sign(message)) for s in signers)
    return dsse.Envelope(payload_type, payload, signatures)


def add_signature(envelope: dsse.Envelope, signer: Signer) -> dsse.Envelope:
    """The same envelope with one more signature; signing twice with one key changes nothing.

    A signature that only pretends to be by this key is replaced.
    """
    mine = [s for s in envelope.signatures if s.keyid == signer.public.id]
    if mine and all(_holds(signer.public, envelope, s) for s in mine):
        return envelope
    others = (s for s in envelope.signatures if s.keyid != signer.public.id)
    signature = dsse.Signature(signer.public.id, signer.sign(envelope.signed_bytes()))
    return dsse.Envelope(envelope.payload_type, envelope.payload, (*others, signature))


def _holds(key: PublicKey, envelope: dsse.Envelope, signature: dsse.Signature) -> bool:
    try:
        key.verify(envelope.signed_bytes(), signature.sig)
    except SignatureRefused:
        return False
    return True
