"""The public prelude of a sealed container, and what its content key becomes.

Source: `docs/reference/formats/sealed.md`. The prelude is the first 120 bytes of the file; all numbers are big-endian. From the content
key (32 random bytes, made for one container and never used for another) and the id of its sealer's key HKDF-SHA256 (RFC 5869) derives the key
that encrypts chunks and a commitment that stands in the prelude: AES-GCM alone does not say under which key it was made, nor by whom. Whoever
writes another sealer into it has a file that no recipient's key opens.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from countermark.errors import FormatRefused

MAGIC = b"cmsealed"
VERSION = 1
AES_256_GCM, CHACHA20_POLY1305 = 1, 2
SUITES: dict[int, tuple[str, Any]] = {
    AES_256_GCM: ("aes-256-gcm", AESGCM),
    CHACHA20_POLY1305: ("chacha20-poly1305", ChaCha20Poly1305),
}
CHUNK = 1 << 20
LEAST_CHUNK, MOST_CHUNK = 1 << 12, 1 << 24
MOST_CHUNKS = 1 << 40
KEY = ID = COMMIT = SEALER = 32
TAG = 16
LEAF_BYTES = 32
"""Of one entry in the table of leaf hashes behind the last chunk."""
_ZEROS = memoryview(bytes(64 << 10))
_FORM = struct.Struct(">8sHHIQ32s32s32s")
BYTES = _FORM.size


@dataclass(frozen=True, slots=True)
class Prelude:
    """The public facts of a container.

    Attributes:
        suite: of `SUITES`. chunk: plaintext bytes of every chunk but the last; a power of two from 4 KiB to 16 MiB. chunks: their
            number, 1 to 2**40, chunk 0 (the secret header) included. asset: 32 random bytes. commit: 32 bytes, the commitment to the content key and
            the sealer. sealer: id of the key that must have signed the manifest, 32 bytes.
    """

    suite: int
    chunk: int
    chunks: int
    asset: bytes
    commit: bytes
    sealer: bytes

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise FormatRefused(f"a sealed file of cipher suite {self.suite}", why=f"known are {sorted(SUITES)}")
        if not LEAST_CHUNK <= self.chunk <= MOST_CHUNK or self.chunk & (self.chunk - 1):
            raise FormatRefused(
                f"a sealed file with chunks of {self.chunk} bytes", why="a power of two, 4 KiB to 16 MiB"
            )
        if not 1 <= self.chunks <= MOST_CHUNKS:
            raise FormatRefused(f"a sealed file of {self.chunks} chunks", why=f"1 to {MOST_CHUNKS}")
        if (len(self.asset), len(self.commit), len(self.sealer)) != (ID, COMMIT, SEALER):
            raise FormatRefused("an asset id, a key commitment and a sealer's key id have 32 bytes each")

    def to_bytes(self) -> bytes:
        """The 120 bytes."""
        return _FORM.pack(MAGIC, VERSION, self.suite, self.chunk, self.chunks, self.asset, self.commit, self.sealer)

    @classmethod
    def from_bytes(cls, data: bytes) -> Prelude:
        """Parse the first 120 bytes of a file.

        Raises:
            FormatRefused: not a sealed file, another version, or a number out of its range.
        """
        if len(data) != BYTES:
            raise FormatRefused("not a sealed file", why=f"{len(data)} bytes where a prelude has {BYTES}")
        magic, version, *rest = _FORM.unpack(data)
        if magic != MAGIC:
            raise FormatRefused("not a sealed file", why=f"it begins with {magic.hex()}, not with {MAGIC.hex()}")
        if version != VERSION:
            raise FormatRefused(f"a sealed file of version {version}", mend="a newer Countermark may read it")
        return cls(*rest)

    def aad(self) -> bytes:
        """What every chunk authenticates beside its own bytes: SHA-256 of the prelude, 32 bytes."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.to_bytes())
        return digest.finalize()

    def nonce(self, index: int) -> bytes:
        """Nonce of a chunk: 88 bits of its index, then 1 in the last chunk and 0 in others (STREAM, Hoang et al., 2015).

        Raises:
            FormatRefused: no such chunk.
        """
        if not 0 <= index < self.chunks:
            raise FormatRefused(f"a sealed file of {self.chunks} chunks has no chunk {index}")
        return index.to_bytes(11, "big") + bytes([index == self.chunks - 1])

    def at(self, index: int) -> int:
        """Where a chunk begins in the file."""
        return BYTES + index * (self.chunk + TAG)

    def table_at(self, size: int) -> int:
        """Where the chunks end, and the table of leaf hashes begins, in a file of that size."""
        return size - LEAF_BYTES * self.chunks

    def extent(self, index: int, size: int) -> tuple[int, int]:
        """Where a chunk's ciphertext and tag begin and end in a file of that size."""
        begin = self.at(index)
        return begin, min(begin + self.chunk + TAG, self.table_at(size))

    def check_size(self, size: int) -> None:
        """Refuse a file that cannot have these chunks.

        Raises:
            FormatRefused: shorter or longer.
        """
        table = LEAF_BYTES * self.chunks
        least = self.at(self.chunks - 1) + TAG + (self.chunk if self.chunks == 1 else 1) + table
        most = self.at(self.chunks) + table
        if not least <= size <= most:
            raise FormatRefused(
                "a sealed file was cut or grew", why=f"{size} bytes; {self.chunks} chunks have {least} to {most}",
                mend="fetch it again",
            )  # fmt: skip

    def cipher(self, content_key: bytes | bytearray) -> Any:
        """The AEAD of this container under its content key.

        Raises:
            FormatRefused: this is another container's key, or the prelude was changed, such as who sealed it.
        """
        key, commit = derive(content_key, self.asset, self.suite, self.sealer)
        if not hmac.compare_digest(commit, self.commit):
            wipe(key)
            raise FormatRefused("this content key is not the one that the sealed file commits to", why=OTHERWISE)
        try:
            return SUITES[self.suite][1](bytes(key))
        finally:
            wipe(key)


OTHERWISE = "it belongs to another file, or somebody else than who sealed this one put his own key into the prelude"


def new_content_key() -> bytearray:
    """32 fresh random bytes, for one container."""
    return bytearray(secrets.token_bytes(KEY))


def new_prelude(
    content_key: bytes | bytearray, chunks: int, sealer: str, *, suite: int = AES_256_GCM, chunk: int = CHUNK
) -> Prelude:
    """Prelude of a new container, with a fresh asset id.

    Args:
        sealer: id of the key that will sign its manifest, hex.
    """
    asset, named = secrets.token_bytes(ID), bytes.fromhex(sealer)
    key, commit = derive(content_key, asset, suite, named)
    wipe(key)
    return Prelude(suite, chunk, chunks, asset, commit, named)


def derive(content_key: bytes | bytearray, asset: bytes, suite: int, sealer: bytes) -> tuple[bytearray, bytes]:
    """(key, commitment), 32 bytes each: HKDF-SHA256 with the asset id as salt; info is ``countermark/seal/v1``, the suite, the sealer's key id.

    Raises:
        FormatRefused: a content key that has not 32 bytes.
    """
    if len(content_key) != KEY:
        raise FormatRefused(f"a content key of {len(content_key)} bytes", why="it has 32")
    info = b"countermark/seal/v1" + suite.to_bytes(2, "big") + sealer
    made = HKDF(hashes.SHA256(), 2 * KEY, salt=asset, info=info).derive(bytes(content_key))
    return bytearray(made[:KEY]), made[KEY:]


def wipe(*secret: bytearray | memoryview) -> None:
    """Overwrite with zeros. Best effort: Python and the libraries below may have made copies that nobody can reach."""
    for one in secret:
        for at in range(0, len(one), len(_ZEROS)):
            one[at : at + len(_ZEROS)] = _ZEROS[: len(one) - at]
