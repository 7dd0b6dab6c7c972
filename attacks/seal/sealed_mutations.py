"""Every way to change what lies on the disk: bits, chunks, boundaries, tables, whole files, each as a function of a copy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from seal_world import World

from countermark import dsse, merkle
from countermark.lifecycle import seal
from countermark.seal.manifest import Manifest
from countermark.seal.prelude import BYTES, LEAF_BYTES, TAG


def manifest(world: World) -> Manifest:
    """The manifest as it lies there."""
    return Manifest.from_bytes(dsse.Envelope.from_bytes(world.part(seal.MANIFEST).read_bytes()).payload)


def extents(world: World) -> list[tuple[int, int]]:
    """Where chunks begin and end."""
    said = manifest(world)
    return [said.prelude.extent(index, said.size) for index in range(said.prelude.chunks)]


def bits(path: Path, begin: int, end: int) -> Iterator[tuple[str, bytes]]:
    """The file with each bit of [begin, end) flipped."""
    whole = path.read_bytes()
    for at in range(begin, end):
        for bit in range(8):
            yield f"{path.suffix} byte {at} bit {bit}", whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]


def prelude_bits(world: World) -> Iterator[tuple[str, bytes]]:
    """All 960."""
    return bits(world.sealed, 0, BYTES)


def edges(world: World) -> Iterator[tuple[str, bytes]]:
    """Bits of the first and last two bytes of each chunk's ciphertext and of its tag, and of the table."""
    for begin, end in extents(world):
        for low in (begin, end - TAG - 2, end - TAG, end - 2):
            yield from bits(world.sealed, low, low + 2)
    yield from bits(world.sealed, extents(world)[-1][1], world.sealed.stat().st_size)


def swaps(world: World) -> Iterator[tuple[str, bytes]]:
    """Each pair of full chunks swapped, with and without their entries in the table; each chunk doubled over its neighbour."""
    whole, places = world.sealed.read_bytes(), extents(world)
    table = places[-1][1]
    for one, two in itertools.permutations(range(len(places)), 2):
        (a, b), (c, d) = places[one], places[two]
        if b - a != d - c:
            continue
        doubled = bytearray(whole)
        doubled[c:d] = whole[a:b]
        yield f"chunk {one} over {two}", bytes(doubled)
        doubled[a:b] = whole[c:d]
        if one < two:
            yield f"chunks {one} and {two} swapped", bytes(doubled)
        for at, other in ((one, two), (two, one)):
            entry = table + LEAF_BYTES * other
            doubled[table + LEAF_BYTES * at : table + LEAF_BYTES * (at + 1)] = whole[entry : entry + LEAF_BYTES]
        yield f"chunks {one} and {two} swapped, table too", bytes(doubled)


def cuts(world: World) -> Iterator[tuple[str, bytes]]:
    """Cut at each boundary and one byte beside it, with and without the table; and grown."""
    whole, places = world.sealed.read_bytes(), extents(world)
    table = whole[places[-1][1] :]
    for boundary in sorted({0, BYTES, *itertools.chain(*places), len(whole)}):
        for at in {max(0, boundary - 1), boundary, boundary + 1} - {len(whole)}:
            yield f"cut at {at}", whole[:at] + bytes(max(0, at - len(whole)))
            if at < places[-1][1]:
                yield f"cut at {at}, table kept", whole[:at] + table
                kept = max(0, at - BYTES) // (places[0][1] - places[0][0])
                yield f"cut at {at}, table cut", whole[:at] + table[: LEAF_BYTES * kept]


def retold(world: World, whole: bytes, *, owner: bool) -> None:
    """Write changed data with a table and manifest that fit it: signed by the owner as if he had made it, or by a stranger.

    Args:
        owner: what a reader without a manifest would be left with is shown so: only the chunks' own tags speak.
    """
    said, hashing = manifest(world), manifest(world).hashing()
    places = extents(world)
    leaves = [hashing.leaf(whole[begin:end]) for begin, end in places]
    made = whole[: places[-1][1]] + b"".join(leaves)
    world.sealed.write_bytes(made)
    from countermark.keys.signer import generate
    from countermark.seal.prelude import Prelude

    prelude = Prelude.from_bytes(made[:BYTES])
    new = Manifest(
        said.kind, prelude, len(made), said.hash, merkle.root(leaves, hashing), said.tree, said.project, said.issued
    )
    signers = [world.owner if owner else generate("statement")]
    world.part(seal.MANIFEST).write_bytes(new.signed(signers).to_bytes())
