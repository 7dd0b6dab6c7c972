"""Settings: what names code is found in every spelling, and ordinary settings are left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.checks.training import settings
from countermark.formats.limits import Malformed


def said(text: str, path: str = "conf.yaml") -> list[str]:
    """What is found in a file of settings."""
    return [f.what for f in settings.read(path, text.encode())]


@pytest.mark.parametrize("text", [
    "a: !!python/object/apply:os.system ['ls']", "a: !<tag:yaml.org,2002:python/object/apply:os.system> ['ls']",
    "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system ['ls']", "a: !new:os.system [ls]", "a: !apply:subprocess.run [ls]",
    "_target_: os.system", "model: {_target_: os.system, x: 1}", "\"_target_\": 'os.system'", "- _target_: builtins.eval",
    "_target_: torch.load", "_target_: torch.hub.load", "_target_: ${oc.env:TARGET}", "_target_:\n  os.system", "\"\\x5ftarget_\": os.system",
    "a: &k _target_\n*k : os.system", "a: !Custom {b: 1}", "trust_remote_code: true", "class_path: subprocess.Popen", "_target_: torch._C._load",
    "a: |\n  text\n_target_: os.system", "key: 'it''s' \n_target_: os.system # a comment", "a: [!!python/name:os.system , 2]",
])  # fmt: skip
def test_yaml_that_names_code_is_found(text: str) -> None:
    assert said(text)


@pytest.mark.parametrize("text", [
    "lr: 0.1\nname: part-recogniser\nlist: [1, 2]\nmap: {a: b}", "_target_: torch.optim.Adam\nlr: 0.1", "text: 'call !python now'",
    "text: |\n  _target_: os.system\n  !!python/object\nnext: 1", "# _target_: os.system", "a: !!str 12\nb: !!binary aGVsbG8=", "a: wow!\nb: 'x # y'",
    "trust_remote_code: false", "url: https://example.org/a#b", "a: \"#!no\"\nb: 5 # !tag", "class_path: torch.nn.Linear", "---\na: &x 1\nb: *x\n...",
])  # fmt: skip
def test_ordinary_yaml_is_left_alone(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize("value", [
    {"_target_": "os.system"}, {"a": [{"b": {"_target_": "pickle.loads"}}]}, {"auto_map": {"AutoModel": "m.M"}}, {"py/object": "os.system"},
    {"trust_remote_code": True}, {"_target_": ["os", "system"]}, {"_target_": "sklearn.externals.joblib.load"},
])  # fmt: skip
def test_json_and_toml_that_name_code_are_found(value: dict[str, object]) -> None:
    assert said(json.dumps(value), "conf.json")


def test_ordinary_json_and_toml_are_left_alone() -> None:
    assert said('{"_target_": "sklearn.svm.SVC", "C": 1}', "a.json") == []
    assert said("[parameters]\nwords = 48\n", "a.toml") == []
    assert said('[model]\n_target_ = "os.system"\n', "a.toml")


@pytest.mark.parametrize(("path", "text"), [
    ("a.json", "{"), ("a.json", '{"a": 1, "a": 2}'), ("a.toml", "= 1"), ("a.json", "[" * 100_000), ("a.json", '{"a":' * 500 + "1" + "}" * 500),
])  # fmt: skip
def test_what_does_not_parse_is_unproven(path: str, text: str) -> None:
    with pytest.raises(Malformed) as seen:
        settings.read(path, text.encode())
    assert seen.value.answer == "unproven"


@given(st.sampled_from(["a.yaml", "a.json", "a.toml"]), st.text(max_size=400) | st.binary(max_size=200))
def test_no_text_makes_it_stumble(path: str, text: str | bytes) -> None:
    try:
        settings.read(path, text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    except Malformed as error:
        assert error.answer == "unproven"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "lr"]), inner, max_size=3), max_leaves=12,
))  # fmt: skip
def test_json_read_as_yaml_says_the_same(value: object) -> None:
    """YAML 1.2 is a superset of JSON: nothing dangerous in, nothing found by either reader."""
    text = json.dumps(value)
    assert said(text, "a.json") == said(text, "a.yaml") == []
