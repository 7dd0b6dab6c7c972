"""Slips: what a relying party may conclude from a statement that travels with its receipt."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from core_world import OTHER, OWNER, SUPPLIER, World

from countermark import canonical, dsse
from countermark.errors import LedgerRefused, StatementRefused, TrustRefused
from countermark.keys.signer import sign_envelope
from countermark.lifecycle import filed
from countermark.lifecycle.receive import receive
from countermark.passport.slip import Slip, addressed_to, verify


@pytest.fixture
def slip(world: World) -> Slip:
    """The owner's signed and logged answer to a delivery."""
    folder, _ = world.delivered()
    answer = receive(world[OWNER], folder).answer
    assert answer is not None
    return answer


def test_a_slip_verifies_away_from_the_ledger(world: World, slip: Slip) -> None:
    again = Slip.from_bytes(slip.to_bytes())
    shown = verify(again, world[SUPPLIER].trust(), world.clock())
    assert (shown.party.id, shown.index) == (OWNER, 1)
    assert shown.checkpoint is not None and shown.checkpoint.size == 2
    assert addressed_to(shown, SUPPLIER) is shown


def test_an_answer_to_another_supplier_is_refused(world: World, slip: Slip) -> None:
    shown = verify(slip, world[OTHER].trust(), world.clock())
    with pytest.raises(TrustRefused, match="addressed to acme, not to bolts"):
        addressed_to(shown, OTHER)


@pytest.mark.parametrize("receipt", [None, ""], ids=["absent", "empty"])
def test_a_statement_without_a_receipt_is_not_logged(world: World, slip: Slip, receipt: str | None) -> None:
    bare = Slip.from_json(slip.to_json() | {"receipt": receipt})
    with pytest.raises(LedgerRefused):
        verify(bare, world[SUPPLIER].trust(), world.clock())


def test_an_empty_receipt_is_refused_where_none_is_needed(world: World, slip: Slip) -> None:
    with pytest.raises(LedgerRefused):
        verify(replace(slip, receipt=b""), world[SUPPLIER].trust(), world.clock(), logged=False)


def test_a_receipt_of_another_entry_is_refused(world: World, slip: Slip) -> None:
    first = filed.slip(world[OWNER], receive(world[OWNER], world.root / SUPPLIER / "parts").parcel.envelope.digest)
    swapped = replace(slip, receipt=first.receipt)
    with pytest.raises(LedgerRefused):
        verify(swapped, world[SUPPLIER].trust(), world.clock())


def test_an_opening_of_another_statement_is_refused(world: World, slip: Slip) -> None:
    first = filed.slip(world[OWNER], receive(world[OWNER], world.root / SUPPLIER / "parts").parcel.envelope.digest)
    swapped = replace(slip, opening=first.opening, receipt=first.receipt)
    with pytest.raises(LedgerRefused, match="about another statement"):
        verify(swapped, world[SUPPLIER].trust(), world.clock())


@pytest.mark.parametrize(
    "change",
    [
        {"receipt": 3},
        {"opening": []},
        {"envelope": "text"},
        {"more": 1},
    ],
    ids=lambda c: next(iter(c)),
)
def test_malformed_slips_are_refused(slip: Slip, change: dict[str, object]) -> None:
    value = json.loads(slip.to_bytes()) | change
    with pytest.raises((StatementRefused, LedgerRefused)):
        Slip.from_bytes(canonical.to_bytes(value))


def test_a_bare_envelope_is_a_slip_that_was_not_logged(slip: Slip) -> None:
    assert Slip.from_bytes(slip.envelope.to_bytes()) == Slip(slip.envelope)
    assert isinstance(slip.envelope, dsse.Envelope)


def test_an_envelope_of_another_type_holds_no_statement(world: World, slip: Slip) -> None:
    """The signature covers the type: what was signed as something else was not meant as a statement."""
    other = sign_envelope("text/plain", slip.envelope.payload, world[OWNER].signers("statement"))
    with pytest.raises(StatementRefused, match="'text/plain' holds no statement"):
        verify(Slip(other), world[SUPPLIER].trust(), world.clock(), logged=False)
    with pytest.raises(StatementRefused, match="holds no statement"):
        world[SUPPLIER].verify(world[SUPPLIER].trust(), other)
