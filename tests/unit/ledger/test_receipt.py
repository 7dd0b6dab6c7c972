"""Receipts as tlog-proof files: the format to the byte, and what makes one fail."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from countermark import merkle
from countermark.errors import LedgerRefused
from countermark.ledger.checkpoint import issue
from countermark.ledger.note import NoteKey
from countermark.ledger.receipt import MAX_RECEIPT_BYTES, Receipt, verify

Sign = Callable[[bytes], bytes]
LEAVES = [b"leaf %d" % n for n in range(11)]
HASHES = [merkle.RFC6962.leaf(leaf) for leaf in LEAVES]


@pytest.fixture
def receipt(key: NoteKey, sign: Sign) -> Receipt:
    checkpoint = issue(11, merkle.root(HASHES), key, sign)
    return Receipt(4, tuple(merkle.inclusion_proof(HASHES, 4)), checkpoint.note)


def test_the_file_is_as_the_specification_draws_it(receipt: Receipt) -> None:
    lines = receipt.to_bytes().decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 4"]
    assert lines[2] == base64.b64encode(HASHES[5]).decode()
    assert lines[2 + len(receipt.proof)] == ""
    assert lines[3 + len(receipt.proof)] == "example.org/ledger"
    assert receipt.size == 11


def test_receipts_verify_and_round_trip(receipt: Receipt, key: NoteKey) -> None:
    assert Receipt.from_bytes(receipt.to_bytes()) == receipt
    proven = verify(LEAVES[4], receipt.to_bytes(), key)
    assert (proven.leaf, proven.index, proven.checkpoint.size) == (LEAVES[4], 4, 11)


def test_extra_data_is_carried_and_proves_nothing(receipt: Receipt, key: NoteKey) -> None:
    with_extra = Receipt(receipt.index, receipt.proof, receipt.checkpoint, b"opaque")
    assert b"\nextra b3BhcXVl\nindex 4\n" in with_extra.to_bytes()
    assert Receipt.from_bytes(with_extra.to_bytes()) == with_extra
    assert verify(LEAVES[4], with_extra.to_bytes(), key).index == 4


def test_a_tree_of_one_leaf_needs_no_hash(key: NoteKey, sign: Sign) -> None:
    receipt = Receipt(0, (), issue(1, HASHES[0], key, sign).note)
    assert verify(LEAVES[0], receipt.to_bytes(), key).index == 0


def test_another_leaf_index_proof_or_key_is_refused(receipt: Receipt, key: NoteKey) -> None:
    with pytest.raises(LedgerRefused, match="is not in this tree"):
        verify(LEAVES[5], receipt.to_bytes(), key)
    moved = Receipt(5, receipt.proof, receipt.checkpoint)
    shorter = Receipt(4, receipt.proof[1:], receipt.checkpoint)
    beyond = Receipt(11, receipt.proof, receipt.checkpoint)
    for changed in (moved, shorter, beyond):
        with pytest.raises(LedgerRefused):
            verify(LEAVES[4], changed.to_bytes(), key)
    with pytest.raises(LedgerRefused, match="not signed by"):
        verify(LEAVES[4], receipt.to_bytes(), NoteKey("example.org/ledger", bytes(32)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: b"",
        lambda d: d.replace(b"@v1", b"@v2"),
        lambda d: d.replace(b"index 4", b"index 04"),
        lambda d: d.replace(b"index 4", b"index -4"),
        lambda d: d.replace(b"index 4", b"index four"),
        lambda d: d.replace(b"index 4\n", b""),
        lambda d: d.replace(b"index 4", b"extra \nindex 4"),
        lambda d: d.replace(b"index 4", b"extra !\nindex 4"),
        lambda d: d.replace(b"index 4", b"index 4\r"),
        lambda d: d.replace(b"index 4\n", b"index 4\n" + base64.b64encode(bytes(31)) + b"\n"),
        lambda d: d.replace(b"index 4\n", b"index 4\n" + (base64.b64encode(bytes(32)) + b"\n") * 64),
        lambda d: d.replace(b"\n\n", b"\n", 1),
        lambda d: d + b"x",
        lambda d: d + b"\n" * MAX_RECEIPT_BYTES,
        lambda d: d.replace(b"index", "índex".encode()),
        lambda d: d[: len(d) // 2],
    ],
)
def test_malformed_files(receipt: Receipt, key: NoteKey, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(LedgerRefused):
        verify(LEAVES[4], spoil(receipt.to_bytes()), key)
