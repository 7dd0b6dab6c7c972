"""The two hashes under which a tree digest can be made: SHA-256 always, BLAKE3 where its signer chose it.

A profile's byte goes into the digest and its name beside it in every statement, so that neither can be taken for the
other. Chunk tree and file tree use prefixes of their own (the second-preimage rule of RFC 6962, section 2.1).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from countermark.errors import StatementRefused
from countermark.merkle import Hashing, HashState

CHUNK_PREFIXES = b"\x10", b"\x11"
FILE_PREFIXES = b"\x20", b"\x21"


@dataclass(frozen=True, slots=True)
class Profile:
    """How a `cm-tree/v1` is hashed.

    Attributes:
        name: as users write it. byte: its mark inside the digest. digest_name: its key in an in-toto digest set.
        new: hash constructor, 32 bytes of output. chunks, files: leaves and nodes of the two trees.
    """

    name: str
    byte: bytes
    digest_name: str
    new: Callable[[bytes | memoryview], HashState]
    chunks: Hashing
    files: Hashing

    def no_bytes(self) -> bytes:
        """Chunk root of an empty file: the hash of no bytes."""
        return self.chunks.empty()


def _made(name: str, byte: bytes, digest_name: str, new: Callable[[bytes | memoryview], HashState]) -> Profile:
    return Profile(name, byte, digest_name, new, Hashing(*CHUNK_PREFIXES, new), Hashing(*FILE_PREFIXES, new))


SHA256 = _made("sha256", b"\x01", "cmTreeV1", hashlib.sha256)
BLAKE3_NAME, BLAKE3_DIGEST_NAME = "blake3", "cmTreeV1Blake3"
NAMES = (SHA256.name, BLAKE3_NAME)
DIGEST_NAMES = {SHA256.name: SHA256.digest_name, BLAKE3_NAME: BLAKE3_DIGEST_NAME}


@functools.cache
def blake3_profile() -> Profile:
    """The BLAKE3 profile; its library is loaded by those only who use it."""
    import blake3

    new: Any = blake3.blake3  # its `update` gives itself back, where hashlib's gives nothing
    return _made(BLAKE3_NAME, b"\x02", BLAKE3_DIGEST_NAME, new)


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        StatementRefused: there is none.
    """
    if name == SHA256.name:
        return SHA256
    if name == BLAKE3_NAME:
        return blake3_profile()
    raise StatementRefused(f"no tree is digested under {name!r:.40}", mend=f"known are {', '.join(NAMES)}")
