"""The evaluator of rules: CEL's specification case by case, beside an engine of other people's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import cel
import pytest

from countermark.errors import PolicyRefused
from countermark.policy._parse import parse
from countermark.policy._run import WRONG, build

ENV: dict[str, Any] = {
    "a": {"b": 1, "l": [1, 2, "x"], "s": "äb", "f": 1.5, "n": None, "t": True, "m": {"k": [1]}}, "l": [3, 1, 2], "e": [],
}  # fmt: skip
WRONG_ONE = "error"

ALIKE: list[tuple[str, Any]] = [
    ("1 == 1.0", True), ("1 < 1.5", True), ("1 + 1.0", WRONG_ONE), ("1 == 'a'", False), ("'a' < 1", WRONG_ONE),
    ("1 / 0", WRONG_ONE), ("1 % 0", WRONG_ONE), ("-7 / 2", -3), ("-7 % 2", -1), ("7 / -2", -3), ("7 % -2", 1),
    ("7.0 / 0.0", float("inf")), ("9223372036854775807 + 1", WRONG_ONE), ("0.1 + 0.2", 0.1 + 0.2),
    ("-9223372036854775807 - 2", WRONG_ONE), ("9223372036854775807 * 2", WRONG_ONE),
    ("a.zz", WRONG_ONE), ("a['zz']", WRONG_ONE), ("has(a.zz)", False), ("has(a.b)", True), ("has(a.b.c)", WRONG_ONE),
    ("a.l[5]", WRONG_ONE), ("a.l[-1]", WRONG_ONE), ("a.l[1.0]", WRONG_ONE), ("a.b[0]", WRONG_ONE), ("l[0]", 3),
    ("a.zz == 1 || true", True), ("true || a.zz == 1", True), ("a.zz == 1 && false", False), ("false && a.zz", False),
    ("1 && true", WRONG_ONE), ("true && 1", WRONG_ONE), ("'x' || true", True), ("a.zz || false", WRONG_ONE),
    ("!1", WRONG_ONE), ("-'a'", WRONG_ONE), ("-a.b", -1), ("-a.f", -1.5), ("a.t ? 1 : a.zz", 1), ("1 ? 2 : 3", WRONG_ONE),
    ("size(a.m)", 1), ("size(1)", WRONG_ONE), ("a.s.startsWith('ä')", True), ("a.s.endsWith('b')", True),
    ("a.l.contains(1)", WRONG_ONE), ("'abc'.contains('b')", True), ("'abc'.contains(1)", WRONG_ONE),
    ("'x' in a.l", True), ("1.0 in a.l", True), ("'b' in a", True), ("'a' in 'abc'", WRONG_ONE), ("true in [1]", False),
    ("l.all(x, x > 0)", True), ("l.exists(x, x.y || x == 3)", True), ("l.all(x, x.y)", WRONG_ONE),
    ("l.all(x, x.y || x == 3)", WRONG_ONE), ("l.all(x, x.y && x == 0)", False), ("e.all(x, x.y)", True),
    ("l.exists_one(x, x == 3)", True), ("l.exists_one(x, x.y)", WRONG_ONE), ("l.exists(x, x == 9)", False),
    ("l.map(x, x * 2)", [6, 2, 4]), ("l.map(x, x > 1, x * 2)", [6, 4]), ("l.filter(x, x > 1)", [3, 2]),
    ("a.m.all(k, k == 'k')", True), ("a.m.map(k, a.m[k])", [[1]]), ("a.b.all(x, true)", WRONG_ONE),
    ("l.all(l, l > 0) && l == [3, 1, 2]", True), ("l.map(x, l.map(x, x)) == [l, l, l]", True),
    ("int('12')", 12), ("int(' 12')", WRONG_ONE), ("int('1.5')", WRONG_ONE), ("int(1.9)", 1), ("int(-1.9)", -1),
    ("int(1e30)", WRONG_ONE), ("double('1.5')", 1.5), ("double(3)", 3.0), ("double('x')", WRONG_ONE),
    ("string(1)", "1"), ("string(1.0)", "1"), ("string(1.5)", "1.5"), ("string('a')", "a"),
    ("timestamp('2026-01-02T03:04:05Z') < timestamp('2027-01-01T00:00:00+01:00')", True),
    ("timestamp('2026-01-01T00:00:00Z') + duration('1h')", datetime(2026, 1, 1, 1, tzinfo=UTC)),
    ("timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z')", timedelta(days=1)),
    ("timestamp('2026-01-01T01:00:00+01:00') == timestamp('2026-01-01T00:00:00Z')", True),
    ("duration('90s') == duration('1m30s')", True), ("duration('-1h') > duration('30m')", False),
    ("timestamp('x')", WRONG_ONE), ("duration('1')", WRONG_ONE), ("timestamp('2026-02-30T00:00:00Z')", WRONG_ONE),
    ("[1, 2] + [3]", [1, 2, 3]), ("[1] == [1.0]", True), ("[1] < [2]", WRONG_ONE), ("'a' + 'b'", "ab"),
    ("'a' * 2", WRONG_ONE), ("null == null", True), ("null == 1", False), ("a.n == null", True), ("null < null", WRONG_ONE),
    ("true < false", False), ("true == 1", False), ("a == a", True), ("'a' <= 'b'", True), ("5 - -3", 8),
    (r"'\x41\n\u00e4\U0001F44D\101\\\''", "A\nä\U0001f44dA\\'"), ("nobody", WRONG_ONE), ("a.t == a.t", True),
]  # fmt: skip

BY_THE_SPECIFICATION: list[tuple[str, Any]] = [
    ("size('👍ä')", 2),  # code points; an engine that counts bytes says 6
    ("9007199254740993 == 9007199254740992.0", False),  # as points of one number line
    ("string(true)", "true"), ("int(timestamp('1970-01-01T00:00:10Z'))", 10),
    ("string(timestamp('2026-01-02T03:04:05Z'))", "2026-01-02T03:04:05Z"), ("-9223372036854775808", -(1 << 63)),
    ("1e400", WRONG_ONE), (r"'\q'", WRONG_ONE), (r"'\ud800'", WRONG_ONE),
    ("has(a)", WRONG_ONE), ("0.0 / 0.0 == 0.0 / 0.0", False),
]  # fmt: skip


def ours(text: str) -> Any:
    node = parse("r", text)
    try:
        return build(node)(ENV)
    except WRONG:
        return WRONG_ONE


@pytest.mark.parametrize(("text", "expected"), ALIKE, ids=[t for t, _ in ALIKE])
def test_the_specification_and_a_foreign_engine(text: str, expected: Any) -> None:
    value = ours(text)
    assert value == expected and type(value) is type(expected)
    try:
        theirs = cel.evaluate(text, ENV)
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError):
        theirs = WRONG_ONE
    assert theirs == expected


@pytest.mark.parametrize(("text", "expected"), BY_THE_SPECIFICATION, ids=[t for t, _ in BY_THE_SPECIFICATION])
def test_the_specification_where_that_engine_differs(text: str, expected: Any) -> None:
    value = ours(text)
    assert value == expected and type(value) is type(expected)


def test_a_loop_leaves_the_evidence_as_it_was() -> None:
    before = repr(ENV)
    assert ours("l.exists(a, a == 2) && a.b == 1") is True
    assert repr(ENV) == before


@pytest.mark.parametrize("text", ["9223372036854775808", "1 - 9223372036854775808", "-9223372036854775809", "9" * 40])
def test_numbers_that_64_bits_do_not_hold_are_no_rule(text: str) -> None:
    with pytest.raises(PolicyRefused, match="64 bits do not hold"):
        parse("r", text)
