"""Ledger and witness keys that end: who signs nothing new with them, and what a reader believes of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import small_release
from core_world import OWNER, START, SUPPLIER, World

from countermark.errors import LedgerRefused, TrustRefused
from countermark.keys.cosigner import of_key
from countermark.keys.document import TrustDocument
from countermark.keys.ends import quorum_of
from countermark.ledger import cosignature
from countermark.lifecycle import acts, book, enrol, own_keys, roster, trust_draft, witnessing
from countermark.lifecycle.receive import receive
from countermark.lifecycle.release import release
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport.passport import Passport
from countermark.passport.witnesses import cosigned

END = START + timedelta(days=30)
TIME = END.strftime("%Y-%m-%dT%H:%M:%SZ")


def ending(use: str, party: str) -> Callable[[TrustDocument], TrustDocument]:
    def change(document: TrustDocument) -> TrustDocument:
        known = document.party(party)
        keys = tuple(replace(k, not_after=TIME) if k.key.use == use else k for k in known.keys)
        return document.with_party(replace(known, keys=keys))

    return change


@pytest.fixture
def small(tmp_path: Path) -> World:
    """A release of one model, with the supplier as the witness who must have seen it."""
    world = small_release.make(tmp_path / "small")
    own_keys.new_key(world[SUPPLIER].space, "witness", "ed25519", None)
    fresh = enrol.enrolment(world[SUPPLIER]).keys
    world.amend(lambda d: d.with_party(replace(d.party(SUPPLIER), keys=fresh)))
    trust = world[OWNER].trust()
    key = of_key(witnessing.name(trust, SUPPLIER), world[SUPPLIER].signer("witness").public)
    world.amend(lambda d: replace(d, quorum=f"witness acme {key.vkey()}\nquorum acme\n"))
    return world


def ask(world: World) -> witnessing.Round:
    """The ledger's head is carried to the witness, and its answer back."""
    desk, trust = world[OWNER], world[OWNER].trust()
    asked = witnessing.request(desk, trust, witnessing.seen(world[SUPPLIER], world[SUPPLIER].trust()).size)
    return witnessing.ask(desk, trust, [witnessing.answer(world[SUPPLIER], asked.to_bytes()).body])


def released(world: World) -> tuple[Path, Path]:
    folder = world.root / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    ask(world)
    with pytest.raises(LedgerRefused, match="not cosigned"):
        release(world[OWNER], folder, small_release.POLICY)
    ask(world)
    papers = release(world[OWNER], folder, small_release.POLICY).passport
    assert papers is not None
    return folder, papers


def under_the_newest_trust(world: World, papers: Path) -> Path:
    """The same papers, with the trust versions that were published since."""
    passport = Passport.from_bytes(papers.read_bytes())
    papers.write_bytes(replace(passport, trust=world[OWNER].trust().envelopes).to_bytes())
    return papers


def test_a_keeper_signs_no_head_with_an_ended_key_and_goes_on_after_a_rotation(small: World) -> None:
    desk = small[OWNER]
    small.amend(ending("ledger", OWNER))
    small.clock.now = END - timedelta(seconds=1)
    acts.snapshot(desk)
    small.clock.now = END
    more, _ = small.delivered(small.parts("more"))
    with book.ledger(desk, desk.trust()) as log:
        size = log.checkpoint.size  # reading it, and what was signed before, goes on
    for act in (lambda: receive(desk, more), lambda: acts.snapshot(desk)):
        with pytest.raises(TrustRefused, match=f"ledger key of {OWNER} ended on {TIME}"):
            act()
    old = next(k.key.id for k in desk.trust().document.party(OWNER).keys if k.key.use == "ledger")
    trust_draft.revoke(desk, OWNER, key_id=old, reason="ended", from_leaf=size)
    own_keys.new_key(desk.space, "ledger", "ed25519", None)
    roster.enrol_party(desk, enrol.enrolment(desk))
    small.publish()
    assert receive(desk, more).state == "admitted"


def test_a_witness_cosigns_nothing_of_or_with_an_ended_key(small: World) -> None:
    desk, trust = small[OWNER], small[OWNER].trust()
    asked = witnessing.request(desk, trust, 0).to_bytes()
    small.amend(ending("ledger", OWNER))
    assert witnessing.answer(small[SUPPLIER], asked).status == 200
    small.clock.now = END
    declined = witnessing.answer(small[SUPPLIER], asked)
    assert declined.status == 403 and f"ended on {TIME}".encode() in declined.body
    small.amend(ending("witness", SUPPLIER))
    with pytest.raises(TrustRefused, match=f"witness key of {SUPPLIER} ended"):
        witnessing.answer(small[SUPPLIER], asked)


def test_papers_cosigned_in_time_outlive_both_keys(small: World) -> None:
    model, papers = released(small)
    for use, party in (("ledger", OWNER), ("witness", SUPPLIER)):
        small.amend(ending(use, party))
    reader, papers = small[SUPPLIER], under_the_newest_trust(small, papers)
    assert verify_model(model, papers, pinned(reader), END + timedelta(days=3)).state == "admitted, witnessed"


@pytest.mark.parametrize("use", ["ledger", "witness"])
def test_a_head_that_was_first_seen_after_an_end_is_not_believed(small: World, use: str) -> None:
    """Who has an ended key still signs with it; the witness' time shows that it was too late, whoever's clock is right."""
    small.clock.now = END + timedelta(days=1)
    ask(small)  # the trust document names no end yet
    with book.ledger(small[OWNER], small[OWNER].trust()) as log:
        head = log.checkpoint
    assert "witnessed by acme" in cosigned([head], small[OWNER].trust(), small.clock())
    small.amend(ending(use, OWNER if use == "ledger" else SUPPLIER))
    trust = small[OWNER].trust()
    told = "ledger key that signed this head ended" if use == "ledger" else "not cosigned by the quorum"
    with pytest.raises(LedgerRefused, match=told) as refused:
        cosigned([head], trust, small.clock())
    assert use == "ledger" or "after the end of their keys: acme" in refused.value.why
    done = witnessing.ask(small[OWNER], trust)
    assert use == "ledger" or (not done.enough and "acme" in done.missing)


def test_an_end_of_another_key_changes_nothing(small: World) -> None:
    small.clock.now = END + timedelta(days=1)
    ask(small)
    with book.ledger(small[OWNER], small[OWNER].trust()) as log:
        head = log.checkpoint
    for use, party in (("statement", SUPPLIER), ("root", OWNER)):
        rule = quorum_of(ending(use, party)(small[OWNER].trust().document))
        assert rule.ledger_ends == () and cosignature.witnessed(head, rule, small.clock()).witnesses == ("acme",)


def test_without_a_quorum_a_reader_knows_no_time_and_papers_stay(tmp_path: Path) -> None:
    world = small_release.make(tmp_path / "small")
    model, papers = small_release.model(world, "model")
    world.amend(ending("ledger", OWNER))
    later, papers = END + timedelta(days=3), under_the_newest_trust(world, papers)
    assert verify_model(model, papers, pinned(world[SUPPLIER]), later).state == "admitted, unwitnessed"


def test_owners_name_the_end_when_they_enrol(small: World) -> None:
    desk = small[OWNER]
    draft = roster.enrol_party(desk, enrol.enrolment(small[SUPPLIER]), not_after=TIME)
    assert {k.not_after for k in draft.party(SUPPLIER).keys} == {TIME}
    assert {k.not_after for k in draft.party(OWNER).keys} == {None}


def test_a_thief_with_ended_keys(capsys: pytest.CaptureFixture[str]) -> None:
    place = Path(__file__).parents[3] / "attacks" / "ledger" / "ended_keys.py"
    spec = importlib.util.spec_from_file_location("ended_keys", place)
    assert spec is not None and spec.loader is not None
    attack = importlib.util.module_from_spec(spec)
    sys.modules["ended_keys"] = attack
    spec.loader.exec_module(attack)
    assert attack.main() == 0, capsys.readouterr().out
