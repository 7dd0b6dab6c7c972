"""Superseding and revoking: signed statements that releases and relying parties honour; and what a log shows of others."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import small_release
from core_world import OTHER, OWNER, SECOND, SUPPLIER, World, private_key

from countermark.artefact.folder import read_folder
from countermark.errors import LedgerRefused, NothingToVerify, StatementRefused, TrustRefused, Unusable
from countermark.keys.signer import sign_envelope
from countermark.ledger.record import LEAF_BYTES, open_leaf
from countermark.lifecycle import acts, book, filed, rows, withdraw
from countermark.lifecycle.gather import gather
from countermark.lifecycle.receive import receive
from countermark.lifecycle.release import judge
from countermark.lifecycle.verify import fresh_until, pin_snapshot, pinned, read_slip, verify_model
from countermark.passport.passport import Passport
from countermark.passport.slip import Slip, verify
from countermark.statement.predicates import delivery
from countermark.statement.predicates.acts import WITHDRAWAL, Revocations, Withdrawal
from countermark.statement.statement import EVERYBODY, Statement


@pytest.fixture
def small(tmp_path: Path) -> World:
    return small_release.make(tmp_path / "small")


def told(world: World) -> None:
    """The owners' newest snapshot reaches the reader."""
    file = world.root / "revocations.json"
    file.write_bytes(acts.snapshot(world[OWNER]).to_bytes())
    pin_snapshot(world[SUPPLIER], file)


def test_an_old_vulnerable_release_is_refused_once_the_reader_has_a_newer_snapshot(small: World) -> None:
    old, old_papers = small_release.model(small, "old")
    new, new_papers = small_release.model(small, "new", b"mended")
    reader, now = small[SUPPLIER], small.clock()
    told(small)
    assert verify_model(old, old_papers, pinned(reader), now).fresh_until
    slips = withdraw.find(small[OWNER], str(old))
    done = withdraw.withdraw(small[OWNER], slips, "CVE", withdraw.find(small[OWNER], str(new_papers))[0])
    assert len(done) == 1
    assert verify_model(old, old_papers, pinned(reader), now).fresh_until, "the reader was not told yet"
    told(small)
    with pytest.raises(TrustRefused, match=f"revoked \\(ledger entry {slips[0].index()}\\)"):
        verify_model(old, old_papers, pinned(reader), now)
    assert verify_model(new, new_papers, pinned(reader), now).fresh_until
    said = withdraw.withdrawn(small[OWNER])[slips[0].envelope.digest]
    assert said.reason == "CVE" and said.successor == withdraw.find(small[OWNER], str(new))[0].envelope.digest


def test_a_licensee_is_told_what_supersedes_its_model(small: World) -> None:
    """Along a line of releases to the newest that still admits; a line that ends in nothing names nothing."""
    models = [small_release.model(small, name, name.encode()) for name in ("first", "second", "third", "other")]
    reader, now, owner = small[SUPPLIER], small.clock(), small[OWNER]
    verdicts = [withdraw.find(owner, str(folder))[0] for folder, _ in models]

    def refused(number: int) -> TrustRefused:
        told(small)
        with pytest.raises(TrustRefused, match="was revoked") as error:
            verify_model(*models[number], pinned(reader), now)
        return error.value

    withdraw.withdraw(owner, verdicts[:1], "slow", verdicts[1])
    assert f"superseded by {read_folder(models[1][0]).digest}" in refused(0).what
    withdraw.withdraw(owner, verdicts[1:2], "slow too", verdicts[2])
    for number in (0, 1):
        error = refused(number)
        assert f"superseded by {read_folder(models[2][0]).digest}" in error.what
        assert verdicts[2].envelope.digest in error.why and verify_model(*models[2], pinned(reader), now).fresh_until
    withdraw.withdraw(owner, verdicts[2:3], "unsafe")
    for number in (0, 1, 2):
        assert "superseded" not in refused(number).what, "what was withdrawn replaces nothing"
    assert verify_model(*models[3], pinned(reader), now).fresh_until


def test_what_the_owners_revoked_by_number_replaces_nothing(small: World) -> None:
    (old, _), (new, _) = (small_release.model(small, n, n.encode()) for n in ("old", "new"))
    owner = small[OWNER]
    first, second = (withdraw.find(owner, str(folder))[0] for folder in (old, new))
    withdraw.withdraw(owner, [first], "slow", second)
    slip = acts.snapshot(owner, revoke=[second.index()])
    said = Revocations.from_json(Statement.from_bytes(slip.envelope.payload).predicate)
    assert said.successors == () and "successors" not in said.to_json()
    assert {first.index(), second.index()} <= set(said.entries)


def test_a_stranger_names_no_successor(small: World) -> None:
    """A supplier may withdraw its own words only, whatever it says of a verdict; its word is no line in the snapshot."""
    (old, _), (new, _) = (small_release.model(small, n, n.encode()) for n in ("old", "new"))
    owner, rival = small[OWNER], small[OTHER]
    first, second = (withdraw.find(owner, str(folder))[0] for folder in (old, new))
    said = Withdrawal(rival.context(EVERYBODY), first.envelope.digest, "ours is better", second.envelope.digest)
    book.enter(owner, owner.trust(), [rival.sign(Statement("withdrawn", "0" * 64, WITHDRAWAL, said.to_json()))])
    assert withdraw.successors(owner, owner.trust(), ()) == () and withdraw.withdrawn(owner) == {}


def test_a_withdrawn_delivery_teaches_nothing_and_every_release_on_it_falls(small: World) -> None:
    model, papers = small_release.model(small, "model")
    desk = small[OWNER]
    second, _ = small.delivered(small.parts("second"))
    receive(desk, second)
    (entry, *_) = book.entered(desk, delivery.TYPE)
    before = len(rows.all_rows(desk))
    withdraw.withdraw(desk, [entry], "not theirs to give")
    assert len(rows.all_rows(desk)) == before // 2
    evidence = gather(desk, judge(desk, model, small_release.POLICY).gathered.model, "model").evidence
    assert sorted(d["state"] for d in evidence["deliveries"]) == ["admitted", "withdrawn"]
    assert any("was withdrawn: not theirs" in line for line in evidence["not_looked_at"])
    told(small)
    with pytest.raises(TrustRefused, match="was revoked"):
        verify_model(model, papers, pinned(small[SUPPLIER]), small.clock())


def test_a_release_without_any_delivery_left_is_refused(small: World) -> None:
    model, _ = small_release.model(small, "model")
    withdraw.withdraw(small[OWNER], book.entered(small[OWNER], delivery.TYPE), "recalled")
    with pytest.raises(Unusable, match="every admitted delivery was withdrawn"):
        judge(small[OWNER], model, small_release.POLICY)


def test_nobody_withdraws_what_another_party_said(small: World) -> None:
    desk = small[OWNER]
    (entry,) = book.entered(desk, delivery.TYPE)
    said = Withdrawal(small[OTHER].context(EVERYBODY), entry.envelope.digest, "mine now", None)
    statement = Statement("withdrawn", "0" * 64, WITHDRAWAL, said.to_json())
    forged = sign_envelope("application/vnd.in-toto+json", statement.to_bytes(), [private_key(OTHER, "statement")])
    book.enter(desk, desk.trust(), [forged])
    assert withdraw.withdrawn(desk) == {}
    own = replace(said, reason="our mistake")
    statement = Statement("withdrawn", "0" * 64, WITHDRAWAL, own.to_json())
    signed = sign_envelope("application/vnd.in-toto+json", statement.to_bytes(), [private_key(SUPPLIER, "statement")])
    book.enter(desk, desk.trust(), [signed])
    assert set(withdraw.withdrawn(desk)) == {entry.envelope.digest}
    with pytest.raises((TrustRefused, NothingToVerify)):
        withdraw.withdraw(small[SECOND], [entry], "I keep no ledger")


def test_the_newer_release_replaces_the_older_one_and_not_the_other_way(small: World) -> None:
    old, _ = small_release.model(small, "old")
    new, _ = small_release.model(small, "new", b"mended")
    desk = small[OWNER]
    older, newer = withdraw.find(desk, str(old)), withdraw.find(desk, str(new))
    with pytest.raises(StatementRefused, match="not newer"):
        withdraw.withdraw(desk, newer, "", older[0])
    withdraw.withdraw(desk, newer, "broken too")
    with pytest.raises(StatementRefused, match="not withdrawn"):
        withdraw.withdraw(desk, older, "", newer[0])
    with pytest.raises(NothingToVerify):
        withdraw.find(desk, "99")


def test_two_suppliers_see_equal_noise_of_each_other(small: World) -> None:
    desk = small[OWNER]
    folder, _ = small.delivered(small.parts("bolts", ("bolt",), each=40), by=OTHER)
    answered = receive(desk, folder)
    assert answered.state == "admitted"
    with book.ledger(desk, desk.trust()) as log:
        entries = list(log.reader.entries(0, log.checkpoint.size, size=log.checkpoint.size))
    # 4 rows of two classes, or 40 of one: two leaves each, and every leaf as long as any other.
    assert len(entries) == 4 and {len(e) for e in entries} == {LEAF_BYTES} and len(set(entries)) == 4
    public = b"".join(p.read_bytes() for p in (desk.space.home / "ledger").rglob("*") if p.is_file())
    slips = book.entered(desk, delivery.TYPE)
    mine, theirs = (verify(s, desk.trust(), desk.now()) for s in slips)
    for shown in (mine, theirs):
        statement = Statement.from_bytes(shown.slip.envelope.payload)
        for told_of in (shown.party.id, statement.predicate_type):
            assert told_of.encode() not in public
        for digest in (shown.digest, statement.digest):
            assert digest.encode() not in public and bytes.fromhex(digest) not in public
    sizes = [len(replace_answer(s).to_bytes()) for s in book.refreshed(desk, desk.trust(), slips)[0]]
    assert len(set(sizes)) == 1, "the receipts of both are equally long"
    with pytest.raises(LedgerRefused, match="does not fit"):
        open_leaf(entries[theirs.index or 0], mine.slip.opening)  # type: ignore[arg-type]
    # A licensee's passport names neither: its deliveries are leaves.
    _, papers = small_release.model(small, "model")
    passport = Passport.from_bytes(papers.read_bytes())
    text = passport.to_json_bytes()
    assert len(passport.commitments) == 2 and mine.digest.encode() not in text and theirs.digest.encode() not in text


def replace_answer(slip: Slip) -> Slip:
    """The slip with the parts that only its owner has left out."""
    return Slip(sign_envelope("text/plain", b"{}", [private_key(OWNER, "statement")]), None, slip.receipt)


def test_a_supplier_withdraws_its_own_delivery_by_a_file_and_nobody_elses(small: World) -> None:
    folder, piece = small.delivered(small.parts("second"))
    receive(small[OWNER], folder)
    with pytest.raises(TrustRefused, match=f"what {SUPPLIER} delivered"):
        withdraw.request(small[OTHER], folder, "a rival's")
    with pytest.raises(NothingToVerify, match="nobody delivered"):
        withdraw.request(small[SUPPLIER], small.root, "nothing")
    desk = small[OWNER]
    book.enter(desk, desk.trust(), [withdraw.request(small[SUPPLIER], folder, "the wrong camera")])
    assert withdraw.withdrawn(desk)[piece.envelope.digest].reason == "the wrong camera"
    assert withdraw.entries(desk) == {filed.slip(desk, piece.envelope.digest).index()}


def test_another_partys_copy_of_the_same_words_is_refused_by_name(small: World) -> None:
    desk = small[OWNER]
    said = Withdrawal(small[SUPPLIER].context(EVERYBODY), "0" * 64, "words", None)
    words = Statement("withdrawn", "0" * 64, WITHDRAWAL, said.to_json()).to_bytes()
    copied, own = (
        sign_envelope("application/vnd.in-toto+json", words, [private_key(p, "statement")]) for p in (OTHER, SUPPLIER)
    )
    with pytest.raises(StatementRefused, match=f"{OTHER} entered the same words before {SUPPLIER}"):
        book.enter(desk, desk.trust(), [copied, own])
    (entered,) = book.enter(desk, desk.trust(), [copied])
    assert book.enter(desk, desk.trust(), [copied])[0].index() == entered.index(), "twice is harmless"
    with pytest.raises(StatementRefused, match=f"{OTHER} entered the same words before {SUPPLIER}"):
        book.enter(desk, desk.trust(), [own])


def test_a_slip_is_refused_once_the_snapshot_kept_here_revokes_its_entry(small: World) -> None:
    desk, reader = small[OWNER], small[SUPPLIER]
    slip = book.entered(desk, delivery.TYPE)[0]
    file = small.root / "one.slip.json"
    file.write_bytes(slip.to_bytes())
    told(small)
    assert fresh_until(reader, read_slip(reader, file)), "before, it holds and is fresh"
    withdraw.withdraw(desk, [slip], "the wrong camera")
    told(small)
    with pytest.raises(TrustRefused, match=f"this statement was revoked \\(ledger entry {slip.index()}\\)"):
        read_slip(reader, file)


@pytest.mark.parametrize("naming", [False, True])
def test_a_second_entry_of_a_revoked_statement_does_not_outlive_it(tmp_path: Path, naming: bool) -> None:
    """Both sides: a snapshot of entries alone lets the second entry through, one of statements refuses it."""
    spec = importlib.util.spec_from_file_location(
        "second_entry", Path(__file__).parents[3] / "attacks" / "ledger" / "second_entry.py"
    )
    assert spec is not None and spec.loader is not None
    second_entry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(second_entry)
    assert second_entry.attack(tmp_path / "twice", naming=naming) == (naming, True)


def test_a_slip_at_another_entry_is_refused_by_its_statement(small: World) -> None:
    desk = small[OWNER]
    (first,) = book.entered(desk, delivery.TYPE)
    withdraw.withdraw(desk, [first], "wrong camera")
    told(small)
    said = Revocations.from_json(Statement.from_bytes(acts.snapshot(desk).envelope.payload).predicate)
    assert said.statements == (first.envelope.digest,) and said.entries == (first.index(),)
    shown = replace(verify(first, small[SUPPLIER].trust(), small.clock()), index=99)
    with pytest.raises(TrustRefused, match="this statement was revoked"):
        fresh_until(small[SUPPLIER], shown)
