"""Merkle trees of the RFC 6962 shape: roots, inclusion proofs and consistency proofs as pure functions.

Sources: RFC 6962 section 2.1 (shape, PATH, SUBPROOF), RFC 9162 section 2.1 (the same shape, verifying).
A tree over leaves [lo, hi) splits at the largest power of two below its width. `inclusion_spans` and
`consistency_spans` say which subtrees, as half-open leaf ranges, make up a proof; provers look the
subtrees' hashes up wherever they keep them (a list here, tiles in the ledger), and verifiers walk the
same ranges with the hashes they were given. Proofs run from the leaf towards the root.
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from countermark.errors import LedgerRefused

Span = tuple[int, int]
MAX_SIZE = 1 << 63
_COPIED_BYTES = 1024  # up to here one call over a copy is quicker than two over none


class HashState(Protocol):
    """The part of a `hashlib` object that is used here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """Hash of the bytes taken so far."""
        ...


@dataclass(frozen=True, slots=True)
class Hashing:
    """How leaves and nodes become hashes.

    Attributes:
        leaf_prefix, node_prefix: domain separators; equal or empty ones let a node pass for a leaf.
        new: hash constructor taking the first bytes, such as `hashlib.sha256` or `blake3.blake3`.
    """

    leaf_prefix: bytes
    node_prefix: bytes
    new: Callable[[bytes | memoryview], HashState]

    def leaf(self, data: bytes | memoryview) -> bytes:
        """Hash of one leaf's data; large data is not copied."""
        if len(data) <= _COPIED_BYTES:
            return self.new(self.leaf_prefix + data).digest()
        state = self.new(self.leaf_prefix)
        state.update(data)
        return state.digest()

    def leaf_behind(self, prefixed: bytes | memoryview) -> bytes:
        """Hash of one leaf's data that already stands behind `leaf_prefix`: one call, and no copy."""
        return self.new(prefixed).digest()

    def leaf_of(self, pieces: Iterable[bytes | memoryview]) -> bytes:
        """Hash of one leaf's data that comes in pieces, each of which is hashed before the next is asked for."""
        state = self.new(self.leaf_prefix)
        for piece in pieces:
            state.update(piece)
        return state.digest()

    def node(self, left: bytes, right: bytes) -> bytes:
        """Hash of an inner node."""
        return self.new(self.node_prefix + left + right).digest()

    def empty(self) -> bytes:
        """Root of the tree without leaves: the hash of no bytes."""
        return self.new(b"").digest()


RFC6962 = Hashing(b"\x00", b"\x01", hashlib.sha256)


def root(leaf_hashes: Iterable[bytes], hashing: Hashing = RFC6962) -> bytes:
    """Root over leaf hashes taken one at a time, in O(log n) memory.

    Args:
        leaf_hashes: outputs of `hashing.leaf`, in order.
    """
    new, prefix = hashing.new, hashing.node_prefix
    stack: list[bytes] = []
    for count, leaf_hash in enumerate(leaf_hashes):
        node, position = leaf_hash, count
        while position & 1:
            node = new(prefix + stack.pop() + node).digest()
            position >>= 1
        stack.append(node)
    return fold(stack, hashing) if stack else hashing.empty()


def fold(peaks: Sequence[bytes], hashing: Hashing = RFC6962) -> bytes:
    """Root over the perfect subtrees of a tree, largest (leftmost) first; at least one."""
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = hashing.node(peak, node)
    return node


def perfect_subtrees(span: Span) -> list[tuple[int, int]]:
    """The perfect subtrees that make up a span of a proof, left to right, as (level, index at that level).

    A subtree (level, index) covers leaves [index << level, (index + 1) << level). `span` must be a
    range that `inclusion_spans` or `consistency_spans` gave, or (0, size).
    """
    lo, hi = span
    out = []
    while lo < hi:
        level = (hi - lo).bit_length() - 1
        out.append((level, lo >> level))
        lo += 1 << level
    return out


def span_hash(span: Span, subtree: Callable[[int, int], bytes], hashing: Hashing = RFC6962) -> bytes:
    """Hash over a span, given a way to look up perfect subtrees by (level, index)."""
    peaks = [subtree(level, index) for level, index in perfect_subtrees(span)]
    return fold(peaks, hashing) if peaks else hashing.empty()


def _split(lo: int, hi: int) -> int:
    return lo + (1 << ((hi - lo - 1).bit_length() - 1))


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Leaf ranges whose hashes prove leaf `index` in a tree of `size` leaves (RFC 6962 section 2.1.1).

    Raises:
        LedgerRefused: not 0 <= index < size < 2**63.
    """
    if not 0 <= index < size < MAX_SIZE:
        raise LedgerRefused(f"a tree of {size} leaves has no leaf {index}")
    spans: list[Span] = []
    lo, hi = 0, size
    while hi - lo > 1:
        middle = _split(lo, hi)
        if index < middle:
            spans.append((middle, hi))
            hi = middle
        else:
            spans.append((lo, middle))
            lo = middle
    return spans[::-1]


def consistency_spans(old_size: int, new_size: int) -> list[Span]:
    """Leaf ranges whose hashes prove that a tree grew from its first `old_size` leaves (RFC 6962 section 2.1.2).

    Raises:
        LedgerRefused: not 0 < old_size <= new_size < 2**63; an empty tree is a prefix of anything,
            so a proof from it would show nothing.
    """
    if not 0 < old_size <= new_size < MAX_SIZE:
        raise LedgerRefused(f"no consistency proof leads from {old_size} leaves to {new_size}")
    spans: list[Span] = []
    lo, hi = 0, new_size
    while old_size < hi:
        middle = _split(lo, hi)
        if old_size <= middle:
            spans.append((middle, hi))
            hi = middle
        else:
            spans.append((lo, middle))
            lo = middle
    if lo > 0:
        spans.append((lo, hi))
    return spans[::-1]


def joint_spans(indices: Sequence[int], size: int) -> list[Span]:
    """Leaf ranges, left to right, whose hashes prove all of `indices` at once in a tree of `size` leaves.

    The largest subtrees that hold none of them: what two leaves share on their way to the root is there once.

    Raises:
        LedgerRefused: no index, or they do not ascend from 0 to below `size`, which is below 2**63.
    """
    ascending = all(a < b for a, b in itertools.pairwise(indices))
    if not indices or not ascending or indices[0] < 0 or not indices[-1] < size < MAX_SIZE:
        raise LedgerRefused(f"a tree of {size} leaves has no such leaves", why=f"{indices[:4]} ...")
    spans: list[Span] = []

    def visit(lo: int, hi: int, first: int, last: int) -> None:
        if first == last:
            spans.append((lo, hi))
        elif hi - lo > 1:
            middle = _split(lo, hi)
            cut = bisect.bisect_left(indices, middle, first, last)
            visit(lo, middle, first, cut)
            visit(middle, hi, cut, last)

    visit(0, size, 0, len(indices))
    return spans


def joint_root(known: Mapping[int, bytes], size: int, proof: Sequence[bytes], hashing: Hashing = RFC6962) -> bytes:
    """Root of the tree of `size` leaves that holds the leaf hashes `known`, given the hashes of `joint_spans`.

    Raises:
        LedgerRefused: no such tree, or the proof has the wrong length.
    """
    indices = sorted(known)
    spans = joint_spans(indices, size)
    _check_hashes([*known.values(), *proof], hashing)
    _check_length(proof, spans)
    given = iter(proof)

    def visit(lo: int, hi: int, first: int, last: int) -> bytes:
        if first == last:
            return next(given)
        if hi - lo == 1:
            return known[lo]
        middle = _split(lo, hi)
        cut = bisect.bisect_left(indices, middle, first, last)
        return hashing.node(visit(lo, middle, first, cut), visit(middle, hi, cut, last))

    return visit(0, size, 0, len(indices))


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int, hashing: Hashing = RFC6962) -> list[bytes]:
    """Hashes proving leaf `index` in the tree over all of `leaf_hashes`. O(n) time.

    Raises:
        LedgerRefused: there is no such leaf.
    """
    return [root(leaf_hashes[lo:hi], hashing) for lo, hi in inclusion_spans(index, len(leaf_hashes))]


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int, hashing: Hashing = RFC6962) -> list[bytes]:
    """Hashes proving that the tree over `leaf_hashes` extends the tree over its first `old_size`. O(n) time.

    Raises:
        LedgerRefused: `old_size` is zero or beyond the tree.
    """
    return [root(leaf_hashes[lo:hi], hashing) for lo, hi in consistency_spans(old_size, len(leaf_hashes))]


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes, *, hashing: Hashing = RFC6962
) -> None:
    """Check that the tree of `size` leaves under `root` holds `leaf_hash` at `index`.

    Raises:
        LedgerRefused: the proof has the wrong length or leads to another root.
    """
    spans = inclusion_spans(index, size)
    _check_hashes([leaf_hash, *proof], hashing)
    _check_length(proof, spans)
    node = leaf_hash
    for (lo, _), sibling in zip(spans, proof, strict=True):
        node = hashing.node(node, sibling) if lo > index else hashing.node(sibling, node)
    _check_root(node, root, f"leaf {index} is not in this tree of {size}")


def verify_consistency(
    old_size: int,
    new_size: int,
    old_root: bytes,
    new_root: bytes,
    proof: Sequence[bytes],
    *,
    hashing: Hashing = RFC6962,
) -> None:
    """Check that the tree under `new_root` begins with all leaves of the tree under `old_root`.

    Raises:
        LedgerRefused: a size is out of order, the proof has the wrong length, or it leads to another
            old or new root: history was rewritten or the proof belongs to other trees.
    """
    spans = consistency_spans(old_size, new_size)
    _check_hashes([old_root, *proof] if spans else proof, hashing)
    _check_length(proof, spans)
    steps = list(zip(spans, proof, strict=True))
    old = new = old_root
    if steps and steps[0][0][0] < old_size:  # the old tree is not itself a subtree of the new one
        old = new = steps.pop(0)[1]
    for (lo, _), sibling in steps:
        if lo < old_size:
            old = hashing.node(sibling, old)
            new = hashing.node(sibling, new)
        else:
            new = hashing.node(new, sibling)
    _check_root(old, old_root, f"the tree of {new_size} does not begin with this tree of {old_size}")
    _check_root(new, new_root, f"this proof does not lead to the tree of {new_size}")


def _check_hashes(hashes: Sequence[bytes], hashing: Hashing) -> None:
    width = len(hashing.empty())
    if any(len(value) != width for value in hashes):
        raise LedgerRefused(f"a hash of this proof is not {width} bytes long")


def _check_length(proof: Sequence[bytes], spans: Sequence[Span]) -> None:
    if len(proof) != len(spans):
        raise LedgerRefused(f"the proof holds {len(proof)} hashes; a tree of this shape needs {len(spans)}")


def _check_root(computed: bytes, expected: bytes, what: str) -> None:
    if not hmac.compare_digest(computed, expected):
        raise LedgerRefused(what, why=f"computed root {computed.hex()}, expected {expected.hex()}")
