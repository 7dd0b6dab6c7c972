"""What a container that rewrites chunk 0 in place would give away, and a swap between the hash and the decryption."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from countermark.merkle import Hashing
from countermark.seal.prelude import Prelude, derive


def rewritten(whole: bytes, prelude: Prelude, content_key: bytearray, new_header: bytes) -> bytes:
    """The file as a careless editor leaves it: another chunk 0 under the same key and nonce."""
    key, _ = derive(content_key, prelude.asset, prelude.suite, prelude.sealer)
    begin = prelude.at(0)
    made = AESGCM(bytes(key)).encrypt(prelude.nonce(0), new_header.ljust(prelude.chunk, b"\0"), prelude.aad())
    return whole[:begin] + made + whole[begin + len(made) :]


def told_by_two(before: bytes, after: bytes, prelude: Prelude, known: bytes) -> bytes:
    """What somebody without any key reads of one header, who knows the other: the key stream is the same."""
    begin, size = prelude.at(0), prelude.chunk
    pairs = zip(before[begin : begin + size], after[begin : begin + size], known.ljust(size, b"\0"), strict=True)
    return bytes(a ^ b ^ c for a, b, c in pairs)


class SwappingHash:
    """A hash that lets somebody write to the file right after it was computed."""

    def __init__(self, real: Hashing, path: Path, offset: int, other: bytes) -> None:
        self._real, self._path, self._offset, self._other = real, path, offset, other

    def leaf(self, data: memoryview) -> bytes:
        """The hash; then the swap."""
        return self._swapped(self._real.leaf(data))

    def leaf_behind(self, prefixed: memoryview) -> bytes:
        """As `leaf`, as the container asks for it."""
        return self._swapped(self._real.leaf_behind(prefixed))

    def _swapped(self, out: bytes) -> bytes:
        with self._path.open("r+b") as file:
            file.seek(self._offset)
            file.write(self._other)
        return out


def careless_load(path: Path, prelude: Prelude, content_key: bytearray, size: int, hashing: Any, leaf: bytes) -> bytes:
    """Chunk 1 as a loader reads it that hashes a shared mapping and decrypts from it afterwards."""
    key, _ = derive(content_key, prelude.asset, prelude.suite, prelude.sealer)
    begin, end = prelude.extent(1, size)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)[begin:end]
        try:
            if hashing.leaf(view) != leaf:
                raise ValueError("refused")
            return AESGCM(bytes(key)).decrypt(prelude.nonce(1), bytes(view), prelude.aad())
        finally:
            view.release()
