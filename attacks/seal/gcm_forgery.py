"""What AES-GCM does not promise to those who hold the key: forged chunks, and one chunk that opens under two keys.

Sources: NIST SP 800-38D (GHASH); Dodis, Grubbs, Ristenpart, Woodage, "Fast Message Franking" (2018) and Albertini et al., "How to Abuse and Fix
Authenticated Encryption Without Key Commitment" (2022), for the ciphertext under two keys. Both are real here: the library opens what they make.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16
_R = 0xE1 << 120


def multiply(x: int, y: int) -> int:
    """Product in GF(2^128) as GCM has it (SP 800-38D, algorithm 1): the first bit is the leftmost."""
    z = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            z ^= y
        y = y >> 1 ^ (_R if y & 1 else 0)
    return z


def power(x: int, n: int) -> int:
    """x to the n."""
    out = 1 << 127  # one
    while n:
        if n & 1:
            out = multiply(out, x)
        x, n = multiply(x, x), n >> 1
    return out


def inverse(x: int) -> int:
    """By Fermat: x to the 2^128 - 2."""
    return power(x, (1 << 128) - 2)


def aes(key: bytes, block: bytes) -> bytes:
    """One block of AES."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def forged(key: bytes, sealed: bytes, block: int, delta: bytes) -> bytes:
    """A chunk (ciphertext and tag) whose plaintext block `block` is changed by `delta`, with the same valid tag.

    With H = AES_K(0) a change d of one block is undone in the tag by the change d * H of the next.
    """
    h = int.from_bytes(aes(key, bytes(BLOCK)), "big")
    undo = multiply(int.from_bytes(delta, "big"), h).to_bytes(BLOCK, "big")
    out = bytearray(sealed)
    for at, change in ((block * BLOCK, delta), ((block + 1) * BLOCK, undo)):
        out[at : at + BLOCK] = bytes(a ^ b for a, b in zip(out[at : at + BLOCK], change, strict=True))
    return bytes(out)


def salamander(keys: tuple[bytes, bytes], nonce: bytes, aad: bytes, length: int) -> bytes:
    """A chunk of `length` plaintext bytes (a multiple of 16) that has a valid tag under both keys; one block is solved for."""
    blocks = [bytes([n % 251]) * BLOCK for n in range(length // BLOCK)]
    free = len(blocks) // 2
    blocks[free] = bytes(BLOCK)
    h = [int.from_bytes(aes(key, bytes(BLOCK)), "big") for key in keys]
    masks = [int.from_bytes(aes(key, nonce + b"\0\0\0\1"), "big") for key in keys]
    ends = [_ghash(one, aad, blocks) ^ mask for one, mask in zip(h, masks, strict=True)]
    after = len(blocks) - free + 1  # powers of H on the free block: itself, those behind it, and the lengths
    solved = multiply(ends[0] ^ ends[1], inverse(power(h[0], after) ^ power(h[1], after)))
    blocks[free] = solved.to_bytes(BLOCK, "big")
    tag = _ghash(h[0], aad, blocks) ^ masks[0]
    return b"".join(blocks) + tag.to_bytes(BLOCK, "big")


def _ghash(h: int, aad: bytes, blocks: list[bytes]) -> int:
    padded = aad + bytes(-len(aad) % BLOCK)
    parts = [padded[at : at + BLOCK] for at in range(0, len(padded), BLOCK)] + blocks
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * BLOCK * len(blocks)).to_bytes(8, "big")
    y = 0
    for part in [*parts, lengths]:
        y = multiply(y ^ int.from_bytes(part, "big"), h)
    return y
