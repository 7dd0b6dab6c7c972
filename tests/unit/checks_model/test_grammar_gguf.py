"""GGUF: good files proven, each bad one refused under its rule, nothing at random proven or fatal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.checks.model import _template, format_name
from countermark.checks.model._look import look_at
from countermark.errors import FormatRefused
from countermark.formats import gguf
from countermark.formats._ggml_types import BLOCKS
from countermark.formats.source import Memory

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "model"))
import gguf_files

GOOD, DOUBTFUL = dict(gguf_files.good()), dict(gguf_files.doubtful())
BAD = {name: (data, rule) for name, data, rule in gguf_files.bad()}


@pytest.mark.parametrize("name", GOOD)
def test_good_is_proven(name):
    said = look_at(name, Memory(GOOD[name]))
    assert (said.check, said.format, said.answer) == ("model/gguf", "gguf", "proven"), said.why
    assert ("jinja2" in said.why) == name.startswith("template-")


@pytest.mark.parametrize("name", BAD)
def test_bad_is_refused_under_its_rule(name):
    data, rule = BAD[name]
    said = look_at(name, Memory(data))
    assert said.answer == "refused", said.why
    assert rule in {finding.rule for finding in said.findings}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_the_rest_is_unproven(name):
    said = look_at(name, Memory(DOUBTFUL[name]))
    assert (said.answer, said.findings) == ("unproven", ()), said.why


def test_without_jinja2_a_template_is_unproven(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    said = look_at("m.gguf", Memory(GOOD["template-plain.gguf"]))
    assert (said.answer, "jinja2 is not installed" in said.why) == ("unproven", True)
    assert look_at("m.gguf", Memory(GOOD["plain.gguf"])).answer == "proven"


def test_the_hopping_polyglot_is_real_on_both_sides(monkeypatch):
    """A whole GGUF file whose counts are jumps of a pickle, to code in a text."""
    import pickletools

    data = gguf_files.hops()
    assert [str(word) for code, word, _ in pickletools.genops(data) if code.name == "GLOBAL"] == ["posix system"]
    assert [finding.rule for finding in look_at("m.bin", Memory(data)).findings] == ["polyglot"]
    monkeypatch.setattr(format_name, "_FOLLOWED", format_name._FOLLOWED - {"gguf"})
    assert look_at("m.bin", Memory(data)).answer == "proven"


def test_every_byte_of_the_structure_counts():
    """Cut anywhere, or followed by anything, a good file is no longer proven."""
    data = GOOD["two.gguf"]
    for end in range(8, len(data)):
        assert look_at("m.gguf", Memory(data[:end])).answer != "proven", end
    assert look_at("m.gguf", Memory(data + bytes(17))).answer == "refused"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 400), st.binary(min_size=1, max_size=12))
def test_changed_bytes_never_kill_the_reader(name, at, new):
    data = GOOD[name]
    changed = data[:at] + new + data[at + len(new) :]
    try:
        facts = gguf.read(Memory(changed))
    except FormatRefused:
        return
    inside = sum(tensor.end - tensor.begin for tensor in facts.tensors)
    assert facts.data_at + inside <= len(changed)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["{{", "}}", "{%", "%}", "x", "for", "in", "[", "]", "(", ")", "|", "attr", "'__class__'", ".", "set", "=",
                                 "endfor", "if", "endif", "macro", "~", "range", "1"]), max_size=25))  # fmt: skip
def test_templates_at_random_are_answered(words):
    said = _template.judge(" ".join(words))
    assert said.parser
    if not said.refusals and not said.doubts:
        _agrees_with_the_sandbox(" ".join(words))


def _agrees_with_the_sandbox(text):
    """What is judged harmless looks up no inner attribute when it runs."""
    from jinja2 import TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    class Watching(SandboxedEnvironment):
        def getattr(self, obj, attribute):
            assert not str(attribute).startswith("_")
            return super().getattr(obj, attribute)

        def is_safe_attribute(self, obj, attr, value):
            assert super().is_safe_attribute(obj, attr, value)
            return True

    try:
        Watching(extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"]).from_string(text).render(
            x=[{"a": "b"}], messages=[]
        )
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError):
        return


def test_blocks_are_those_of_the_library():
    constants = pytest.importorskip("gguf.constants", reason="the gguf package is not installed")
    theirs = {int(kind): size for kind, size in constants.GGML_QUANT_SIZES.items()}
    assert {kind: theirs[kind] for kind in BLOCKS} == BLOCKS
