"""Commitments: binding, hiding and strictly parsed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from countermark.errors import CountermarkError, LedgerRefused
from countermark.ledger.record import Opening, Record, commit, fresh_opening, open_leaf

RECORD = Record("https://example.org/delivery/v1", "ab" * 32, "cd" * 32, "acme", 7)
NONCE = bytes(range(32))


def test_the_leaf_is_fixed_for_ever() -> None:
    """Golden: receipts of this format version must open for ever."""
    assert commit(RECORD, NONCE).hex() == "01e2d3755d0537cca9bf893f2c6e40942caabb75d6c85d8a00ade00d74a68be2df"


def test_the_leaf_opens_to_its_record_only() -> None:
    opening = Opening(NONCE, RECORD)
    assert open_leaf(opening.leaf(), opening) == RECORD
    for change in (
        {"sequence": 8},
        {"signer": "acme2"},
        {"type": "x"},
        {"envelope": "00" * 32},
        {"subject": "00" * 32},
    ):
        with pytest.raises(LedgerRefused, match="does not fit"):
            open_leaf(opening.leaf(), Opening(NONCE, dataclasses.replace(RECORD, **change)))
    with pytest.raises(LedgerRefused, match="does not fit"):
        open_leaf(opening.leaf(), Opening(bytes(32), RECORD))


def test_equal_records_do_not_show_as_equal() -> None:
    assert fresh_opening(RECORD).leaf() != fresh_opening(RECORD).leaf()


def test_openings_round_trip() -> None:
    opening = fresh_opening(RECORD)
    assert Opening.from_bytes(opening.to_bytes()) == opening


@pytest.mark.parametrize("leaf", [b"", b"\x02" + bytes(32), b"\x01" + bytes(31), bytes(33)])
def test_leaves_of_other_versions_are_refused(leaf: bytes) -> None:
    with pytest.raises(LedgerRefused, match="version"):
        open_leaf(leaf, Opening(NONCE, RECORD))


def test_a_nonce_must_be_32_bytes() -> None:
    with pytest.raises(LedgerRefused, match="nonce"):
        commit(RECORD, b"short")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", ""), ("type", "x" * 513), ("type", 3), ("signer", ""), ("signer", None), ("envelope", "AB" * 32),
        ("envelope", "ab"), ("subject", None), ("sequence", -1), ("sequence", 1.0), ("sequence", True),
        ("sequence", 1 << 53), ("sequence", "1"),
    ],
)  # fmt: skip
def test_fields_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(LedgerRefused, match=field):
        Record(**{**RECORD.to_json(), field: value})


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"nonce": "00"}, {"nonce": 5}, {"extra": 1}, {"record": []}, {"record": {}}, {"record": None}],
)
def test_malformed_openings(change: dict[str, Any]) -> None:
    value = json.loads(Opening(NONCE, RECORD).to_bytes())
    with pytest.raises(LedgerRefused):
        Opening.from_bytes(json.dumps({**value, **change}).encode())


def test_openings_that_are_no_json() -> None:
    for data in (b"", b"[]", b'{"version":1,"version":1}', b"x" * 10_000):
        with pytest.raises(CountermarkError):
            Opening.from_bytes(data)
