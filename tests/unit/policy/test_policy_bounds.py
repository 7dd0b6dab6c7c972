"""Rules end: their cost is known before they run, and the child is killed where that were wrong."""

from __future__ import annotations

import time
from typing import Any

import cel
import pytest
from core_evidence import good

from countermark.errors import PolicyRefused
from countermark.policy import _bounds
from countermark.policy._cel import evaluate_one
from countermark.policy._parse import MAX_LOOP_DEPTH, parse, roots
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import run_task


def steps(text: str, evidence: dict[str, Any]) -> int:
    return _bounds.check("r", parse("r", text), _bounds.sizes(evidence))


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
    began = time.perf_counter()
    with pytest.raises(PolicyRefused, match="steps on this evidence"):
        steps(text, evidence)
    assert time.perf_counter() - began < 1.0


def test_the_bound_is_above_what_a_rule_takes() -> None:
    """36 deliveries, each compared with 36 statements: more than 36 x 36 steps, and far below the limit."""
    cost = steps("deliveries.all(d, screening.deliveries.exists(s, s == d.statement))", good())
    assert 36 * 36 < cost < 36 * 36 * 20


def test_lists_that_rules_build_are_counted() -> None:
    cost = steps("[[1, 2, 3], [4]].all(a, a.all(b, b > 0))", {})
    assert cost >= 2 * 3


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
    with pytest.raises(PolicyRefused, match="steps"):
        steps(bomb, evidence)
    request = {"rules": {"bomb": bomb}, "variables": evidence}
    limits = Limits(memory_bytes=512 << 20, cpu_seconds=1, wall_seconds=2.0)
    began = time.perf_counter()
    with pytest.raises((BudgetExceeded, ChildFailed)):
        run_task("countermark.policy._cel:evaluate_task", request, limits=limits)
    assert time.perf_counter() - began < 30


def test_the_depth_is_what_the_design_says() -> None:
    assert MAX_LOOP_DEPTH == 2
    assert _bounds.MAX_STEPS == 10**6
