"""The threats that TUF lists, by name: ordinary code believes the papers, Countermark refuses them and says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import small_release
import tuf_threats
from both_sides import Attack, show
from core_world import OWNER, SECOND, SUPPLIER, World

from countermark.errors import LedgerRefused, TrustRefused
from countermark.lifecycle import acts, book, own_keys, trust_draft, trust_pin
from countermark.lifecycle.release import release
from countermark.lifecycle.verify import pin_snapshot, pinned, remember, verify_model
from countermark.workspace.place import Workspace


@pytest.fixture
def world(tmp_path: Path) -> World:
    return small_release.make(tmp_path / "world")


@pytest.mark.parametrize("threat", tuf_threats.THREATS, ids=lambda t: t.__name__)
def test_threat(threat: Callable[[World], Attack], world: World) -> None:
    shown = show(threat(world))
    assert shown.refusal is not None, f"{shown.attack.name}: Countermark took it"
    assert shown.refusal.what.isprintable() and shown.refusal.mend + shown.refusal.why
    assert shown.naive.startswith(("took it", "leaked Stalled")), shown.naive


def test_a_reader_recovers_from_a_fast_forward_when_the_owners_replace_the_key(world: World) -> None:
    model, papers = small_release.model(world, "wanted")
    reader = world[SUPPLIER]
    tuf_threats.reader_opens(reader, model, tuf_threats.stolen_ledger(world, papers))
    far = reader.mark().size
    assert far > 1000
    with pytest.raises(LedgerRefused, match="seen before"):
        tuf_threats.reader_opens(reader, model, papers)
    tuf_threats.replace_ledger_key(world)
    trust_pin.pin(reader, world.fingerprint, world.chain)
    done = tuf_threats.reader_opens(reader, model, small_release.released(world, model))
    assert reader.mark().size == done.checkpoint.size < far
    assert reader.mark().ledger == world[OWNER].trust().ledger_key().id


def test_a_reader_recovers_from_a_fast_forward_of_revocations(world: World, tmp_path: Path) -> None:
    """What a thief handed out stood in the way of every real snapshot, for ever: the reader could not even replace it."""
    model, _ = small_release.model(world, "wanted")
    reader, real = world[SUPPLIER], tmp_path / "real.json"
    pin_snapshot(reader, tuf_threats.far_snapshot(world))
    real.write_bytes(acts.snapshot(world[OWNER]).to_bytes())
    with pytest.raises(TrustRefused, match="older than the one kept"):
        pin_snapshot(reader, real)
    tuf_threats.replace_key(world, "ledger")
    tuf_threats.replace_key(world, "statement")
    trust_pin.pin(reader, world.fingerprint, world.chain)
    real.write_bytes(acts.snapshot(world[OWNER]).to_bytes())
    until = pin_snapshot(reader, real)
    newest = small_release.released(world, model)
    assert verify_model(model, newest, pinned(reader), reader.now()).fresh_until == until


def test_a_snapshot_of_another_history_is_not_kept(world: World, tmp_path: Path) -> None:
    shutil.copytree(world[OWNER].space.home, tmp_path / "fork" / ".countermark")
    fork = replace(world[OWNER], space=Workspace(tmp_path / "fork"))
    model, papers = small_release.model(world, "wanted")
    reader, file = world[SUPPLIER], tmp_path / "revocations.json"
    tuf_threats.reader_opens(reader, model, papers)
    file.write_bytes(acts.snapshot(fork).to_bytes())
    with pytest.raises(TrustRefused, match="another ledger of 3 entries"):
        pin_snapshot(reader, file)
    file.write_bytes(acts.snapshot(world[OWNER]).to_bytes())
    assert pin_snapshot(reader, file)


def test_an_honest_head_is_not_forgotten_with_its_key(world: World) -> None:
    model, papers = small_release.model(world, "wanted")
    reader = world[SUPPLIER]
    tuf_threats.reader_opens(reader, model, papers)
    size = reader.mark().size
    tuf_threats.replace_ledger_key(world)
    trust_pin.pin(reader, world.fingerprint, world.chain)
    assert not reader.trust().disowns(reader.mark().ledger, size)
    tuf_threats.reader_opens(reader, model, small_release.released(world, model))
    assert reader.mark().size > size


def test_a_replaced_key_that_signed_more_than_the_owners_believe_is_not_gone_on_from(world: World) -> None:
    desk = world[OWNER]
    trust_draft.revoke(desk, OWNER, key_id=desk.signer("ledger").public.id, reason="stolen", from_leaf=1)
    fresh = own_keys.new_key(desk.space, "ledger", "ed25519", None)
    key = tuf_threats.EnrolledKey(fresh.public, fresh.sign(tuf_threats.enrolment_bytes(OWNER, fresh.public)))
    party = trust_draft.draft(desk).party(OWNER)
    trust_draft.save_draft(desk, trust_draft.draft(desk).with_party(replace(party, keys=(*party.keys, key))))
    world.publish()
    with (
        pytest.raises(LedgerRefused, match="the replaced ledger key signed 2 entries"),
        book.ledger(desk, desk.trust()),
    ):
        raise AssertionError("the ledger was opened")


def test_both_thresholds_together_do_rotate(world: World) -> None:
    file = tuf_threats.next_version(world, (OWNER, SECOND), {"threshold": 1})
    assert trust_pin.pin(world[SUPPLIER], world.fingerprint, file).document.version == 3


def test_a_checkpoint_on_a_stick_admits_what_extends_it_and_nothing_else(world: World) -> None:
    model, papers = small_release.model(world, "wanted")
    pin, now, desk = pinned(world[SUPPLIER]), world.clock(), world[OWNER]
    head = book.show_head(desk, desk.trust()).note
    assert verify_model(model, papers, replace(pin, least=head), now).checkpoint.size == 3
    acts.snapshot(desk)
    with book.ledger(desk, desk.trust()) as log:
        unseen = log.checkpoint.note
    with pytest.raises(LedgerRefused, match="has 3 entries; 4 were seen"):
        verify_model(model, papers, replace(pin, least=unseen), now)
    (papers.parent / papers.name).unlink()
    newer = release(desk, model, small_release.POLICY).passport
    assert newer is not None and verify_model(model, newer, replace(pin, least=head), now).checkpoint.size == 5
    with pytest.raises(LedgerRefused, match="not shown"):
        verify_model(model, newer, replace(pin, least=unseen), now)
    shown = release(desk, model, small_release.POLICY, since=[4]).passport
    assert shown is not None and verify_model(model, shown, replace(pin, least=unseen), now).checkpoint.size == 6


def test_a_checkpoint_of_another_history_or_project_refuses_everything(world: World, tmp_path: Path) -> None:
    model, papers = small_release.model(world, "wanted")
    pin, now = pinned(world[SUPPLIER]), world.clock()
    other = small_release.make(tmp_path / "other")  # the same key names, so the same ledger key: another history
    small_release.model(other, "wanted", b"otherwise")
    for least, needle in (
        (book.show_head(other[OWNER], other[OWNER].trust()).note, "two histories"),
        (b"", "note"),
        (b"x" * 1000, "note"),
    ):
        with pytest.raises(LedgerRefused, match=needle):
            verify_model(model, papers, replace(pin, least=least), now)


def test_what_a_mirror_showed_in_vain_leaves_no_trace(world: World) -> None:
    model, papers = small_release.model(world, "wanted")
    reader, before = world[SUPPLIER], world[SUPPLIER].mark()
    garbage = papers.with_name("garbage.cmpass")
    garbage.write_bytes(papers.read_bytes()[:-40])
    with pytest.raises(Exception, match=r"passport|JSON"):
        tuf_threats.reader_opens(reader, model, garbage)
    assert reader.mark() == before
    remember(reader, verify_model(model, papers, pinned(reader), reader.now()))
    with pytest.raises(TrustRefused):
        trust_pin.pin(reader, "0" * 64, world.chain)
