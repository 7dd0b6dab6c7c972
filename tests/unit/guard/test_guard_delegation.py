"""Who may let a guard key sign, for which model, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from core_world import OWNER, SECOND, STRANGER
from guard_world import MODEL, GuardWorld

from countermark import dsse
from countermark.errors import ExchangeRefused, SignatureRefused, StatementRefused, TrustRefused
from countermark.guard import delegation, start
from countermark.keys.document import Revocation
from countermark.keys.signer import generate, sign_envelope
from countermark.statement.statement import EVERYBODY, Context, Statement


def test_an_operators_delegation_is_a_handle(place: GuardWorld) -> None:
    said = delegation.verify(place.delegation(), place.trust, place.world.clock())
    assert (said.key, said.model, said.operator) == (place.signer.public, MODEL, SECOND)
    assert said.not_after - said.not_before == timedelta(days=7)


@pytest.mark.parametrize(("moved", "allowed"), [(-1, False), (0, True), (7 * 86400 - 1, True), (7 * 86400, False)])
def test_it_counts_from_its_begin_until_just_before_its_end(place: GuardWorld, moved: int, allowed: bool) -> None:
    envelope, trust = place.delegation(), place.trust
    now = place.world.clock() + timedelta(seconds=moved)
    if allowed:
        assert delegation.verify(envelope, trust, now).model == MODEL
    else:
        with pytest.raises(TrustRefused, match="is delegated from"):
            delegation.verify(envelope, trust, now)


@pytest.mark.parametrize("days", [7.1, 365, 0, -1])
def test_longer_than_seven_days_or_empty_is_refused_at_making(place: GuardWorld, days: float) -> None:
    with pytest.raises(TrustRefused, match="empty or longer"):
        place.delegation(days=days)
    with pytest.raises(TrustRefused, match="at most 7 days"):
        start.prepare(place.world[SECOND], place.served, days=days)


def forged(place: GuardWorld, **changes: object) -> dsse.Envelope:
    """A delegation with changed fields, signed with the operator's own key, as a dishonest operator could."""
    statement = Statement.from_bytes(place.delegation().payload)
    predicate = {**statement.predicate, **{k: v for k, v in changes.items() if k in statement.predicate}}
    rest = {k: v for k, v in changes.items() if k not in statement.predicate}
    changed = replace(statement, predicate=predicate, **rest)  # type: ignore[arg-type]
    return sign_envelope(dsse.IN_TOTO, changed.to_bytes(), [place.world[SECOND].signer("statement")])


def test_a_delegation_of_a_year_is_refused_though_its_signature_holds(place: GuardWorld) -> None:
    with pytest.raises(TrustRefused, match="empty or longer"):
        delegation.verify(forged(place, notAfter="2027-11-23T10:00:00Z"), place.trust, place.world.clock())


def test_a_key_of_another_use_cannot_be_delegated(place: GuardWorld) -> None:
    envelope = forged(place, key=generate("statement").public.to_json())
    with pytest.raises(TrustRefused, match="cannot be delegated"):
        delegation.verify(envelope, place.trust, place.world.clock())


def test_another_kind_of_statement_delegates_nothing(place: GuardWorld) -> None:
    envelope = forged(place, predicate_type="urn:countermark:predicate:approval:v1")
    with pytest.raises(TrustRefused, match="delegates no guard key"):
        delegation.verify(envelope, place.trust, place.world.clock())


@pytest.mark.parametrize(("field", "value"), [("project", "0" * 64), ("addressee", "acme")])
def test_a_delegation_of_another_project_or_for_another_reader_is_refused(
    place: GuardWorld, field: str, value: str
) -> None:
    context = replace(place.world[SECOND].context(EVERYBODY), **{field: value})
    with pytest.raises(TrustRefused, match="another project"):
        delegation.verify(forged(place, context=context.to_json()), place.trust, place.world.clock())


def test_an_unknown_field_is_refused(place: GuardWorld) -> None:
    statement = Statement.from_bytes(place.delegation().payload)
    changed = replace(statement, predicate={**statement.predicate, "critical": True})
    envelope = sign_envelope(dsse.IN_TOTO, changed.to_bytes(), [place.world[SECOND].signer("statement")])
    with pytest.raises(StatementRefused, match="unknown field"):
        delegation.verify(envelope, place.trust, place.world.clock())


def test_a_party_without_the_role_cannot_delegate(place: GuardWorld) -> None:
    with pytest.raises(TrustRefused, match="operator"):
        delegation.verify(place.delegation(by=OWNER), place.trust, place.world.clock())


def test_a_stranger_cannot_delegate(place: GuardWorld) -> None:
    context = Context(place.trust.fingerprint, EVERYBODY, "2026-11-23T10:00:00Z")
    envelope = delegation.delegate(
        place.world[STRANGER].signer("statement"), place.signer.public, context, name="model", model=MODEL,
        not_before="2026-11-23T10:00:00Z", not_after="2026-11-24T10:00:00Z",
    )  # fmt: skip
    with pytest.raises(SignatureRefused):
        delegation.verify(envelope, place.trust, place.world.clock())


def test_every_byte_of_the_payload_is_signed(place: GuardWorld) -> None:
    envelope, trust = place.delegation(), place.trust
    for at in range(0, len(envelope.payload), 37):
        changed = bytearray(envelope.payload)
        changed[at] ^= 1
        with pytest.raises(SignatureRefused):
            delegation.verify(replace(envelope, payload=bytes(changed)), trust, place.world.clock())


def test_a_revoked_operator_key_delegates_no_more(place: GuardWorld) -> None:
    envelope = place.delegation()
    party = place.trust.document.party(SECOND)
    keys = tuple(replace(k, revoked=Revocation(0, "lost")) if k.key.use == "statement" else k for k in party.keys)
    place.world.amend(lambda d: d.with_party(replace(party, keys=keys)))
    with pytest.raises(TrustRefused, match="revoked"):
        delegation.verify(envelope, place.trust, place.world.clock())


def test_a_pinned_key_must_be_a_guard_key(place: GuardWorld) -> None:
    with pytest.raises(ExchangeRefused, match="statement key"):
        delegation.pinned(generate("statement").public, MODEL, place.world.clock())
    assert delegation.pinned(place.signer.public, MODEL, place.world.clock()).operator == ""


def test_a_guard_does_not_start_on_the_delegation_of_another(place: GuardWorld) -> None:
    with pytest.raises(TrustRefused, match="of another model"):
        place.app(place.delegation(model="6" * 64))
    mine = place.delegation()
    place.signer = generate("guard")
    with pytest.raises(TrustRefused, match="another guard key"):
        place.app(mine)


def test_prepare_needs_an_operator(place: GuardWorld) -> None:
    assert start.prepare(place.world[SECOND], place.served)
    with pytest.raises(TrustRefused, match="operator"):
        start.prepare(place.world[OWNER], place.served)
