"""Papers whose verdict contradicts itself: ordinary code reads "admitted", Countermark refuses; honest ones verify."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import hostile_papers
import pytest
import small_release
from both_sides import show
from core_world import OWNER, SUPPLIER, World

from countermark.errors import PolicyRefused, StatementRefused
from countermark.lifecycle.release import release
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport.passport import Passport
from countermark.statement.predicates.acts import Revocations, Waiver


@pytest.fixture
def world(tmp_path: Path) -> World:
    return small_release.make(tmp_path / "world")


def test_a_verdict_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    attacks = hostile_papers.attacks(tmp_path)
    assert len(attacks) == 7
    for attack in attacks:
        shown = show(attack)
        assert shown.refusal is not None, f"{attack.name}: Countermark took it"
        assert shown.refusal.what.isprintable() and shown.refusal.exit_code == 1
        assert shown.naive == "took it: 'admitted'"


def test_a_file_of_another_size_than_signed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for attack in hostile_papers.a_terabyte(tmp_path):
        shown = show(attack)
        assert shown.naive.startswith("leaked Stalled"), shown.naive
        assert shown.refusal is not None and "became 1099511627776" in shown.refusal.what, shown.refusal


def test_a_waiver_counts_for_a_reader_until_it_ends(world: World, tmp_path: Path) -> None:
    model, papers = small_release.model(world, "wanted")
    until = (world.clock() + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def waive(verdict: dict[str, Any]) -> None:
        verdict["rules"][-1] |= {"waived": hostile_papers.ENDED | {"until": until}}

    waived = hostile_papers.repacked(world, papers, tmp_path / "waived.cmpass", waive)
    reader = world[SUPPLIER]
    assert verify_model(model, waived, pinned(reader), reader.now()).verdict.rulings[-1].until == until
    world.clock.move(days=30)
    with pytest.raises(PolicyRefused, match=f"the waiver of 'in-scope' ended on {until}"):
        verify_model(model, waived, pinned(reader), reader.now())


def test_an_auditor_is_shown_the_evidence_that_was_judged(world: World) -> None:
    model, _ = small_release.model(world, "wanted")
    papers = release(world[OWNER], model, small_release.POLICY, auditor=True).passport
    assert papers is not None
    evidence = Passport.from_bytes(papers.read_bytes()).evidence
    assert evidence is not None and evidence["subject"]["name"] == "wanted"
    reader = world[SUPPLIER]
    assert verify_model(model, papers, pinned(reader), reader.now()).verdict.admitted


def context(world: World, **changes: str) -> dict[str, Any]:
    return world[OWNER].context("*").to_json() | changes


@pytest.mark.parametrize("moment", ["soon", "2026-12-01", "2026-12-01T00:00:00+00:00", "9999-99-99T00:00:00Z", ""])
def test_an_act_that_ends_at_no_time_is_malformed(world: World, moment: str) -> None:
    waiver = {"context": context(world), "check": "data/label-flip", "until": moment, "reason": "none"}
    with pytest.raises(StatementRefused, match="time"):
        Waiver.from_json(waiver)
    with pytest.raises(StatementRefused, match="time"):
        Waiver.from_json(waiver | {"until": "2026-12-01T00:00:00Z", "context": context(world, time=moment)})
    snapshot = {"context": context(world), "treeSize": 1, "root": "0" * 64, "trustVersion": 1, "entries": []}
    with pytest.raises(StatementRefused, match="time"):
        Revocations.from_json(snapshot | {"nextUpdate": moment})
