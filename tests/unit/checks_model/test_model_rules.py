"""Each rule of the judge and each class of entry in the lists decides something: without it, some file is answered otherwise."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))

import carriers
import corpus
from streams import STOP, call, name, stacked, text

from countermark.checks.model import _joblib, _judge, _names, _shapes, _torchscript
from countermark.checks.model._judge import PickleJudge
from countermark.checks.model._look import look_at
from countermark.formats.pickle.excerpt import excerpt
from countermark.formats.source import Memory

P4 = b"\x80\x04"
ORDERED = name("collections", "OrderedDict")
SCRIPT = next(case.data for case in corpus.attacks() if case.file == "carrier/script-save.pt")
ONLY = {
    "names": [call("os", "system", "id", form=3)],
    "dotted": [P4 + stacked("somewhere", "a.b") + STOP],
    "special": [P4 + stacked("somewhere", "__a__") + STOP, P4 + stacked("some where", "a") + STOP],
    "calls-result": [P4 + ORDERED + b")R)R" + STOP],
    "inst": [b"\x80\x02(icollections\nOrderedDict\n."],
    "obj": [b"\x80\x02(" + ORDERED + b"o."],
    "role": [P4 + name("torch", "FloatStorage") + b")R.", P4 + name("builtins", "object") + b")R(" + name("_codecs", "encode") + b"t" + b"0."],
    "arguments": [P4 + name("_codecs", "encode") + text("x") + text("rot13") + b"\x86R."],
    "calls": [P4 + name("torch.mystery", "run") + b")R."],
    "build": [P4 + b"N}b.", P4 + ORDERED + b"}b.", P4 + name("builtins", "list") + b")R}b."],
    "target": [P4 + name("builtins", "object") + b")RNNs."],
    "persistent-id": [P4 + b"NQ."],
    "operator": [SCRIPT],
    "beside": [P4 + carriers.wrapper("joblib.numpy_pickle", text("filename") + text(path), title="NDArrayWrapper") + STOP for path in ("../a.npy", "/a.npy", "c:a.npy", "..", "a\\b")],
    "second-reading": [P4 + carriers.array(name("collections", "deque") + STOP) + STOP],
}  # fmt: skip
ONLY["role"][1] = P4 + name("builtins", "list") + b"]" + name("_codecs", "encode") + b"\x86R."
SHAPED = {
    "none": name("builtins", "object") + b"N\x85R", "pairs": ORDERED + b"N\x85R", "factory": name("collections", "defaultdict") + b"K\x05\x85R",
    "content": name("builtins", "bytearray") + b"J\0\0\0\x7f\x85R", "latin1": name("_codecs", "encode") + text("x") + text("zip") + b"\x86R",
    "array": name("numpy.core.multiarray", "_reconstruct") + ORDERED + b"K\x00\x85C\x01b\x87R",
    "parameter": name("torch._utils", "_rebuild_parameter") + b"NNN\x87R",
    "retyped": name("torch._tensor", "_rebuild_from_type_v2") + b"(" + ORDERED + ORDERED + b")}tR",
    "reconstructor": name("copyreg", "_reconstructor") + ORDERED + ORDERED + b"N\x87R",
    "named": name("sklearn._cyutility", "__pyx_unpickle_Enum") + b"N\x85R",
    "held": name("torch.storage", "_load_from_bytes") + b"N\x85R",
    "tensor": None,
}  # fmt: skip
BENIGN = [case for case in corpus.harmless() if len(case.data) < 200_000]
HOSTILE = [case for case in corpus.attacks() if case.tier != "bomb" and len(case.data) < 200_000]


def look(data, file="m.pkl"):
    return look_at("m.pt" if data[:2] == b"PK" else file, Memory(data))


def test_every_rule_of_the_judge_is_in_the_table():
    sources = [Path(module.__file__).read_text() for module in (_judge, _torchscript, _joblib)]
    rules = {rule for source in sources for rule in re.findall(r'(?:self|judge)\.refuse\(\s*"([a-z-]+)"', source)}
    assert rules | {"inst", "obj"} == set(ONLY)


@pytest.mark.parametrize("rule", sorted(ONLY))
def test_without_a_rule_of_the_judge_its_file_passes(rule, monkeypatch):
    for data in ONLY[rule]:
        seen = look(data)
        assert (seen.answer, {f.rule for f in seen.findings}) == ("refused", {f"pickle-{rule}"})
    real = PickleJudge.refuse
    monkeypatch.setattr(
        PickleJudge, "refuse", lambda self, which, *rest: None if which == rule else real(self, which, *rest)
    )
    assert [look(data).answer == "refused" for data in ONLY[rule]] == [False] * len(ONLY[rule])


def test_every_shape_of_arguments_is_in_the_table():
    assert set(SHAPED) == set(_shapes.SHAPES) - {
        "any",
        "-",
    }  # "-" stands where nothing may be called, whatever it is given


@pytest.mark.parametrize("shape", sorted(SHAPED))
def test_without_a_shape_of_arguments_its_file_passes(shape, monkeypatch):
    tensor = carriers.torch_zip(b"\x80\x02" + carriers.tensor(4, (5,), (1,)) + STOP, {"0": bytes(16)})
    data = tensor if shape == "tensor" else b"\x80\x03" + SHAPED[shape] + STOP
    assert "pickle-arguments" in {f.rule for f in look(data).findings}
    monkeypatch.setitem(_shapes.SHAPES, shape, lambda args: True)
    assert "pickle-arguments" not in {f.rule for f in look(data).findings}


def answers(cases):
    return {case.file: look_at(case.file, Memory(case.data)).answer for case in cases}


@pytest.fixture(scope="module")
def before():
    return answers(BENIGN), answers(HOSTILE)


@pytest.mark.parametrize("profile", _names.PROFILES)
def test_without_a_list_of_allowed_names_benign_files_are_not_proven(profile, before, monkeypatch):
    kept = {key: entry for key, entry in _names._allowed().items() if entry.profile != profile}
    monkeypatch.setattr(_names, "_allowed", lambda: kept)
    assert answers(BENIGN) != before[0]


@pytest.mark.parametrize("role", ["reduce", "newobj", "build", "setitem"])  # no benign file here needs the other two
def test_without_a_role_benign_files_are_refused(role, monkeypatch):
    less = {k: _names.Entry(e.roles - {role}, e.arguments, e.profile) for k, e in _names._allowed().items()}
    monkeypatch.setattr(_names, "_allowed", lambda: less)
    assert "refused" in answers(BENIGN).values()


@pytest.mark.parametrize("which", [1, 2])
def test_without_a_list_of_refused_names_hostile_files_are_not_refused(which, before, monkeypatch):
    lists = list(_names._refused())
    lists[which] = type(lists[which])()
    monkeypatch.setattr(_names, "_refused", lambda: tuple(lists))
    now = answers(HOSTILE)
    assert now != before[1]
    assert "proven" not in now.values()


def test_exact_entries_bring_the_advisories_that_whole_modules_do_not_have(monkeypatch):
    exact, whole, standard = _names._refused()
    told = {name: entry.advisory for name, entry in exact.items() if entry.advisory}
    assert told
    monkeypatch.setattr(_names, "_refused", lambda: ({}, whole, standard))
    seen = {name: _names.refusal(*name) for name in told}
    assert any(now is None or now.advisory != told[name] for name, now in seen.items())


def test_without_the_libraries_whose_calls_are_all_listed_their_functions_are_only_unproven(before, monkeypatch):
    monkeypatch.setattr(_names, "_uncallable", dict)
    now = answers(HOSTILE)
    assert sum(said == "unproven" for said in now.values()) > 10
    assert "proven" not in now.values()


def test_without_its_list_no_operator_is_known(before, monkeypatch):
    monkeypatch.setattr(_torchscript, "_operators", frozenset)
    assert answers(BENIGN)["benign/script.pt"] == "unproven"


def test_the_corpus_is_answered_as_published(before):
    """The targets of the inspection, on the generated corpus: the figures stand in the page about it."""
    tiers = {case.file: case.tier for case in HOSTILE}
    said = before[1]
    core = [said[file] for file, tier in tiers.items() if tier == "core"]
    assert len(core) > 300
    assert core.count("refused") >= 0.995 * len(core)
    assert sum(answer == "refused" for answer in said.values()) >= 0.98 * len(said)
    assert not {"proven", "not model content"} & set(said.values())
    benign = list(before[0].values())
    assert benign.count("refused") <= 0.015 * len(benign)
    assert benign.count("unproven") <= 0.03 * len(benign)


def test_a_finding_shows_the_opcodes_that_it_is_about():
    said = look_at("a.pkl", Memory(b"cos\nsystem\n(S'id'\ntR."))
    assert "GLOBAL 'os system', MARK, STRING 'id', TUPLE, REDUCE, STOP" in said.findings[0].why


@given(st.binary(max_size=600), st.integers(-1, 700))
def test_an_excerpt_is_short_and_printable_whatever_the_bytes(data, at):
    shown = excerpt(Memory(data), at)
    assert shown.isprintable() and shown.isascii() and len(shown) < 600
