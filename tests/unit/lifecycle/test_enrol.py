"""Enrolling, signing and pinning: what an owner can be tricked into, and what a pin protects."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from core_world import OTHER, OWNER, SECOND, STRANGER, SUPPLIER, World, make_desk, private_key

from countermark import canonical, dsse
from countermark.errors import Refusal, SignatureRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys import document as trusts
from countermark.keys.document import Party
from countermark.keys.signer import sign_envelope
from countermark.lifecycle import enrol, own_keys, trust_draft, trust_pin, trust_sign
from countermark.lifecycle.desk import Mark, read_chain
from countermark.lifecycle.enrol import Enrolment
from countermark.workspace.place import Workspace


def test_an_enrolment_reads_back_and_proves_possession(world: World) -> None:
    mine = enrol.enrolment(world[SUPPLIER])
    assert Enrolment.from_bytes(mine.to_bytes()) == mine
    assert {k.key.use for k in mine.keys} == {"statement"}
    assert {k.key.use for k in enrol.enrolment(world[SECOND]).keys} == {"statement", "root", "oms"}


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"id": "other"}, {"more": 1}, {"keys": [{}]}, {"keys": "x"}, {"id": "x" * 65}],
    ids=str,
)
def test_malformed_or_stolen_enrolments_are_refused(world: World, change: dict[str, object]) -> None:
    value = json.loads(enrol.enrolment(world[SUPPLIER]).to_bytes()) | change
    with pytest.raises((StatementRefused, SignatureRefused)):
        Enrolment.from_bytes(canonical.to_bytes(value))


def hijack(world: World, path: Path) -> dsse.Envelope:
    """A first version of the attacker's own project, threshold 1, signed by the attacker."""
    thief = make_desk(path, STRANGER, world.clock)
    own_keys.new_key(thief.space, "root", "ed25519", None)
    party = enrol.enrolment(thief).party(("data-owner",), ("*",))
    trust_draft.first_draft(thief, "parts", [party], threshold=1, ledger=STRANGER)
    envelope, _ = trust_sign.sign_draft(thief)
    return envelope


def test_signing_a_strangers_first_version_does_not_replace_the_pin(world: World, tmp_path: Path) -> None:
    file = tmp_path / "please-sign.json"
    file.write_bytes(hijack(world, tmp_path / "thief").to_bytes())
    before = file.read_bytes(), world.fingerprint, world.chain.read_bytes()
    with pytest.raises(TrustRefused, match="another project"):
        trust_sign.sign_draft(world[OWNER], file)
    assert (file.read_bytes(), world.fingerprint, world.chain.read_bytes()) == before


def test_a_party_that_is_no_owner_does_not_sign_versions(world: World, tmp_path: Path) -> None:
    trust_draft.save_draft(world[OWNER], trust_draft.draft(world[OWNER]))
    trust_sign.sign_draft(world[OWNER])
    own_keys.new_key(world[SUPPLIER].space, "root", "ed25519", None)
    file = tmp_path / "draft.signed"
    shutil.copy(world[OWNER].space.home / "trust" / "draft.json.signed", file)
    before = file.read_bytes()
    with pytest.raises(TrustRefused, match="no owner"):
        trust_sign.sign_draft(world[SUPPLIER], file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "envelope",
    [
        dsse.Envelope(dsse.IN_TOTO, b"{}", (dsse.Signature("", b"x"),)),
        dsse.Envelope(trusts.PAYLOAD_TYPE, b"{}", (dsse.Signature("", b"x"),)),
        dsse.Envelope("text/plain", b"I owe you", (dsse.Signature("", b"x"),)),
    ],
    ids=["statement", "empty", "text"],
)
def test_a_root_key_signs_nothing_but_trust_documents(world: World, tmp_path: Path, envelope: dsse.Envelope) -> None:
    file = tmp_path / "please-sign.json"
    file.write_bytes(envelope.to_bytes())
    with pytest.raises(Refusal):
        trust_sign.sign_draft(world[OWNER], file)
    assert file.read_bytes() == envelope.to_bytes()


def test_a_draft_that_does_not_follow_is_not_signed(world: World, tmp_path: Path) -> None:
    draft = replace(trust_draft.draft(world[OWNER]), version=7)
    file = tmp_path / "please-sign.json"
    file.write_bytes(sign_envelope(trusts.PAYLOAD_TYPE, draft.to_bytes(), [private_key(SECOND, "root")]).to_bytes())
    with pytest.raises(TrustRefused, match="does not follow"):
        trust_sign.sign_draft(world[OWNER], file)


def test_a_version_published_twice_is_published_once(world: World) -> None:
    world.amend(lambda d: d)
    handed = world.root / "draft.signed"
    assert trust_sign.sign_draft(world[OWNER], handed)[1]
    assert len(read_chain(world.chain)) == 2


def test_a_new_owner_may_be_the_first_to_sign(world: World, tmp_path: Path) -> None:
    """Neither signature alone is enough; whichever comes first is kept, not refused."""
    fresh = make_desk(tmp_path, STRANGER, world.clock)
    own_keys.new_key(fresh.space, "root", "ed25519", None)
    trust_pin.pin(fresh, world.fingerprint, world.chain)
    party = enrol.enrolment(fresh).party(("data-owner",), ("*",))
    document = replace(trust_draft.draft(world[OWNER]).with_party(party), threshold=3)
    trust_draft.save_draft(world[OWNER], document)
    file = tmp_path / "draft.signed"
    file.write_bytes(sign_envelope(trusts.PAYLOAD_TYPE, document.to_bytes(), [fresh.signer("root")]).to_bytes())
    assert [trust_sign.sign_draft(world[n], file)[1] for n in (OWNER, SECOND)] == [False, True]
    assert [len(e.signatures) for e in read_chain(world[SECOND].space.home / "trust" / "chain.jsonl")] == [2, 3]


def test_an_expired_trust_document_can_be_renewed(world: World) -> None:
    world.clock.move(days=400)
    with pytest.raises(TrustRefused, match="expired"):
        world[OWNER].trust()
    world.amend(lambda d: d)
    assert world[SUPPLIER].trust().document.version == 2


def test_pinning_follows_and_never_goes_back(world: World, tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    shutil.copy(world.chain, old)
    world.amend(lambda d: d)
    assert world[SUPPLIER].mark().version == 2
    with pytest.raises(TrustRefused, match="older than version 2 seen before"):
        trust_pin.pin(world[SUPPLIER], world.fingerprint, old)
    assert world[SUPPLIER].trust().document.version == 2


def test_an_older_chain_put_in_place_is_noticed(world: World, tmp_path: Path) -> None:
    kept = world[SUPPLIER].space.home / "trust" / "chain.jsonl"
    old = kept.read_bytes()
    world.amend(lambda d: d)
    kept.write_bytes(old)
    with pytest.raises(TrustRefused, match="older than version 2 seen before"):
        world[SUPPLIER].trust()


def test_a_second_second_version_is_a_fork(world: World, tmp_path: Path) -> None:
    first = read_chain(world.chain)
    forked = replace(trust_draft.draft(world[OWNER]), policies=("0" * 64,))
    world.amend(lambda d: d)
    fork = sign_envelope(trusts.PAYLOAD_TYPE, forked.to_bytes(), [private_key(n, "root") for n in (OWNER, SECOND)])
    file = tmp_path / "fork.jsonl"
    file.write_bytes(b"".join(e.to_bytes() + b"\n" for e in (*first, fork)))
    with pytest.raises(TrustRefused, match="two versions 2"):
        trust_pin.pin(world[SUPPLIER], world.fingerprint, file)
    assert world[SUPPLIER].trust().document.policies == ()


def test_another_project_cannot_be_pinned_over_this_one(world: World, tmp_path: Path) -> None:
    envelope = hijack(world, tmp_path / "thief")
    file = tmp_path / "chain.jsonl"
    file.write_bytes(envelope.to_bytes() + b"\n")
    with pytest.raises(TrustRefused, match="pinned to another project") as caught:
        trust_pin.pin(world[SUPPLIER], envelope.digest, file)
    assert world.fingerprint in caught.value.why


def test_nothing_is_trusted_before_a_pin(world: World) -> None:
    with pytest.raises(TrustRefused, match="trusts nobody yet"):
        world[STRANGER].trust()
    with pytest.raises(Unusable):
        trust_pin.pin(world[STRANGER], world.fingerprint, world.root / "nowhere")


def test_marks_only_move_forward(world: World) -> None:
    desk = world[SUPPLIER]
    desk.remember(size=10, root="a" * 64)
    assert desk.remember(version=1, size=4, root="b" * 64) == Mark(world.fingerprint, 1, 10, "a" * 64)
    with pytest.raises(TrustRefused, match="two ledgers"):
        desk.remember(size=10, root="c" * 64)
    assert desk.mark().root == "a" * 64


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"fingerprint":1}', b'{"fingerprint":"x","root":"","size":0,"version":1}'], ids=str
)
def test_a_damaged_mark_is_said_and_not_guessed(world: World, data: bytes) -> None:
    (world[SUPPLIER].space.home / "trust" / "mark.json").write_bytes(data)
    with pytest.raises(StatementRefused):
        world[SUPPLIER].trust()


def test_revoking_and_replacing_a_key(world: World) -> None:
    old = world[SUPPLIER].signer("statement").public
    fresh = own_keys.new_key(world[SUPPLIER].space, "statement", "ed25519", None)
    mine = enrol.enrolment(world[SUPPLIER])
    assert [k.key for k in mine.keys] == [fresh.public], "keys kept aside are not enrolled"
    trust_draft.revoke(world[OWNER], SUPPLIER, key_id=old.id[:12], reason="lost", from_leaf=0)
    draft = trust_draft.draft(world[OWNER])
    party: Party = draft.party(SUPPLIER)
    trust_draft.save_draft(world[OWNER], draft.with_party(replace(party, keys=(*party.keys, *mine.keys))))
    world.publish()
    trust = world[OWNER].trust()
    envelope = sign_envelope(dsse.IN_TOTO, b"{}", [fresh])
    assert trust.verify(envelope, "statement", world.clock()).party.id == SUPPLIER
    with pytest.raises(TrustRefused, match="lost"):
        trust.verify(
            sign_envelope(dsse.IN_TOTO, b"{}", [private_key(SUPPLIER, "statement")]), "statement", world.clock()
        )
    with pytest.raises(TrustRefused, match="has no key"):
        trust_draft.revoke(world[OWNER], OTHER, key_id="zz", reason="x", from_leaf=0)


@pytest.mark.parametrize("name", ["", "A", "a_b", "..", "x" * 65])
def test_names_that_make_poor_files(name: str) -> None:
    with pytest.raises(Unusable):
        enrol.unusable_name(name)


def test_a_workspace_is_made_once_and_found_from_below(world: World, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="already"):
        Workspace.create(world.root / OWNER, {"id": OWNER, "name": "", "organisation": ""})
    below = world.root / OWNER / "some" / "where"
    below.mkdir(parents=True)
    assert Workspace.find(below).root == (world.root / OWNER).resolve()
    with pytest.raises(Unusable, match="no workspace"):
        Workspace.find(tmp_path)
