"""No rule is decoration: with any one refusal of a reader taken out, some file of the corpus is answered otherwise."""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))

import corpus
import list_mutants
import mutants
import probes
import removal
from breaks import breaks

from countermark.checks.model import _names
from countermark.checks.model._look import look_at
from countermark.formats.source import Memory

BROKEN = breaks()
READERS = mutants.readers()
SEED, SAMPLE = 20261127, 60
FAMILIES = [
    case for case in (*corpus.attacks(), *corpus.harmless(), *corpus.doubtful()) if case.family in corpus.FAMILIES
]
UNTESTED = [case for case in FAMILIES if case.family in ("plain", "beside")]
"""The other families have test files of their own."""


@pytest.mark.parametrize(("name", "data", "rule"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_every_way_of_breaking_a_format_is_named(name, data, rule):
    look = look_at(name, Memory(data))
    if look.answer == "unproven":
        assert look.why.startswith(rule)
    else:
        assert rule in [finding.rule for finding in look.findings]


@pytest.mark.parametrize("case", UNTESTED, ids=[case.file for case in UNTESTED])
def test_every_file_of_the_families_is_answered_as_it_is_meant(case):
    look = look_at(case.file, Memory(case.data))
    assert look.answer in corpus.WANTED.get(case.tier, ("refused",)), look.why
    assert not case.rule or case.rule in [finding.rule for finding in look.findings]


@pytest.mark.parametrize("family", corpus.FAMILIES)
def test_every_family_has_files_that_are_proven_and_some_that_reach_out(family):
    answers = {look_at(c.file, Memory(c.data)).answer for c in FAMILIES if (c.family, c.tier) == (family, "benign")}
    assert "proven" in answers
    assert sum(case.tier == "core" for case in FAMILIES if case.family == family) >= 10


def test_limits_are_unproven_and_named():
    said = [probe.ask() for probe in probes.probes() if probe.name.startswith("limit ")]
    assert len(said) > 40
    assert {answer[1] for answer in said} == {"unproven"}


@pytest.fixture(scope="module")
def said():
    return mutants.traced(probes.probes(), READERS)


@pytest.mark.parametrize("module", READERS, ids=[module.__name__.rpartition(".")[2] for module in READERS])
def test_no_refusal_of_a_reader_can_be_taken_out(module, said):
    assert [line for line in mutants.survivors([module], *said) if not mutants.exempt(line)] == []


def test_exemptions_are_of_rules_that_are_there():
    rules = [f"{m.__name__.rpartition('.')[2]}: {refusal.text}" for m in READERS for refusal in removal.refusals(m)]
    assert [key for key in mutants.EXEMPT if not any(rule.startswith(key) for rule in rules)] == []
    assert sum(len(removal.refusals(module)) for module in READERS) > 800


def test_a_mutant_is_another_program_and_passes_away():
    """The driver itself: with its check taken out a reader goes on, and afterwards it is whole again."""
    name, data, rule = next(entry for entry in BROKEN if entry[0] == "tail.pkl.gz")
    module = next(module for module in READERS if module.__name__.endswith("formats.inflated"))
    refusal = next(r for r in removal.refusals(module) if r.how == "gone" and "compressed-tail" in r.text)
    before = probes.of_file(name, data)
    with removal.without(module, refusal):
        assert probes.of_file(name, data)[1] == "proven"
    assert probes.of_file(name, data) == before
    assert before[2] == (rule,)


def test_no_entry_of_a_list_can_be_taken_out_and_no_role_added():
    """A sample, the same in every run; `python attacks/model/mutants.py --lists` takes all of them."""
    chosen = random.Random(SEED)

    def some(entries):
        return chosen.sample(entries, SAMPLE)

    looked = list(list_mutants.all_of_them(some))
    assert [count for _, count, _ in looked] == [SAMPLE] * 5
    assert {title: left for title, _, left in looked if left} == {}


PINNED = {
    "chat-template.names": (169, "91d99657835e8e55"),
    "estimators.names": (1093, "6d299241b379c0d7"),
    "keras.names": (719, "79b02806110897ba"),
    "refused.names": (114, "0d89ecdd72c90a7e"),
    "standard-library.names": (385, "391533b9644c6874"),
    "tensorflow.names": (554, "5afcadee7815e19c"),
    "tensors.names": (123, "09f6b5cb7174daaf"),
    "torchscript.names": (1959, "31ef0a9aab021a9b"),
}
"""Lines and digest of each list of names."""


@pytest.mark.parametrize("file", sorted(path.name for path in _names.FOLDER.glob("*.names")))
def test_lists_are_those_that_were_reviewed(file):
    """An entry or a role more is a decision: look at it, then put the new digest here."""
    rows = _names.rows(file)
    digest = hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()[:16]
    assert (len(rows), digest) == PINNED[file]
