"""Deny by default: whatever single thing is taken out of good evidence, either it is only told, or it refuses."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import cel
import pytest
from core_evidence import NOW, good
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from countermark.errors import PolicyRefused, StatementRefused
from countermark.policy import _bounds
from countermark.policy._cel import evaluate_one, evaluate_rule
from countermark.policy._parse import conjuncts, parse
from countermark.policy._run import build
from countermark.policy.document import Policy
from countermark.policy.evaluate import evaluate

POLICY = Policy.from_bytes((files("countermark.policy") / "default.toml").read_bytes())
SMALL = good(3, (2, 3))
ONLY_TOLD = re.compile(
    r"project\.(name|fingerprint|trust_version)|project\.parties\.\d+\.(name|organisation)|subject\.name"
    r"|.*\.(time|time_kind|classes|reasons|seed|abstained|cells|named|features|flagged|dataset|version|code|reason|metrics"
    r"|budget|queries|sequence|probe|recipe|environment|next_update|tree_size|rule|severity|confidence|what|why|fix"
    r"|cannotTell|exhibits|label|supplier|check|low|high|unit|bytes|format|path|answer|files)(\..*)?"
    r"|deliveries\.\d+\.(digest|rows)|deliveries\.[345](\..*)?|screening\.rows|revocations(\..*)?|ledger\.(origin|root)"
    r"|not_looked_at(\..*)?|admitted_dataset|set_aside(\..*)?|accepted|approvals\.0\.(party|roles(\..*)?)|training\.inputs(\..*)?"
    r"|(screening|inspection)\.checks\..*\.measures(\..*)?|trials\..*\.measures\..*"
    r"|inspection\.checks\.model/(code|config|external-data|npy|onnx|pickle|safetensors)"
    r"|project\.parties\.\d+(\..*)?|screening\.checks\..*\.findings\.\d+\.where\.(supplier|rows\.\d+)"
)
TELLING = re.compile(r"deliveries\.[0-2]\.supplier|training\.dataset|training\.inputs")
"""Below `ONLY_TOLD` by their name, but asked for."""


def here(rules: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
    return {name: evaluate_rule(text, variables) for name, text in rules.items()}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*at, step)
        yield from paths(inner, (*at, step))


def without(evidence: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    out = copy.deepcopy(evidence)
    at: Any = out
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return out


def admitted(evidence: dict[str, Any]) -> bool:
    try:
        return evaluate(POLICY, evidence, NOW, here).admitted
    except StatementRefused:
        return False


def thinned(evidence: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Every path, with only the first two rows and the first parties: the others are alike."""
    skip = re.compile(r"parties\.(1\d|[2-9]\d)|(rows|set_aside|flagged)\.[2-9]")
    names = [(p, ".".join(map(str, p))) for p in paths(evidence)]
    return [p for p, n in names if not skip.search(n)]


LISTED = thinned(SMALL)


@pytest.mark.parametrize("root", sorted(SMALL))
def test_every_single_thing_that_is_asked_for_refuses_where_it_is_missing(root: str) -> None:
    wrong = []
    for path in (p for p in LISTED if p[0] == root):
        name = ".".join(map(str, path))
        told = bool(ONLY_TOLD.fullmatch(name)) and not TELLING.fullmatch(name)
        if admitted(without(SMALL, path)) and not told:
            wrong.append(name)
    assert not wrong


def test_all_of_the_evidence_is_walked() -> None:
    assert admitted(SMALL)
    assert len(LISTED) > 400


def test_taking_out_what_is_asked_for_is_never_only_told() -> None:
    """The list above is not a hiding place: what the rules of step 8 name is not on it."""
    for name in ("screening", "training", "inspection", "trials", "approvals", "ledger", "quarantines", "deliveries.0.receipt",
                 "training.receipt", "training.hermetic", "trials.evasion/square.completed", "inspection.checks.model/files",
                 "deliveries.0.signature", "deliveries.0.in_scope", "approvals.0.training"):  # fmt: skip
        assert not ONLY_TOLD.fullmatch(name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(LISTED), VALUES)
def test_no_replaced_value_crashes_or_admits_what_was_refused(path: tuple[Any, ...], value: Any) -> None:
    """Good evidence made bad in one place stays refused, whatever else is replaced by whatever."""
    evidence = copy.deepcopy(SMALL)
    evidence["approvals"][0]["training"] = "nothing"
    at: Any = evidence
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    try:
        verdict = evaluate(POLICY, evidence, NOW, here)
    except StatementRefused:
        return
    assert not verdict.admitted


RULES = st.recursive(
    st.sampled_from(["a", "b", "l", "m", "1", "2", "true", "false", "null", "'x'", "[1, 2]", "[]", "l[0]", "m.k", "size(l)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["==", "!=", "<", "&&", "||", "+", "-", "*", "%", "in", ">="]), inner).map(" ".join),
        inner.map(lambda x: f"({x})"), inner.map(lambda x: f"!({x})"), inner.map(lambda x: f"-({x})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? ({t[1]}) : ({t[2]})"),
        st.tuples(st.sampled_from(["all", "exists", "map", "filter", "exists_one"]), inner, inner).map(
            lambda t: f"({t[1]}).{t[0]}(v, {t[2]} == v)"),
        inner.map(lambda x: f"[{x}, {x}]"), inner.map(lambda x: f"({x})[0]"), inner.map(lambda x: f"({x}).k"),
    ),
    max_leaves=8,
)  # fmt: skip
VARIABLES: dict[str, Any] = {"a": True, "b": 2, "l": [1, 2, 3], "m": {"k": [1, "x"]}}


@settings(max_examples=300, deadline=None)
@given(RULES)
def test_what_our_parser_takes_the_engine_takes_too(text: str) -> None:
    try:
        node = parse("r", text)
    except PolicyRefused:
        return
    cel.compile(text)
    assert [parse("r", part) for part in conjuncts("r", text)]
    assert evaluate_one(text, VARIABLES) is not True or all(
        evaluate_one(c, VARIABLES) is True for c in conjuncts("r", text)
    )
    assert _bounds.check("r", node, _bounds.sizes(VARIABLES)).work >= 1


def outcome(run: Callable[[], Any]) -> tuple[str, Any]:
    """Type and value, or that it is an error."""
    try:
        value = run()
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError):
        return "error", None
    return type(value).__name__, value


@settings(max_examples=1500, deadline=None)
@given(RULES)
def test_our_evaluator_agrees_with_a_foreign_engine(text: str) -> None:
    assume("-(" not in text)  # that engine negates a bool, for which CEL has no "-"
    try:
        node = parse("r", text)
    except PolicyRefused:
        return
    ours, theirs = outcome(lambda: build(node)(VARIABLES)), outcome(lambda: cel.evaluate(text, VARIABLES))
    assume(ours[0] != "error" or "+" not in text or "m" not in text)  # that engine adds a map's keys to a list
    assert ours == theirs, text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ad.l(),[]'\"=&|!+-x1 \n"), max_size=40) | st.text(max_size=40))
def test_no_text_crashes_the_parser(text: str) -> None:
    try:
        parse("r", text)
    except PolicyRefused:
        return
    try:
        cel.compile(text)
    except ValueError as error:  # our parser must never be laxer than the engine
        raise AssertionError(f"taken by the parser, not by the engine: {text!r}") from error


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_crash_the_policy_reader(data: bytes) -> None:
    try:
        Policy.from_bytes(data)
    except PolicyRefused:
        return
    raise AssertionError("random bytes became a policy")
