"""Statements: what a context binds, and which predicates are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from countermark.errors import StatementRefused
from countermark.passport.slip import context_of
from countermark.statement.predicates.acts import Approval, Revocations, Successor, Waiver
from countermark.statement.predicates.canary import CanaryTest
from countermark.statement.predicates.checked import Checked
from countermark.statement.predicates.delivery import Canaries, Delivery
from countermark.statement.predicates.fingerprint import Accused, FingerprintTrace
from countermark.statement.predicates.reception import Reception
from countermark.statement.predicates.rows import Decision, Quarantine
from countermark.statement.predicates.verdict import VerdictStatement
from countermark.statement.statement import Context, Statement, predicate_type

CONTEXT = Context("a" * 64, "acme", "2026-11-23T10:00:00Z", 3, "b" * 64)
VERDICT = {
    "format": 1, "verdict": "admitted", "subject": "1" * 64, "evidence": "2" * 64,
    "policy": {"name": "default", "digest": "3" * 64}, "rules": [{"id": "in-scope", "ok": True, "waived": None}],
}  # fmt: skip
PREDICATES: list[Any] = [
    Delivery(CONTEXT, "metadata", {"nut": 3}, 10, None),
    Delivery(CONTEXT, "metadata", {"nut": 3}, 10, None, {"exif": 1}, Canaries(4, "7" * 64)),
    FingerprintTrace(
        CONTEXT,
        (Accused("plant-18", 69.1, -640.2),),
        3,
        "d" * 64,
        1e-6,
        5.6,
        0.03,
        "b" * 64,
        "c" * 64,
        1.0,
        ("a: not there",),
        ("who",),
    ),
    CanaryTest(CONTEXT, 1e-9, 1.0, 1e-3, 50, 40, 38, 2, "d" * 64, "c" * 64, False, ("how",)),
    Reception(CONTEXT, "c" * 64, "refused", ("why",), 3),
    Quarantine(CONTEXT, ("x/1",), "poisoned", None),
    Decision(CONTEXT, ("x/1",), "relabel", "nut"),
    Approval(CONTEXT, "d" * 64, "seen\nand read"),
    Waiver(CONTEXT, "data/label-flip", "2026-12-01T00:00:00Z", "known"),
    Revocations(CONTEXT, 7, "e" * 64, 1, (1, 2), "2026-12-01T00:00:00Z"),
    Revocations(CONTEXT, 7, "e" * 64, 1, (1,), "2026-12-01T00:00:00Z", (Successor(1, "f" * 64, "a" * 64),)),
    Revocations(CONTEXT, 7, "e" * 64, 1, (1,), "2026-12-01T00:00:00Z", statements=("b" * 64,)),
    Checked(CONTEXT, {"data/contract": {"outcome": "passed"}}, {"rows": 3}),
    VerdictStatement(CONTEXT, VERDICT, ("f" * 64,), ()),
]


@pytest.mark.parametrize("said", PREDICATES, ids=lambda p: type(p).__name__)
def test_predicates_survive_the_way_to_signed_bytes_and_back(said: Any) -> None:
    statement = Statement("parts", "9" * 64, predicate_type("x"), said.to_json(), (("file", "8" * 64),))
    again = Statement.from_bytes(statement.to_bytes())
    assert again == statement
    assert type(said).from_json(again.predicate) == said
    assert context_of(again) == CONTEXT


@pytest.mark.parametrize("said", PREDICATES, ids=lambda p: type(p).__name__)
def test_predicates_refuse_missing_unknown_and_mistyped_fields(said: Any) -> None:
    value = said.to_json()
    with pytest.raises(StatementRefused, match="unknown field"):
        type(said).from_json(value | {"more": 1})
    for field in value:
        with pytest.raises(StatementRefused):
            type(said).from_json(value | {field: object()})
    with pytest.raises(StatementRefused, match="missing"):
        type(said).from_json({})
    with pytest.raises(StatementRefused):
        type(said).from_json([])


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"}, {"_type": 1}, {"subject": []}, {"subject": {}}, {"subject": [1]},
        {"subject": [{"name": "a", "digest": {}}]}, {"subject": [{"name": "a", "digest": {"sha256": "0" * 64}}]},
        {"subject": [{"name": "a", "digest": {"cmTreeV1": "0" * 63}}]},
        {"subject": [{"name": "a", "digest": {"cmTreeV1": "0" * 64}, "uri": "x"}]},
        {"subject": [{"name": "a", "digest": {"cmTreeV1": "0" * 64}}] * 1025},
        {"subject": [{"name": "a\x07", "digest": {"cmTreeV1": "0" * 64}}]},
        {"predicateType": None}, {"predicate": []}, {"more": 1},
    ],
    ids=range(14),
)  # fmt: skip
def test_malformed_statements_are_refused(change: dict[str, object]) -> None:
    value = json.loads(Statement("parts", "9" * 64, "t", {"context": CONTEXT.to_json()}).to_bytes()) | change
    with pytest.raises(StatementRefused):
        Statement.from_bytes(json.dumps(value).encode())


@pytest.mark.parametrize(
    "change",
    [{"project": "A" * 64}, {"sequence": -1}, {"sequence": 1.0}, {"previous": "x"}, {"addressee": "x" * 65}, {"time": 3},
     {"more": 1}],
    ids=str,
)  # fmt: skip
def test_malformed_contexts_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(StatementRefused):
        Context.from_json(CONTEXT.to_json() | change)


def test_a_statement_without_a_context_stands_nowhere() -> None:
    with pytest.raises(StatementRefused):
        context_of(Statement("parts", "9" * 64, "t", {}))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Delivery, {"layout": "odd"}), (Delivery, {"classes": {"nut": 0}}), (Delivery, {"classes": {"n\u202e": 1}}),
        (Delivery, {"canaries": {"pairs": 0, "commitment": "7" * 64}}), (Delivery, {"canaries": {"pairs": 1}}),
        *((FingerprintTrace, change) for change in (
            {"false_accusation": 0}, {"false_accusation": 2}, {"threshold": None}, {"threshold": 70}, {"cannot_tell": []}, {"licensees": 0},
            {"compared": 1.5}, {"named": [{"licensee": "a", "score": 69, "log10_p_bound": -6.1}]}, {"named": [{"licensee": "a"}]},
            {"named": [{"licensee": "a", "score": 69, "log10_p_bound": -60}] * 2},
        )),
        *((CanaryTest, change) for change in (
            {"p": 0}, {"p": 1e-13}, {"p": True}, {"better": 41}, {"decided": 51}, {"p_after_tries": 1e-10}, {"p_after_tries": 0.9}, {"cannot_tell": []}, {"false_alarm": 0.5},
        )),
        (Reception, {"state": "maybe"}), (Decision, {"action": "burn"}), (Decision, {"label": None}),
        (Decision, {"action": "accept"}), (Checked, {"checks": {"c": {"outcome": "fine"}}}), (Checked, {"checks": {"c": 1}}),
        (VerdictStatement, {"verdict": VERDICT | {"verdict": "perhaps"}}),
        (VerdictStatement, {"verdict": VERDICT | {"format": 2}}),
        (VerdictStatement, {"verdict": VERDICT | {"policy": None}}),
        (VerdictStatement, {"verdict": VERDICT | {"rules": [{"id": "in-scope", "ok": False}]}}),
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else str(v),
)  # fmt: skip
def test_words_nobody_knows_are_refused(kind: type, change: dict[str, object]) -> None:
    value = next(p for p in PREDICATES if type(p) is kind).to_json()
    with pytest.raises(StatementRefused):
        kind.from_json(value | change)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rate", "licensees"), [(5e-324, 1000), (1.0, 2**53 - 1)])
def test_a_trace_at_the_ends_of_its_numbers_is_judged(rate: float, licensees: int) -> None:
    said = FingerprintTrace(
        CONTEXT,
        (Accused("plant-18", 69.1, -640.2),),
        licensees,
        "d" * 64,
        rate,
        5.6,
        0.03,
        "b" * 64,
        "c" * 64,
        1.0,
        (),
        ("who",),
    )
    assert FingerprintTrace.from_json(said.to_json()) == said
