"""The trust document: who may change it, and which signatures count under it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from core_world import OTHER, OWNER, SECOND, START, STRANGER, SUPPLIER, World, private_key

from countermark import dsse
from countermark.errors import Refusal, SignatureRefused, StatementRefused, TrustRefused
from countermark.keys import document as trusts
from countermark.keys.document import EnrolledKey, Party, Revocation, TrustDocument, enrolment_bytes, moment
from countermark.keys.signer import sign_envelope
from countermark.keys.trust import verify_chain
from countermark.lifecycle.desk import read_chain


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[dsse.Envelope, ...]:
    """Versions 1 and 2 of a project with two owners, threshold 2."""
    world = World.make(tmp_path_factory.mktemp("trust") / "world")
    world.clock.move(days=1)
    world.amend(lambda d: d)
    return read_chain(world.chain)


NOW = START + timedelta(days=2)


def root_signed(document: TrustDocument, *owners: str) -> dsse.Envelope:
    return sign_envelope(trusts.PAYLOAD_TYPE, document.to_bytes(), [private_key(o, "root") for o in owners])


def document(envelope: dsse.Envelope) -> TrustDocument:
    return TrustDocument.from_bytes(envelope.payload)


def changed(envelope: dsse.Envelope, **fields: object) -> bytes:
    return json.dumps(json.loads(envelope.payload) | fields).encode()


def next_version(chain: tuple[dsse.Envelope, ...], **fields: object) -> TrustDocument:
    last = document(chain[-1])
    return replace(last, version=last.version + 1, previous=chain[-1].digest, **fields)  # type: ignore[arg-type]


def test_a_chain_verifies_to_its_newest_version(chain: tuple[dsse.Envelope, ...]) -> None:
    trust = verify_chain(chain, chain[0].digest, NOW)
    assert (trust.document.version, trust.fingerprint) == (2, chain[0].digest)


def test_another_fingerprint_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    with pytest.raises(TrustRefused, match="not the pinned one") as caught:
        verify_chain(chain, "0" * 64, NOW)
    assert chain[0].digest in caught.value.why and "another channel" in caught.value.mend
    with pytest.raises(TrustRefused) as caught:
        verify_chain(chain, chain[0].digest[:12], NOW)
    assert "all 64 digits" in caught.value.mend
    with pytest.raises(TrustRefused, match="no trust document"):
        verify_chain((), "0" * 64, NOW)


def test_an_older_version_replayed_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    with pytest.raises(TrustRefused, match="version 1 is older than version 2 seen before"):
        verify_chain(chain[:1], chain[0].digest, NOW, least_version=2)


def test_an_expired_version_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    with pytest.raises(TrustRefused, match="expired") as caught:
        verify_chain(chain, chain[0].digest, NOW + timedelta(days=400))
    assert caught.value.mend


def test_a_version_from_the_future_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    with pytest.raises(TrustRefused, match="from the future") as caught:
        verify_chain(chain, chain[0].digest, START - timedelta(days=1))
    assert "clock" in caught.value.mend


@pytest.mark.parametrize("owners", [(), (OWNER,), (SECOND,), (OWNER, SUPPLIER), (OWNER, STRANGER)], ids=str)
def test_a_version_that_too_few_owners_signed_is_refused(
    chain: tuple[dsse.Envelope, ...], owners: tuple[str, ...]
) -> None:
    third = root_signed(next_version(chain), *(owners or (STRANGER,)))
    with pytest.raises(TrustRefused):
        verify_chain((*chain, third), chain[0].digest, NOW)


def test_one_owner_with_two_keys_is_still_one_owner(chain: tuple[dsse.Envelope, ...]) -> None:
    second_key = private_key("manufacturer again", "root")
    owner = document(chain[-1]).party(OWNER)
    proof = second_key.sign(enrolment_bytes(OWNER, second_key.public))
    grown = replace(owner, keys=(*owner.keys, EnrolledKey(second_key.public, proof)))
    third = root_signed(next_version(chain).with_party(grown), OWNER, SECOND)
    extended = (*chain, third)
    assert verify_chain(extended, chain[0].digest, NOW).document.version == 3
    fourth = next_version(extended)
    signers = [private_key(OWNER, "root"), second_key]
    with pytest.raises(TrustRefused, match="signed by 1 of"):
        verify_chain((*extended, sign_envelope(trusts.PAYLOAD_TYPE, fourth.to_bytes(), signers)), chain[0].digest, NOW)


def test_new_owners_cannot_take_over_without_the_old_ones(chain: tuple[dsse.Envelope, ...]) -> None:
    """Signed by its own owners only: the predecessor's threshold is missing."""
    thief = private_key(STRANGER, "root")
    party = Party(STRANGER, "E", "E", ("data-owner",), (), (
        EnrolledKey(thief.public, thief.sign(enrolment_bytes(STRANGER, thief.public))),))  # fmt: skip
    taken = replace(next_version(chain), parties=(party,), threshold=1, ledger_operator=STRANGER)
    with pytest.raises(TrustRefused, match="owners of version 2"):
        verify_chain((*chain, root_signed(taken, STRANGER)), chain[0].digest, NOW)


def test_old_owners_cannot_speak_for_the_new_ones(chain: tuple[dsse.Envelope, ...]) -> None:
    """Signed by the predecessor's owners only: a version must also meet its own threshold."""
    thief = private_key(STRANGER, "root")
    party = Party(STRANGER, "E", "E", ("data-owner",), (), (
        EnrolledKey(thief.public, thief.sign(enrolment_bytes(STRANGER, thief.public))),))  # fmt: skip
    handed = replace(next_version(chain), parties=(party,), threshold=1, ledger_operator=STRANGER)
    with pytest.raises(TrustRefused, match="own owners"):
        verify_chain((*chain, root_signed(handed, OWNER, SECOND)), chain[0].digest, NOW)


@pytest.mark.parametrize(
    "change",
    [{"version": 4}, {"version": 2}, {"previous": "0" * 64}, {"previous": None}, {"project": "other"}],
    ids=str,
)
def test_a_version_that_does_not_follow_is_refused(chain: tuple[dsse.Envelope, ...], change: dict[str, object]) -> None:
    third = replace(next_version(chain), **change)  # type: ignore[arg-type]
    with pytest.raises(TrustRefused):
        verify_chain((*chain, root_signed(third, OWNER, SECOND)), chain[0].digest, NOW)


def test_time_runs_forward_from_version_to_version(chain: tuple[dsse.Envelope, ...]) -> None:
    third = replace(next_version(chain), issued="2026-11-23T10:00:00Z")
    with pytest.raises(TrustRefused, match="issued before"):
        verify_chain((*chain, root_signed(third, OWNER, SECOND)), chain[0].digest, NOW)


def test_a_root_key_that_ended_no_longer_signs_versions(chain: tuple[dsse.Envelope, ...]) -> None:
    owner = document(chain[-1]).party(OWNER)
    ended = replace(owner, keys=tuple(replace(k, not_after="2026-11-25T00:00:00Z") for k in owner.keys))
    third = root_signed(next_version(chain).with_party(ended), OWNER, SECOND)
    extended = (*chain, third)
    assert verify_chain(extended, chain[0].digest, NOW).document.version == 3
    late = replace(next_version(extended), issued="2026-11-25T00:00:00Z")
    with pytest.raises(TrustRefused, match="signed by 1 of"):
        verify_chain((*extended, root_signed(late, OWNER, SECOND)), chain[0].digest, NOW + timedelta(days=1))


def test_a_revoked_root_key_no_longer_signs_versions(chain: tuple[dsse.Envelope, ...]) -> None:
    owner = document(chain[-1]).party(OWNER)
    gone = replace(owner, keys=tuple(replace(k, revoked=Revocation(0, "stolen")) for k in owner.keys))
    third = replace(next_version(chain), threshold=1).with_party(gone)
    with pytest.raises(TrustRefused):
        verify_chain((*chain, root_signed(third, OWNER)), chain[0].digest, NOW)


def test_the_wrong_payload_type_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    forged = dsse.Envelope(dsse.IN_TOTO, chain[0].payload, chain[0].signatures)
    with pytest.raises(TrustRefused, match="not a trust document"):
        verify_chain((forged,), chain[0].digest, NOW)


def test_a_flipped_payload_byte_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    flipped = changed(chain[1], expires="2099-01-01T00:00:00Z")
    with pytest.raises(TrustRefused, match="not signed by"):
        verify_chain(
            (chain[0], dsse.Envelope(chain[1].payload_type, flipped, chain[1].signatures)), chain[0].digest, NOW
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2}, {"format": 1.0}, {"more": True}, {"threshold": 0}, {"threshold": 3}, {"threshold": 2.0},
        {"quorum": "two"}, {"issued": "yesterday"}, {"expires": "2027-01-01"}, {"version": 0}, {"policies": [1]},
        {"parties": []}, {"ledger": {"origin": "x", "operator": "y", "z": 1}}, {"ledger": None}, {"project": "a\x1b[m"},
        {"expires": "2027-01-01T00:00:00+01:00"}, {"previous": "ABC"},
    ],
    ids=str,
)  # fmt: skip
def test_malformed_documents_are_refused(chain: tuple[dsse.Envelope, ...], fields: dict[str, object]) -> None:
    with pytest.raises(Refusal):
        TrustDocument.from_bytes(changed(chain[0], **fields))


@pytest.mark.parametrize("party_id", ["", "../../home", "a/b", "A", "a b", ".", "x" * 65, "a\n", "\u00e9", "*"])
def test_a_party_id_that_is_no_plain_name_is_refused(chain: tuple[dsse.Envelope, ...], party_id: str) -> None:
    """Ids become file names in every party's workspace."""
    parties = json.loads(chain[0].payload)["parties"]
    parties[2] |= {"id": party_id, "keys": []}
    with pytest.raises(StatementRefused):
        TrustDocument.from_bytes(changed(chain[0], parties=parties))


@pytest.mark.parametrize("roles", [["supplier", "king"], ["Supplier"], [1], "supplier"], ids=str)
def test_unknown_roles_are_refused(chain: tuple[dsse.Envelope, ...], roles: object) -> None:
    parties = json.loads(chain[0].payload)["parties"]
    parties[2]["roles"] = roles
    with pytest.raises(StatementRefused):
        TrustDocument.from_bytes(changed(chain[0], parties=parties))


def test_a_key_is_enrolled_once_for_one_party_and_one_use(chain: tuple[dsse.Envelope, ...]) -> None:
    parties = json.loads(chain[0].payload)["parties"]
    parties[2]["keys"] = parties[2]["keys"] * 2
    with pytest.raises(StatementRefused, match="names a key twice"):
        TrustDocument.from_bytes(changed(chain[0], parties=parties))
    parties[2]["keys"] = []
    parties[3] = parties[2]
    with pytest.raises(StatementRefused, match="names a party twice"):
        TrustDocument.from_bytes(changed(chain[0], parties=parties))


@pytest.mark.parametrize("change", [{"use": "ledger"}, {"proof": "AAAA"}], ids=str)
def test_a_key_without_proof_of_possession_is_refused(chain: tuple[dsse.Envelope, ...], change: dict[str, str]) -> None:
    parties = json.loads(chain[0].payload)["parties"]
    parties[2]["keys"][0] |= change
    with pytest.raises(SignatureRefused, match="proof of possession"):
        TrustDocument.from_bytes(changed(chain[0], parties=parties))


def test_somebody_elses_key_cannot_be_enrolled(chain: tuple[dsse.Envelope, ...]) -> None:
    parties = json.loads(chain[0].payload)["parties"]
    parties[3]["keys"], parties[2]["keys"] = parties[2]["keys"], []
    with pytest.raises(SignatureRefused, match="proof of possession"):
        TrustDocument.from_bytes(changed(chain[0], parties=parties))


def test_a_signature_by_a_key_of_another_use_is_refused(chain: tuple[dsse.Envelope, ...]) -> None:
    trust = verify_chain(chain, chain[0].digest, NOW)
    for use in ("root", "ledger"):
        envelope = sign_envelope(dsse.IN_TOTO, b"{}", [private_key(OWNER, use)])  # type: ignore[list-item]
        with pytest.raises(SignatureRefused, match="no signature by a key that counts"):
            trust.verify(envelope, "statement", NOW)
    assert trust.verify(sign_envelope(dsse.IN_TOTO, b"{}", [private_key(OWNER, "statement")]), "statement", NOW)


def test_two_parties_cannot_sign_one_statement(chain: tuple[dsse.Envelope, ...]) -> None:
    trust = verify_chain(chain, chain[0].digest, NOW)
    both = sign_envelope(dsse.IN_TOTO, b"{}", [private_key(p, "statement") for p in (SUPPLIER, OTHER)])
    with pytest.raises(TrustRefused, match="several parties"):
        trust.verify(both, "statement", NOW)


def test_roles_and_parties_are_asked_by_name(chain: tuple[dsse.Envelope, ...]) -> None:
    trust = verify_chain(chain, chain[0].digest, NOW)
    signed = trust.verify(sign_envelope("t", b"", [private_key(SUPPLIER, "statement")]), "statement", NOW)
    assert trust.require(signed, "supplier", "trainer") is signed
    with pytest.raises(TrustRefused, match="may not say this") as caught:
        trust.require(signed, "data-owner")
    assert "supplier" in caught.value.why and caught.value.mend
    with pytest.raises(TrustRefused, match="not a party of parts"):
        trust.document.party("nobody")


def test_revocation_counts_from_a_leaf_and_earlier_entries_stay_valid(chain: tuple[dsse.Envelope, ...]) -> None:
    supplier = document(chain[-1]).party(SUPPLIER)
    gone = replace(supplier, keys=tuple(replace(k, revoked=Revocation(5, "stolen")) for k in supplier.keys))
    third = root_signed(next_version(chain).with_party(gone), OWNER, SECOND)
    trust = verify_chain((*chain, third), chain[0].digest, NOW)
    envelope = sign_envelope(dsse.IN_TOTO, b"{}", [private_key(SUPPLIER, "statement")])
    assert trust.verify(envelope, "statement", NOW, leaf=4).party.id == SUPPLIER
    for leaf in (None, 5, 6):
        with pytest.raises(TrustRefused, match="revoked: stolen") as caught:
            trust.verify(envelope, "statement", NOW, leaf=leaf)
        assert "key new" in caught.value.mend


def test_a_key_that_ended_signs_nothing_new(chain: tuple[dsse.Envelope, ...]) -> None:
    supplier = document(chain[-1]).party(SUPPLIER)
    ended = replace(supplier, keys=tuple(replace(k, not_after="2026-11-25T00:00:00Z") for k in supplier.keys))
    trust = verify_chain(
        (*chain, root_signed(next_version(chain).with_party(ended), OWNER, SECOND)), chain[0].digest, NOW
    )
    envelope = sign_envelope(dsse.IN_TOTO, b"{}", [private_key(SUPPLIER, "statement")])
    assert trust.verify(envelope, "statement", moment("2026-11-24T23:59:59Z"))
    with pytest.raises(TrustRefused, match="ended on 2026-11-25"):
        trust.verify(envelope, "statement", moment("2026-11-25T00:00:00Z"))
    assert trust.verify(envelope, "statement", moment("2026-11-26T00:00:00Z"), leaf=3)


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-23", "2026-11-23 10:00:00Z", "20261123T100000Z", "2026-W48-1T10:00:00Z", "2026-11-23T10:00:00",
     "2026-11-23T10:00:00+01:00", "2026-13-01T00:00:00Z", "2026-11-23T25:00:00Z", "\u0662\u0660\u0662\u0666-11-23T10:00:00Z",
     "2026-11-23T10:00:00z", "2026-11-23T10:00:00Z\n", "2026-11-23T10:00:00+00:00", "2026-11-23T10:00Z"],
)  # fmt: skip
def test_times_have_one_form(text: str) -> None:
    with pytest.raises(StatementRefused):
        moment(text)


def test_a_ledger_key_is_the_operators(chain: tuple[dsse.Envelope, ...], tmp_path: Path) -> None:
    trust = verify_chain(chain, chain[0].digest, NOW)
    assert trust.ledger_key() == private_key(OWNER, "ledger").public
    moved = replace(trust, document=replace(trust.document, ledger_operator=SUPPLIER))
    with pytest.raises(TrustRefused, match="no ledger key"):
        moved.ledger_key()


def test_a_strangers_version_is_refused_before_its_keys_are_tried_or_proved(chain: tuple[dsse.Envelope, ...]) -> None:
    """Two hundred thousand keys fit into one, each with a proof: minutes, for a document that nobody signed."""
    following = next_version(chain)
    unproved = [replace(p, keys=tuple(replace(k, proof=bytes(64)) for k in p.keys)) for p in following.parties]
    forged = replace(following, parties=tuple(unproved))
    with pytest.raises(TrustRefused, match="not signed by the owners of version 2"):
        verify_chain((*chain, root_signed(forged, STRANGER)), chain[0].digest, NOW)
    with pytest.raises(SignatureRefused, match="no proof of possession"):
        verify_chain((*chain, root_signed(forged, OWNER, SECOND)), chain[0].digest, NOW)


@pytest.mark.parametrize("parties", [[{}] * 10_001, [{"keys": [{}] * 5_001}] * 2])
def test_a_document_of_too_many_keys_is_refused_before_one_is_read(
    chain: tuple[dsse.Envelope, ...], parties: list[object]
) -> None:
    with pytest.raises(StatementRefused, match="parties and"):
        TrustDocument.from_bytes(changed(chain[-1], parties=parties))
