"""The secret behind all fingerprints of an owner, and the streams that are derived from it.

HKDF-SHA256 (RFC 5869) gives one sub-key for each purpose and original; AES-256 in counter mode (NIST SP 800-38A) under a sub-key that is
used for one stream alone gives its bytes. Nothing is stored for a licensee: the name is enough to derive the code again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable
from typing import Any, NoReturn

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from countermark.errors import Unusable

BYTES = 32
LABEL = b"countermark/fingerprint/v1/"
_HEAD = b"countermark-fingerprint-key-v1 "
_TEXT = re.compile(re.escape(_HEAD) + rb"([0-9a-f]{64})\n?")
MAX_FILE_BYTES = 4096
MAX_LICENSEE_BYTES = 256


class FingerprintKey:
    """256 secret bits. Shows neither in `repr` nor in a pickle; who has them can trace, and can forge."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Take the secret.

        Raises:
            Unusable: it has not exactly 32 bytes.
        """
        if len(secret) != BYTES:
            raise Unusable(f"a fingerprint key has {BYTES} bytes, this has {len(secret)}")
        self._secret = bytes(secret)

    @classmethod
    def generate(cls) -> FingerprintKey:
        """A fresh key."""
        return cls(secrets.token_bytes(BYTES))

    @classmethod
    def from_bytes(cls, data: bytes) -> FingerprintKey:
        """Read a key file's content.

        Raises:
            Unusable: it is not one line as `to_bytes` writes it.
        """
        found = _TEXT.fullmatch(data)
        if found is None:
            raise Unusable("this is no fingerprint key", mend="`countermark fingerprint key` makes one")
        return cls(bytes.fromhex(found[1].decode()))

    def to_bytes(self) -> bytes:
        """Content of a key file: one line. For a file of mode 0600 and nothing else."""
        return _HEAD + self._secret.hex().encode() + b"\n"

    def __repr__(self) -> str:
        return f"FingerprintKey(commitment={self.commitment[:16]!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a fingerprint key is not pickled")

    @property
    def commitment(self) -> str:
        """Hex digest that binds the key without telling it: published when copies are marked, so that no other key can be tried later."""
        return self.derive("commitment", b"").hex()

    def derive(self, purpose: str, original: bytes) -> bytes:
        """32-byte sub-key for one purpose and one original (its weights' digest)."""
        extracted = hmac.digest(original.ljust(32, b"\0"), self._secret, "sha256")
        return hmac.digest(extracted, LABEL + purpose.encode() + b"\x01", "sha256")


def stream(key: bytes, count: int) -> Any:
    """`count` bytes of the stream of a 32-byte key that is used for nothing else."""
    return Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(count))


def named(key: bytes, *names: bytes) -> bytes:
    """Sub-key for a thing with a name of several parts, each part with its length."""
    return hmac.digest(key, b"".join(len(name).to_bytes(8, "big") + name for name in names), "sha256")


def licensee_name(text: str) -> bytes:
    """The bytes that stand for a licensee.

    Raises:
        Unusable: empty, longer than 256 bytes, not printable, not in Unicode's normal form C, or with space at an end.
    """
    data = text.encode(errors="surrogateescape")
    plain = text.isprintable() and text == text.strip() and unicodedata.is_normalized("NFC", text)
    if not plain or not 0 < len(data) <= MAX_LICENSEE_BYTES:
        raise Unusable(f"{text[:80]!r} cannot name a licensee", why="two texts that look alike would be two licensees",
                       mend="1 to 256 bytes of printable text in normal form C, without spaces around it")  # fmt: skip
    return data


def weights_digest(parts: Iterable[tuple[str, str, tuple[int, ...], bytes]]) -> bytes:
    """Digest of an original's weights: name, dtype, shape and content of each tensor, which come in order of names."""
    whole = hashlib.sha256(LABEL + b"weights")
    for name, dtype, shape, content in parts:
        for field in (name.encode(), dtype.encode(), repr(list(shape)).encode(), content):
            whole.update(len(field).to_bytes(8, "big"))
            whole.update(field)
    return whole.digest()
