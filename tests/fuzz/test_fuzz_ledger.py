"""Hostile bytes at every parser of the ledger: refused as such or taken whole, never another exception."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import LedgerRefused, Refusal
from countermark.ledger.checkpoint import verify_checkpoint
from countermark.ledger.log import Log
from countermark.ledger.note import Note, NoteKey
from countermark.ledger.receipt import Receipt, verify
from countermark.ledger.record import Opening, Record
from countermark.ledger.stores.memory import MemoryStore
from countermark.ledger.tiles import Tile, decode_bundle, encode_bundle

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = NoteKey("example.org/fuzz", PRIVATE.public_key().public_bytes_raw())
LEAVES = [b"leaf %d" % n for n in range(300)]


def _receipts() -> list[bytes]:
    with Log.create(MemoryStore(), KEY, PRIVATE.sign) as log:
        return [receipt.to_bytes() for receipt in log.append(LEAVES)]


RECEIPTS = _receipts()
CHECKPOINT = Receipt.from_bytes(RECEIPTS[0]).checkpoint
mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat"]), st.integers(0, 10_000), st.binary(min_size=1, max_size=9)
    ),
    min_size=1,
    max_size=4,
)


def _mutated(data: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, extra in changes:
        at = place % (len(data) + 1)
        match kind:
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ extra[0]]) + data[at + 1 :]
            case "cut":
                data = data[:at] + data[at + len(extra) :]
            case "insert":
                data = data[:at] + extra + data[at:]
            case "repeat":
                data = data[:at] + data[max(0, at - 40) :]
    return data


def _refuses_or_keeps(parse: Callable[[bytes], Receipt | Note], data: bytes) -> None:
    with contextlib.suppress(LedgerRefused):
        assert parse(data).to_bytes() == data


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    _refuses_or_keeps(Receipt.from_bytes, data)
    _refuses_or_keeps(Note.from_bytes, data)
    for parse in (lambda d: verify_checkpoint(d, KEY), lambda d: decode_bundle(d, 3), lambda d: Tile.from_bytes(d, 2)):
        with contextlib.suppress(LedgerRefused):
            parse(data)
    with contextlib.suppress(Refusal):
        Opening.from_bytes(data)


@given(st.text(max_size=200))
def test_any_verifier_key(text: str) -> None:
    with contextlib.suppress(LedgerRefused):
        assert NoteKey.from_vkey(text).vkey() == text.strip()


@given(st.integers(0, 299), mutations)
def test_a_mutated_receipt_proves_nothing_else(index: int, changes: list[tuple[str, int, bytes]]) -> None:
    data = _mutated(RECEIPTS[index], changes)
    _refuses_or_keeps(Receipt.from_bytes, data)
    with contextlib.suppress(LedgerRefused):
        proven = verify(LEAVES[index], data, KEY)
        assert (proven.index, proven.checkpoint.size) == (index, 300)


@given(mutations)
def test_a_mutated_checkpoint_is_another_signature_line_or_refused(changes: list[tuple[str, int, bytes]]) -> None:
    data = _mutated(CHECKPOINT, changes)
    _refuses_or_keeps(Note.from_bytes, data)
    with contextlib.suppress(LedgerRefused):
        found = verify_checkpoint(data, KEY)
        assert Note.from_bytes(found.note).text == Note.from_bytes(CHECKPOINT).text


@given(mutations)
def test_a_mutated_opening_opens_nothing(changes: list[tuple[str, int, bytes]]) -> None:
    opening = Opening(bytes(range(32)), Record("type", "ab" * 32, "cd" * 32, "acme", 1))
    data = _mutated(opening.to_bytes(), changes)
    with contextlib.suppress(Refusal):
        found = Opening.from_bytes(data)
        assert found == opening or found.leaf() != opening.leaf()


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=256), st.integers(0, 300))
def test_bundles_give_their_entries_or_refuse(entries: list[bytes], count: int) -> None:
    with contextlib.suppress(LedgerRefused):
        assert decode_bundle(encode_bundle(entries), count) == entries
        assert count == len(entries)
