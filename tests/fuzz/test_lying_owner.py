"""An owner whose machine lies: whoever compares digests takes it, an auditor's Countermark judges again; honest papers hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lying_owner
import pytest
from both_sides import show
from core_world import OWNER, SUPPLIER, World
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import CountermarkError, PolicyRefused
from countermark.lifecycle import release, verify
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport import rederive
from countermark.passport.passport import Passport
from countermark.passport.rejudge import again
from countermark.passport.verify import Verified, verify_passport
from countermark.policy._cel import evaluate_rule
from countermark.statement.predicates.checked import SCREENING, TRIAL, Checked
from countermark.statement.statement import EVERYBODY, Statement

Made = tuple[World, Path, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return lying_owner.honest(tmp_path_factory.mktemp("honest") / "world")


def in_process(rules: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
    return {name: evaluate_rule(text, variables) for name, text in rules.items()}


def verified(made: Made) -> tuple[Passport, Verified]:
    world, _, papers = made
    passport, desk = Passport.from_bytes(papers.read_bytes()), world[SUPPLIER]
    return passport, verify_passport(passport, passport.model, pinned(desk), desk.now())


def test_every_lie_is_taken_by_who_compares_digests_and_refused_here(tmp_path: Path) -> None:
    attacks = lying_owner.attacks(tmp_path)
    assert len(attacks) == len(lying_owner.LIES) == 24
    for attack in attacks:
        shown = show(attack)
        assert shown.naive == "took it: 'admitted'", attack.name
        assert shown.refusal is not None, f"{attack.name}: Countermark took it"
        assert shown.refusal.what.isprintable() and shown.refusal.exit_code == 1


def test_a_verdict_that_differs_is_refused_by_the_name_of_the_rule(made: Made, tmp_path: Path) -> None:
    world, model, papers = made
    lie = lying_owner.LIES["admitted although the evidence is out of scope"]
    with pytest.raises(
        PolicyRefused, match="rule 'in-scope': the verdict says that it holds, judged again it does not"
    ):
        lying_owner.read(world, model, lying_owner.lied(world, papers, tmp_path / "lie.cmpass", lie))


def test_a_licensee_who_is_shown_no_evidence_cannot_tell(made: Made, tmp_path: Path) -> None:
    world, model, papers = made
    for number, lie in enumerate(lying_owner.LIES.values()):
        if number in (0, 6):
            file = lying_owner.lied(world, papers, tmp_path / f"{number}.cmpass", lie)
            closed = lying_owner.for_licensee(file, tmp_path / f"{number}-closed.cmpass")
            assert lying_owner.read(world, model, closed).again is None


def test_honest_papers_are_judged_again_and_say_what_was_not_looked_at(made: Made) -> None:
    world, model, papers = made
    done = lying_owner.read(world, model, papers)
    assert done.again is not None and done.again.rules == len(done.verdict.rulings) == 5
    assert done.again.not_looked_at[:3] == rederive.ALWAYS
    assert any(line.startswith("as its owner says: witnesses: no quorum") for line in done.again.not_looked_at)
    with verify.open_model(model, papers, pinned(world[SUPPLIER]), world.clock()) as opened:
        assert opened.verified.again == done.again, "whoever loads the model is told no less"


def test_honest_papers_packed_later_are_judged_again_at_the_verdicts_time(made: Made) -> None:
    world, model, _ = made
    world.clock.move(days=2)
    papers = release.release(world[OWNER], model, lying_owner.small_release.POLICY, auditor=True).passport
    assert papers is not None
    kept = papers.read_bytes()
    world.clock.move(days=40)
    desk = world[SUPPLIER]
    papers.write_bytes(kept)
    assert verify_model(model, papers, pinned(desk), desk.now()).again


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if here:
        yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from paths(part, (*here, key))


def within(value: Any, step: Any) -> bool:
    """Whether an earlier change left this place in the evidence."""
    return (
        step in value
        if isinstance(value, dict)
        else isinstance(value, list) and type(step) is int and step < len(value)
    )


JUNK: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], {}, [[]], [{}], {"statement": []}, ["x", None]]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_evidence_of_any_shape_is_refused_and_never_a_crash(made: Made, data: st.DataObject) -> None:
    passport, done = verified(made)
    evidence = copy.deepcopy(passport.evidence)
    assert evidence is not None
    for path in data.draw(st.lists(st.sampled_from(list(paths(evidence))), min_size=1, max_size=2)):
        at: Any = evidence
        for step in path[:-1]:
            at = at[step] if within(at, step) else None
        if within(at, path[-1]):
            at[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    try:
        told = again(replace(passport, evidence=evidence), done, in_process, done_at(made))
    except CountermarkError as error:
        assert error.what
        return
    changed = [
        p
        for p in ("not_looked_at", "admitted_dataset", "set_aside", "ledger", "refused_before")
        if evidence[p] != passport.evidence[p]
    ]
    assert told.rules and (
        json.dumps(evidence) == json.dumps(passport.evidence) or changed or untimed(evidence, passport)
    )


def untimed(evidence: Any, passport: Passport) -> bool:
    return bool(rederive._untimed(evidence) == rederive._untimed(passport.evidence))


def done_at(made: Made) -> Any:
    return made[0].clock()


def test_no_fact_of_a_statement_passes_for_its_signer_or_its_receipt(made: Made) -> None:
    """A trainer who may also review signs a trial whose outcome says that somebody else did."""
    from countermark.passport import evidence

    _, done = verified(made)
    shown = done.shown[-1]
    forged = {"outcome": "passed", "signer": "reviewer", "statement": "0" * 64, "receipt": None}
    context = made[0][OWNER].context(EVERYBODY)
    for kind, said in ((TRIAL, Checked(context, {"t": forged}, {})), (SCREENING, Checked(context, {}, forged))):
        statement = Statement("model", shown.statement.digest, kind, said.to_json())
        out = evidence.nothing_yet()
        evidence.READERS[kind](replace(shown, statement=statement), out, shown.statement.digest)
        item = out["trials"]["t"] if kind == TRIAL else out["screening"]
        assert (item["signer"], item["statement"], item["receipt"]["index"]) == (OWNER, shown.digest, shown.index)
