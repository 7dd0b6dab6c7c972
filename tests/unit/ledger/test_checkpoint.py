"""Checkpoints: what is accepted as a tree head, and when one follows from another."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.checkpoint import claimed_size, issue, verify_checkpoint, verify_consistency
from countermark.ledger.note import NoteKey, sign_note

Sign = Callable[[bytes], bytes]
HASHES = [merkle.RFC6962.leaf(bytes([n])) for n in range(20)]
ROOT = base64.b64encode(bytes(32)).decode()


def test_issued_checkpoints_verify(key: NoteKey, sign: Sign) -> None:
    checkpoint = issue(20, merkle.root(HASHES), key, sign)
    assert verify_checkpoint(checkpoint.note, key) == checkpoint
    assert checkpoint.note.startswith(b"example.org/ledger\n20\n")
    assert claimed_size(checkpoint.note) == 20


def test_another_key_or_origin_is_refused(key: NoteKey, sign: Sign) -> None:
    checkpoint = issue(20, merkle.root(HASHES), key, sign)
    with pytest.raises(LedgerRefused, match="not signed by"):
        verify_checkpoint(checkpoint.note, NoteKey("example.org/other", key.public))
    note = sign_note(f"elsewhere\n1\n{ROOT}\n".encode(), key, sign).to_bytes()
    with pytest.raises(LedgerRefused, match="elsewhere"):
        verify_checkpoint(note, key)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{o}\n1\n", "lines of their own"),
        ("{o}\n\n{r}\n", "lines of their own"),
        ("{o}\n1\n{r}\n\nextension\n", "lines of their own"),
        ("{o}\n01\n{r}\n", "decimal"),
        ("{o}\n-1\n{r}\n", "decimal"),
        ("{o}\n+1\n{r}\n", "decimal"),
        ("{o}\n\N{ARABIC-INDIC DIGIT ONE}\n{r}\n", "decimal"),
        ("{o}\n9223372036854775808\n{r}\n", "decimal"),
        ("{o}\n" + "9" * 5000 + "\n{r}\n", "decimal"),
        ("{o}\n1\nAAAA\n", "32"),
        ("{o}\n1\n!\n", "base64"),
        ("{o}\n0\n{r}\n", "empty tree"),
    ],
)
def test_malformed_tree_heads(key: NoteKey, sign: Sign, body: str, why: str) -> None:
    note = sign_note(body.format(o=key.name, r=ROOT).encode(), key, sign).to_bytes()
    with pytest.raises(LedgerRefused) as refused:
        verify_checkpoint(note, key)
    assert why in str(refused.value)


def test_extension_lines_are_allowed(key: NoteKey, sign: Sign) -> None:
    note = sign_note(f"{key.name}\n1\n{ROOT}\nextension\n".encode(), key, sign).to_bytes()
    assert verify_checkpoint(note, key).size == 1


def test_growth_is_consistent_and_the_new_checkpoint_is_given_back(key: NoteKey, sign: Sign) -> None:
    heads = {n: issue(n, merkle.root(HASHES[:n]), key, sign) for n in (0, 7, 20)}
    proof = merkle.consistency_proof(HASHES, 7)
    assert verify_consistency(heads[7], heads[20], proof) is heads[20]
    assert verify_consistency(heads[0], heads[20], []) is heads[20]
    assert verify_consistency(heads[20], heads[20], []) is heads[20]


def test_forks_shrinking_and_other_logs_are_refused(key: NoteKey, sign: Sign) -> None:
    old, new = (issue(n, merkle.root(HASHES[:n]), key, sign) for n in (7, 20))
    fork = issue(20, merkle.root(HASHES[::-1]), key, sign)
    other = issue(20, merkle.root(HASHES), NoteKey("example.org/other", key.public), sign)
    for first, second, proof, why in [
        (new, old, [], "shrank"),
        (old, fork, merkle.consistency_proof(HASHES, 7), "root"),
        (new, fork, [], "lead"),
        (old, other, merkle.consistency_proof(HASHES, 7), "two logs"),
        (old, new, [], "needs"),
        (issue(0, merkle.root([]), key, sign), new, [bytes(32)], "must be empty"),
    ]:
        with pytest.raises(LedgerRefused) as refused:
            verify_consistency(first, second, proof)
        assert why in str(refused.value)
