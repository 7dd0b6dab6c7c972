"""Merkle proofs over random trees: what was built verifies, anything changed does not, pymerkle agrees."""

from __future__ import annotations

import hashlib
import itertools

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark import merkle
from countermark.errors import LedgerRefused

leaves = st.lists(st.binary(max_size=40), min_size=1, max_size=300)


def _reference_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1 word for word, by recursion."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + _reference_root(hashes[:k]) + _reference_root(hashes[k:])).digest()


@given(leaves)
def test_root_is_the_one_of_the_definition_and_of_pymerkle(data: list[bytes]) -> None:
    hashes = [merkle.RFC6962.leaf(leaf) for leaf in data]
    assert merkle.root(hashes) == _reference_root(hashes)
    oracle = pymerkle.InmemoryTree(algorithm="sha256")
    for leaf in data:
        oracle.append_entry(leaf)
    assert merkle.root(hashes) == oracle.get_root()


@given(leaves, st.data())
def test_inclusion_proves_exactly_one_leaf(data: list[bytes], draw: st.DataObject) -> None:
    hashes = [merkle.RFC6962.leaf(leaf) for leaf in data]
    index = draw.draw(st.integers(0, len(hashes) - 1))
    proof, root = merkle.inclusion_proof(hashes, index), merkle.root(hashes)
    merkle.verify_inclusion(hashes[index], index, len(hashes), proof, root)
    other = draw.draw(st.integers(0, 2 * len(hashes)))
    if other != index and (other >= len(hashes) or hashes[other] != hashes[index]):
        with pytest.raises(LedgerRefused):
            merkle.verify_inclusion(hashes[index], other, len(hashes), proof, root)


@given(leaves, st.data())
def test_any_flipped_bit_is_refused(data: list[bytes], draw: st.DataObject) -> None:
    hashes = [merkle.RFC6962.leaf(leaf) for leaf in data]
    index = draw.draw(st.integers(0, len(hashes) - 1))
    parts = [hashes[index], merkle.root(hashes), *merkle.inclusion_proof(hashes, index)]
    at, bit = draw.draw(st.integers(0, len(parts) - 1)), draw.draw(st.integers(0, 255))
    parts[at] = (int.from_bytes(parts[at], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(LedgerRefused):
        merkle.verify_inclusion(parts[0], index, len(hashes), parts[2:], parts[1])


@given(leaves, st.data())
def test_a_rewritten_history_has_no_consistency_proof(data: list[bytes], draw: st.DataObject) -> None:
    hashes = [merkle.RFC6962.leaf(leaf) for leaf in data]
    old = draw.draw(st.integers(1, len(hashes)))
    proof, root = merkle.consistency_proof(hashes, old), merkle.root(hashes)
    merkle.verify_consistency(old, len(hashes), merkle.root(hashes[:old]), root, proof)
    at = draw.draw(st.integers(0, old - 1))
    rewritten = [*hashes[:at], merkle.RFC6962.leaf(b"another" + data[at]), *hashes[at + 1 :]]
    with pytest.raises(LedgerRefused):
        merkle.verify_consistency(old, len(hashes), merkle.root(rewritten[:old]), root, proof)
    with pytest.raises(LedgerRefused):
        merkle.verify_consistency(
            old,
            len(hashes),
            merkle.root(hashes[:old]),
            merkle.root(rewritten),
            merkle.consistency_proof(rewritten, old),
        )


@given(st.integers(0, (1 << 63) - 2), st.integers(1, (1 << 63) - 1))
def test_spans_of_huge_trees_tile_them(index: int, size: int) -> None:
    if index >= size:
        index %= size
    spans = sorted([*merkle.inclusion_spans(index, size), (index, index + 1)])
    assert spans[0][0] == 0
    assert spans[-1][1] == size
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    for span in spans:
        levels = [level for level, _ in merkle.perfect_subtrees(span)]
        assert levels == sorted(levels, reverse=True)
        assert sum(1 << level for level in levels) == span[1] - span[0]
