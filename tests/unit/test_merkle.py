"""The tree's shape on small trees, against the hashes that RFC 6962 implementations publish."""

from __future__ import annotations

import hashlib

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused

# The eight leaves of Certificate Transparency's reference tests, and their root.
LEAVES = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.fixture
def hashes() -> list[bytes]:
    return [merkle.RFC6962.leaf(leaf) for leaf in LEAVES]


def test_root_of_the_reference_leaves(hashes: list[bytes]) -> None:
    assert merkle.root(hashes).hex() == ROOT
    assert merkle.root([]) == hashlib.sha256(b"").digest()
    assert merkle.root(hashes[:1]) == hashlib.sha256(b"\x00").digest()


def test_root_takes_an_iterator_once(hashes: list[bytes]) -> None:
    assert merkle.root(iter(hashes)).hex() == ROOT


def test_every_leaf_of_every_small_tree_is_proven(hashes: list[bytes]) -> None:
    many = [merkle.RFC6962.leaf(bytes([n])) for n in range(40)]
    for size in range(1, len(many) + 1):
        root = merkle.root(many[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(many[:size], index)
            merkle.verify_inclusion(many[index], index, size, proof, root)
            with pytest.raises(LedgerRefused):
                merkle.verify_inclusion(many[index], index, size, [*proof, root], root)


def test_every_growth_of_a_small_tree_is_proven() -> None:
    many = [merkle.RFC6962.leaf(bytes([n])) for n in range(40)]
    for new in range(1, len(many) + 1):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(many[:new], old)
            roots = merkle.root(many[:old]), merkle.root(many[:new])
            merkle.verify_consistency(old, new, *roots, proof)
            if old < new:
                with pytest.raises(LedgerRefused, match="root"):
                    merkle.verify_consistency(old, new, roots[1], roots[0], proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 4), (4, 4), (0, 1 << 63)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(LedgerRefused, match="no leaf"):
        merkle.inclusion_spans(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 3), (4, 3), (-1, 3), (1, 1 << 63)])
def test_a_growth_that_shows_nothing_is_refused(old: int, new: int) -> None:
    with pytest.raises(LedgerRefused, match="no consistency proof"):
        merkle.consistency_spans(old, new)


def test_a_node_does_not_pass_for_a_leaf(hashes: list[bytes]) -> None:
    root = merkle.root(hashes[:2])
    assert merkle.RFC6962.leaf(hashes[0] + hashes[1]) != root


def test_a_short_hash_is_refused_before_it_is_hashed(hashes: list[bytes]) -> None:
    proof = merkle.inclusion_proof(hashes, 3)
    with pytest.raises(LedgerRefused, match="32 bytes"):
        merkle.verify_inclusion(hashes[3], 3, 8, [proof[0][:31], *proof[1:]], merkle.root(hashes))
    with pytest.raises(LedgerRefused, match="32 bytes"):
        merkle.verify_inclusion(hashes[3] + b"x", 3, 8, proof, merkle.root(hashes))


def test_other_prefixes_make_another_tree(hashes: list[bytes]) -> None:
    files = merkle.Hashing(b"\x02", b"\x03", hashlib.sha256)
    leaves = [files.leaf(memoryview(leaf)) for leaf in LEAVES]
    proof = merkle.inclusion_proof(leaves, 5, files)
    merkle.verify_inclusion(leaves[5], 5, 8, proof, merkle.root(leaves, files), hashing=files)
    with pytest.raises(LedgerRefused):
        merkle.verify_inclusion(leaves[5], 5, 8, proof, merkle.root(leaves, files))


def test_proof_of_a_huge_tree_is_short() -> None:
    assert len(merkle.inclusion_spans(12345, (1 << 63) - 1)) == 63
    assert len(merkle.consistency_spans(12345, (1 << 63) - 1)) <= 64
