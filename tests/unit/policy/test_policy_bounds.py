"""Rules end: their cost is known before they run, and the child is killed where that were wrong."""

from __future__ import annotations

import time
from typing import Any

import cel
import pytest
from core_evidence import POLICY, good

from countermark.errors import PolicyRefused
from countermark.policy import _bounds
from countermark.policy._cel import evaluate_one
from countermark.policy._parse import MAX_LOOP_DEPTH, conjuncts, parse, roots
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import run_task


def steps(text: str, evidence: dict[str, Any]) -> int:
    return _bounds.check("r", parse("r", text), _bounds.sizes(evidence)).turns


@pytest.mark.parametrize(
    "text",
    [
        "deliveries.all(a, deliveries.all(b, deliveries.all(c, true)))",
        "deliveries.map(a, deliveries.map(b, deliveries.map(c, 1))) == []",
        "matches('a', '(a*)*')",
        "'a'.matches('(a*)*')",
        "r'\\' == '.all(x, deliveries.all(y, deliveries.all(z, true)))'",
        "'''a'.all(x, true)'''",
        "b'a' == b'a'",
        "{'a': 1}.all(x, true)",
        "true // deliveries",
        "a" * 2001,
        "(" * 40 + "1" + ")" * 40,
        "project" + ".a" * 500,
        "1" + "+1" * 500,
        "!!true",
        "- -1 == 1",
        "deliveries.all(true)",
        "deliveries.all(1, true)",
        "deliveries.all(in, true)",
        "deliveries.all(i, v, true)",
        "size()",
        "true true",
        "true ||",
        "deliveries[",
        "0x10 == 16",
        "2u == 2u",
        "has(project.name",
        "",
        " ",
        "\x00",
        "`project`.name == 1",
        "project.?name",
        "if == 1",
    ],
)
def test_what_is_outside_the_bounded_part_of_cel_is_refused_before_it_runs(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(PolicyRefused) as refused:
        parse("bomb", text)
    assert time.perf_counter() - began < 0.5
    assert "bomb" in refused.value.what


@pytest.mark.parametrize(
    "text",
    [
        "deliveries.all(a, rows.all(b, true))",
        "rows.all(a, rows.all(b, true))",
        "['a']" + ".map(x, x + x)" * 60 + " == []",
        "[rows].map(x, x + x + x + x).all(x, x.all(y, y in rows))",
        "rows.filter(a, a in rows).size() == 0",
        "rows.exists(r, rows == rows)",
    ],
)
def test_a_rule_that_could_take_too_many_steps_is_refused_on_large_evidence(text: str) -> None:
    evidence = good() | {"rows": [f"row {i}" for i in range(30_000)]}
    began = time.process_time()  # of this process alone: a busy machine changes nothing
    with pytest.raises(PolicyRefused, match="on this evidence"):
        steps(text, evidence)
    assert time.process_time() - began < 3.0


def test_turns_are_the_product_of_the_lengths() -> None:
    """39 deliveries came; a name is as long as its longest list, and 36 screened ones stand under the same name."""
    assert steps("deliveries.all(d, screening.deliveries.exists(s, s == d.statement))", good()) == 39 * 39
    assert steps("deliveries.all(d, true) && deliveries.all(d, true)", good()) == 39 + 39
    assert steps("[[1, 2, 3], [4]].all(a, a.all(b, b > 0))", {}) == 2 * 3


def test_gathering_a_list_costs_its_copies() -> None:
    evidence = good()
    kept = _bounds.check("r", parse("r", "deliveries.filter(d, true).size() > 0"), _bounds.sizes(evidence)).work
    asked = _bounds.check("r", parse("r", "deliveries.exists(d, true)"), _bounds.sizes(evidence)).work
    assert kept > 100 * asked


@pytest.mark.parametrize("size", [250, 900])
def test_the_default_policy_can_judge_hundreds_of_deliveries(size: int) -> None:
    evidence = good(1)
    sample = evidence["deliveries"][0]
    evidence["deliveries"] = [sample | {"statement": f"{i:064x}"} for i in range(size)]
    evidence["screening"]["deliveries"] = [d["statement"] for d in evidence["deliveries"]]
    known = _bounds.sizes(evidence)
    for rule in POLICY.rules:
        _bounds.check(rule.id, rule.parsed, known)
        assert size > 300 or evaluate_one(rule.require, evidence | {"now": ""}) is True, rule.id


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("deliveries.all(d, d.x == training.signer)", {"deliveries", "training"}),
        ("deliveries.all(d, true) && d == 1", {"deliveries", "d"}),
        ("has(training.x) ? now : ledger.origin", {"training", "now", "ledger"}),
        ("d.all(d, d == 1)", {"d"}),
    ],
)
def test_roots_are_what_no_loop_binds(text: str, names: set[str]) -> None:
    assert roots(parse("r", text)) == names


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 * 3 == 7 && !(1 > 2) || false",
        "true ? false : true ? true : false",
        "-1 < 0 && 7 % 4 == 3 && 1.5e3 > 1.0",
        "'it\\'s' == \"it's\" && 'a' in ['a']",
        "[1, 2].map(x, x > 1, x * 2) == [4] && [3].exists_one(x, x == 3)",
        "size('abc') == 3 && 'abc'.startsWith('a') && 'abc'.size() == 3",
        "timestamp(now) + duration('24h') > timestamp('2026-11-24T12:00:00Z')",
        "has(project.name) && !has(project.nothing)",
        "trials['a'].x[0] == 1",
    ],
)
def test_what_the_parser_takes_the_engine_takes(text: str) -> None:
    parse("r", text)
    cel.compile(text)
    variables = {"now": "2026-11-24T12:00:00Z", "project": {"name": "p"}, "trials": {"a": {"x": [1]}}}
    assert isinstance(evaluate_one(text, variables), bool)


def test_a_deep_value_is_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(PolicyRefused, match="nested deeper"):
        _bounds.sizes({"a": deep})


def test_a_rule_that_never_ends_is_killed() -> None:
    """The bound is not all that stands between a rule and the machine: the child has a budget too."""
    evidence = {"rows": list(range(60_000))}
    bomb = "rows.all(a, rows.exists(b, b == a))"
    with pytest.raises(PolicyRefused, match="turns of its loops"):
        steps(bomb, evidence)
    request = {"rules": {"bomb": bomb}, "variables": evidence}
    limits = Limits(memory_bytes=512 << 20, cpu_seconds=1, wall_seconds=2.0)
    began = time.perf_counter()
    with pytest.raises((BudgetExceeded, ChildFailed)):
        run_task("countermark.policy._cel:evaluate_task", request, limits=limits)
    assert time.perf_counter() - began < 30


def test_the_depth_is_what_the_design_says() -> None:
    assert MAX_LOOP_DEPTH == 2
    assert _bounds.MAX_TURNS == 10**6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a == 1", ["a == 1"]),
        ("a == 1 && b == 2", ["a == 1", "b == 2"]),
        (" a && (b && c) && d[e && f] ", ["a", "(b && c)", "d[e && f]"]),
        ("a && b || c", ["a && b || c"]),
        ("a && b ? c : d", ["a && b ? c : d"]),
        ("a == '&&' && l.all(x, x && '(' == '(')", ["a == '&&'", "l.all(x, x && '(' == '(')"]),
        ("'&&' in a", ["'&&' in a"]),
    ],
)
def test_conjuncts_are_the_parts_as_written(text: str, parts: list[str]) -> None:
    assert conjuncts("r", text) == parts
