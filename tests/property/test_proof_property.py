"""Tree proofs, over generated trees: what is proven verifies, what is changed does not, and nothing foreign parses."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark import merkle
from countermark.artefact.profile import SHA256, Profile, blake3_profile
from countermark.artefact.proof import TreeProof, prove
from countermark.artefact.tree import Tree, TreeEntry, tree_of
from countermark.errors import LedgerRefused, Refusal, StatementRefused, TreeRefused

PROFILES = st.sampled_from([SHA256, blake3_profile()])


def a_tree(files: int, profile: Profile) -> Tree:
    return tree_of(
        (TreeEntry(f"f/{n:04}", n, n % 3 == 0, hashlib.sha256(b"%d" % n).digest()) for n in range(files)), profile
    )


@st.composite
def some(draw: st.DrawFn) -> tuple[Tree, list[int]]:
    tree = a_tree(draw(st.integers(1, 70)), draw(PROFILES))
    return tree, sorted(draw(st.sets(st.integers(0, len(tree.entries) - 1), min_size=1, max_size=12)))


def proof(tree: Tree, indices: Sequence[int]) -> TreeProof:
    meant = {tree.entries[i].path for i in indices}
    return prove(lambda: tree.entries, meant.__contains__, tree.profile)


@given(some())
def test_what_is_proven_verifies_and_survives_its_file(case: tuple[Tree, list[int]]) -> None:
    tree, indices = case
    made = proof(tree, indices)
    again = TreeProof.from_bytes(made.to_bytes())
    assert again == made
    proven = again.verify(tree.digest)
    assert proven.entries == tuple(tree.entries[i] for i in indices)
    assert len(made.hashes) <= len(indices) * 7


@given(some(), st.data())
def test_one_changed_thing_is_refused(case: tuple[Tree, list[int]], data: st.DataObject) -> None:
    tree, indices = case
    made = proof(tree, indices)
    which = data.draw(st.integers(0, len(indices) - 1))
    index, entry = made.entries[which]
    changed = data.draw(st.sampled_from([
        (index, entry._replace(size=entry.size + 1)), (index, entry._replace(executable=not entry.executable)),
        (index, entry._replace(path=entry.path + "x")), (index, entry._replace(root=bytes(32))), (index + 1, entry),
    ]))  # fmt: skip
    forged = dataclasses.replace(made, entries=(*made.entries[:which], changed, *made.entries[which + 1 :]))
    with pytest.raises(Refusal):
        forged.verify(tree.digest)
    for other in (
        dataclasses.replace(made, files=made.files + 1),
        dataclasses.replace(made, total_bytes=made.total_bytes + 1),
    ):
        with pytest.raises(Refusal):
            other.verify(tree.digest)
    if made.hashes:
        with pytest.raises(LedgerRefused):
            dataclasses.replace(made, hashes=made.hashes[1:]).verify(tree.digest)
        with pytest.raises(TreeRefused):
            dataclasses.replace(made, hashes=(bytes(32), *made.hashes[1:])).verify(tree.digest)


def test_an_entry_cannot_ride_along_unproven() -> None:
    tree = a_tree(5, SHA256)
    made = proof(tree, [2])
    stranger = TreeEntry("evil", 1, True, bytes(32))
    for entries in (((2, stranger), *made.entries), (*made.entries, (2, stranger)), (*made.entries, (1, stranger))):
        with pytest.raises(TreeRefused, match="not in the order"):
            dataclasses.replace(made, entries=entries).verify(tree.digest)
    sha, blake = a_tree(5, SHA256), a_tree(5, blake3_profile())
    with pytest.raises(TreeRefused, match="another tree"):
        proof(blake, [2]).verify(sha.digest)


@given(st.integers(1, 200), st.data())
def test_joint_proofs_agree_with_roots_and_with_single_proofs(size: int, data: st.DataObject) -> None:
    leaves = [hashlib.sha256(b"%d" % n).digest() for n in range(size)]
    indices = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=9)))
    hashes = [merkle.root(leaves[lo:hi]) for lo, hi in merkle.joint_spans(indices, size)]
    assert merkle.joint_root({i: leaves[i] for i in indices}, size, hashes) == merkle.root(leaves)
    (alone, *_) = indices
    assert sorted(merkle.joint_spans([alone], size)) == sorted(merkle.inclusion_spans(alone, size))


@pytest.mark.parametrize(("indices", "size"), [([], 4), ([4], 4), ([-1], 4), ([2, 1], 4), ([1, 1], 4), ([0], 0)])
def test_joint_spans_refuse_what_no_tree_has(indices: list[int], size: int) -> None:
    with pytest.raises(LedgerRefused):
        merkle.joint_spans(indices, size)


@settings(max_examples=300)
@given(st.binary(max_size=400), st.integers(0, 3000), st.integers(0, 3000))
def test_foreign_bytes_are_refused_by_name(noise: bytes, start: int, stop: int) -> None:
    good = proof(a_tree(9, SHA256), [1, 4]).to_bytes()
    for data in (noise, good[:start] + noise + good[stop:]):
        try:
            parsed = TreeProof.from_bytes(data)
        except (StatementRefused, TreeRefused):
            continue
        with pytest.raises(Refusal) if parsed.to_bytes() != good else contextlib.nullcontext():
            parsed.verify(a_tree(9, SHA256).digest)
