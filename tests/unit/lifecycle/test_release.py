"""A release tries whatever it needs before its verdict enters the ledger, from which nothing is ever taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_release
from core_world import OWNER, SUPPLIER, World

from countermark.errors import LedgerRefused, StatementRefused, TreeRefused, Unusable
from countermark.keys.cosigner import ED25519, CosignerKey
from countermark.ledger.receipt import Receipt
from countermark.lifecycle import book, enrol, own_keys, release, withdraw, witnessing
from countermark.lifecycle.receive import receive
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport.passport import Passport
from countermark.statement.predicates import verdict


@pytest.fixture
def small(tmp_path: Path) -> World:
    return small_release.make(tmp_path / "small")


@pytest.fixture
def model(small: World) -> Path:
    folder = small.root / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    return folder


def verdicts(world: World) -> int:
    return len(book.entered(world[OWNER], verdict.TYPE))


def test_without_an_oms_key_no_verdict_is_entered(small: World, model: Path) -> None:
    (small[OWNER].space.folder("keys") / "oms.pem").unlink()
    with pytest.raises(Unusable, match="oms"):
        release.release(small[OWNER], model, small_release.POLICY)
    assert verdicts(small) == 0
    assert not list(small.root.glob("model.*"))


def test_a_model_that_changes_while_it_is_judged_is_not_released(
    small: World, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the model's folder waits until the verdict is reached, then swaps the weights."""
    reached = release.evaluate

    def swapping(*args: Any) -> Any:
        (model / "weights.bin").write_bytes(b"backdoor")
        return reached(*args)

    monkeypatch.setattr(release, "evaluate", swapping)
    with pytest.raises(TreeRefused, match="changed while it was judged"):
        release.release(small[OWNER], model, small_release.POLICY)
    assert verdicts(small) == 0
    monkeypatch.undo()
    assert release.release(small[OWNER], model, small_release.POLICY).passport, "what is there now is judged anew"


def test_a_later_passport_proves_that_the_ledger_extends_the_head_of_an_earlier_one(small: World, model: Path) -> None:
    first = release.release(small[OWNER], model, small_release.POLICY)
    assert first.passport and first.verdict.receipt
    shown = Receipt.from_bytes(first.verdict.receipt).size
    again = release.release(small[OWNER], model, small_release.POLICY)
    assert again.passport and verdicts(small) == 2
    assert shown in Passport.from_bytes(again.passport.read_bytes()).consistency


def test_a_passport_that_repeats_a_statement_is_refused_before_it_is_verified_again(small: World) -> None:
    """Ten thousand copies, each with sixty signatures of nobody, would keep a reader busy for many minutes."""
    folder, papers = small_release.model(small, "model")
    passport = Passport.from_bytes(papers.read_bytes())
    papers.write_bytes(replace(passport, statements=(passport.verdict, passport.verdict)).to_bytes())
    with pytest.raises(StatementRefused, match="a statement twice"):
        verify_model(folder, papers, pinned(small[SUPPLIER]), small.clock())


def watched(world: World) -> None:
    """A supplier witnesses the ledger, and is asked by files."""
    own_keys.new_key(world[SUPPLIER].space, "witness", "ed25519", None)
    fresh = enrol.enrolment(world[SUPPLIER]).keys
    world.amend(lambda d: d.with_party(replace(d.party(SUPPLIER), keys=fresh)))
    trust = world[OWNER].trust()
    line = CosignerKey(witnessing.name(trust, SUPPLIER), ED25519, world[SUPPLIER].signer("witness").public.raw()).vkey()
    world.amend(lambda d: replace(d, quorum=f"witness acme {line}\nquorum acme\n"))


def cosigned(world: World) -> None:
    """The ledger's head is carried to the witness, and its answer back."""
    desk, trust = world[OWNER], world[OWNER].trust()
    asked = witnessing.request(desk, trust, witnessing.seen(world[SUPPLIER], world[SUPPLIER].trust()).size)
    assert witnessing.ask(desk, trust, [witnessing.answer(world[SUPPLIER], asked.to_bytes()).body]).enough


def test_evidence_in_papers_is_what_the_verdict_judged_even_where_witnesses_were_waited_for(
    small: World, model: Path
) -> None:
    watched(small)
    cosigned(small)
    with pytest.raises(LedgerRefused, match="not cosigned") as waiting:
        release.release(small[OWNER], model, small_release.POLICY)
    assert "acme: no cosignature was brought" in waiting.value.why
    cosigned(small)
    papers = release.release(small[OWNER], model, small_release.POLICY, auditor=True).passport
    assert papers is not None and verdicts(small) == 1
    reader = small[SUPPLIER]
    assert verify_model(model, papers, pinned(reader), reader.now()).state == "admitted, witnessed"


def test_a_verdict_that_was_withdrawn_is_not_taken_up_again(small: World, model: Path) -> None:
    watched(small)
    cosigned(small)
    with pytest.raises(LedgerRefused, match="not cosigned"):
        release.release(small[OWNER], model, small_release.POLICY)
    withdraw.withdraw(small[OWNER], book.entered(small[OWNER], verdict.TYPE), "a backdoor was found")
    cosigned(small)
    with pytest.raises(LedgerRefused, match="not cosigned"):  # a verdict of its own, that waits in turn
        release.release(small[OWNER], model, small_release.POLICY)
    assert verdicts(small) == 2


def test_evidence_tells_refusals_that_an_admission_followed(small: World, model: Path) -> None:
    sent, piece = small.delivered(small.parts("more"))
    whole = (sent / "nut" / "0.png").read_bytes()
    (sent / "nut" / "0.png").write_bytes(b"altered")
    assert receive(small[OWNER], sent).state == "refused"
    (sent / "nut" / "0.png").write_bytes(whole)
    assert receive(small[OWNER], sent).state == "admitted"
    evidence = release.judge(small[OWNER], model, small_release.POLICY).gathered.evidence
    (past,) = evidence["refused_before"]
    assert (past["supplier"], past["delivery"], past["then"]) == (SUPPLIER, piece.envelope.digest, "then admitted")
    assert [d["state"] for d in evidence["deliveries"]] == ["admitted", "admitted"]
