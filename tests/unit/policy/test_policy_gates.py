"""Only what passed admits; each missing or falsified piece of evidence is refused by the rule that asks for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from core_evidence import BACKDOOR, NOW, good, item, measure, sha, waiver

from countermark.errors import FormatRefused, StatementRefused
from countermark.policy._cel import evaluate_rule
from countermark.policy.document import Policy
from countermark.policy.evaluate import evaluate
from countermark.policy.gates import out_of_the_data, set_aside
from countermark.policy.verdict import Verdict, explain

POLICY = Policy.from_bytes((files("countermark.policy") / "default.toml").read_bytes())
Evidence = dict[str, Any]


def here(rules: dict[str, str], variables: Evidence) -> dict[str, Any]:
    """The evaluator, in this process: the child runs the same function."""
    return {name: evaluate_rule(text, variables) for name, text in rules.items()}


def judged(evidence: Evidence) -> Verdict:
    return evaluate(POLICY, evidence, NOW, here)


def failing(evidence: Evidence) -> dict[str, str]:
    return {r.id: r.reason for r in judged(evidence).rulings if not r.ok}


def test_good_evidence_is_admitted_unwitnessed() -> None:
    verdict = judged(good())
    assert verdict.headline == "admitted, unwitnessed"
    assert verdict.to_json()["verdict"] == "admitted"
    assert {r.reason for r in verdict.rulings} == {"holds"}


def test_judging_is_pure() -> None:
    evidence = good()
    before = copy.deepcopy(evidence)
    assert judged(evidence).to_json() == judged(evidence).to_json()
    assert evidence == before


def change(path: str, value: Any) -> Callable[[Evidence], None]:
    def apply(evidence: Evidence) -> None:
        at: Any = evidence
        *parents, last = path.split(".")
        for name in parents:
            at = at[int(name) if isinstance(at, list) else name]
        at[int(last) if isinstance(at, list) else last] = value

    apply.__name__ = f"{path}={value!r:.40}"
    return apply


FALSIFIED: list[tuple[Callable[[Evidence], None], str]] = [
    (change("deliveries", []), "deliveries-in-scope"),
    (change("deliveries.5.in_scope", False), "deliveries-in-scope"),
    (change("deliveries.5.signature", "refused"), "signed/deliveries"),
    (change("deliveries.5.signer", "plant"), "signed/deliveries"),
    (change("deliveries.5.signer", "ambrosk-works"), "signed/deliveries"),
    (change("deliveries.5.receipt", None), "signed/deliveries"),
    (change("deliveries.5.receipt", {"index": 92, "size": 92}), "signed/deliveries"),
    (change("deliveries.5.receipt", {"index": 5, "size": 93}), "signed/deliveries"),
    (change("deliveries.5.statement", sha("another")), "screening-complete"),
    (change("deliveries.36.state", "admitted"), "signed/deliveries"),
    (change("deliveries.37.state", "admitted"), "deliveries-in-scope"),
    (change("screening", None), "screening-complete"),
    (change("screening.receipt", None), "signed/screening"),
    (change("screening.signer", "reviewer"), "signed/screening"),
    (change("screening.deliveries", []), "screening-complete"),
    (change("screening.deliveries.0", sha("nobody's")), "screening-complete"),
    (change("screening.checks", {}), "data/label-errors"),
    (change("screening.checks.data/contract", None), "data/contract"),
    (change("screening.checks.data/contract.outcome", "skipped"), "data/contract"),
    (change("screening.checks.data/contract.outcome", "failed"), "data/contract"),
    (change("screening.checks.data/contract.outcome", "PASSED"), "data/contract"),
    (change("screening.checks.data/contract.outcome", "found"), "data/contract"),
    (change("screening.checks.data/new-check", {"outcome": "failed"}), "data/new-check"),
    (change("quarantines", []), "data/recurring-patch"),
    (change("quarantines.0.rows.0", "elsewhere"), "data/label-errors"),
    (change("quarantines.0.signer", BACKDOOR), "signed/quarantines"),
    (change("quarantines.0.receipt", None), "signed/quarantines"),
    (change("training", None), "trained-from-admitted-rows"),
    (change("training.signer", "reviewer"), "signed/training"),
    (change("training.receipt", None), "signed/training"),
    (change("training.dataset", sha("more rows")), "trained-from-admitted-rows"),
    (change("training.output", sha("another model")), "trained-from-admitted-rows"),
    (change("training.inputs.extra", sha("more data")), "trained-from-admitted-rows"),
    (change("training.hermetic.level", "not hermetic"), "training/hermetic"),
    (change("training.hermetic", {}), "training/hermetic"),
    (change("subject.digest", sha("swapped")), "trained-from-admitted-rows"),
    (change("inspection", None), "model/coverage"),
    (change("inspection.signer", "trainer"), "signed/inspection"),
    (change("inspection.receipt", None), "signed/inspection"),
    (change("inspection.checks.model/pickle.outcome", "found"), "model/pickle"),
    (change("inspection.checks.model/coverage.outcome", "skipped"), "model/coverage"),
    (change("trials", {}), "evasion/square"),
    (change("trials.evasion/square.completed", False), "evasion/square"),
    (change("trials.evasion/square.completed", 1), "evasion/square"),
    (change("trials.evasion/square.outcome", "skipped"), "evasion/square"),
    (change("trials.evasion/square.measures", []), "evasion/square"),
    (change("trials.evasion/square.receipt", None), "signed/trials"),
    (change("trials.evasion/square.signer", "trainer"), "signed/trials"),
    (change("trials.stealing/extraction.measures.1.value", 0.95), "stealing/extraction"),
    (change("trials.stealing/extraction.measures.1.value", True), "stealing/extraction"),
    (change("trials.stealing/extraction.measures.0.name", "fidelity, full scores, 300 queries"), "stealing/extraction"),
    (change("approvals", []), "approved-by-reviewer"),
    (change("approvals.0.signer", "trainer"), "approved-by-reviewer"),
    (change("approvals.0.signer", "operator"), "signed/approvals"),
    (change("approvals.0.of", sha("another")), "approved-by-reviewer"),
    (change("approvals.0.training", sha("another")), "approved-by-reviewer"),
    (change("approvals.0.receipt", None), "signed/approvals"),
    (change("project.parties", []), "signed/training"),
    (change("project.quorum", "2 of 3"), "ledger/quorum"),
    (change("project.quorum", ""), "ledger/quorum"),
]  # fmt: skip


@pytest.mark.parametrize(("falsify", "rule"), FALSIFIED, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_falsified_evidence_is_refused_by_the_rule_that_asks(falsify: Callable[[Evidence], None], rule: str) -> None:
    evidence = good()
    falsify(evidence)
    assert rule in failing(evidence)
    assert judged(evidence).headline == "refused, unwitnessed"


@pytest.mark.parametrize(
    "name", [n for n in good() if n not in ("format", "admitted_dataset", "set_aside", "accepted")]
)
def test_a_missing_root_is_no_evidence(name: str) -> None:
    evidence = good()
    del evidence[name]
    with pytest.raises(StatementRefused, match=name):
        judged(evidence)


@pytest.mark.parametrize(
    ("name", "value"),
    [("format", 2), ("deliveries", {}), ("deliveries", [1]), ("screening", []), ("trials", {"x": 1}), ("subject", {}),
     ("ledger", {"witnessed": 1}), ("training", "x")],
)  # fmt: skip
def test_evidence_of_another_shape_is_refused(name: str, value: Any) -> None:
    with pytest.raises(StatementRefused):
        judged(good() | {name: value})


def test_a_row_let_through_by_a_person_needs_a_waiver() -> None:
    evidence = good()
    row = evidence["set_aside"][-1]
    decided = item("decision", "manufacturer", 84) | {"row": row, "action": "accept", "label": None}
    evidence["decisions"] = [decided]
    flagged = {r.id for r in judged(evidence).rulings if not r.ok}
    assert len(flagged) == 1
    evidence["decisions"].append(decided | {"action": "reject", "receipt": {"index": 85, "size": 92}})
    assert judged(evidence).admitted


def test_a_decision_by_somebody_else_does_not_count() -> None:
    evidence = good()
    evidence["quarantines"][0]["rows"].pop()
    row = evidence["set_aside"][-1]
    evidence["decisions"] = [item("d", BACKDOOR, 84) | {"row": row, "action": "reject", "label": None}]
    assert failing(evidence) == {"signed/decisions": "signer"}


def test_a_finding_without_rows_cannot_be_set_aside() -> None:
    evidence = good()
    del evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["where"]["rows"]
    assert failing(evidence) == {"data/recurring-patch": "found"}


def test_what_was_never_entered_is_called_missing_and_not_an_error_of_the_rule() -> None:
    evidence = good()
    evidence["training"] = None
    ruling = next(r for r in judged(evidence).rulings if r.id == "training/hermetic")
    assert (ruling.reason, ruling.missing) == ("missing", "the ledger shows no training of this model")
    assert ruling.mend.startswith("enter the signed statement (`countermark ledger add`)")


def test_a_finding_without_rows_is_not_sent_to_quarantine() -> None:
    evidence = good()
    bare = {"check": "data/contract", "where": {"rows": []}}
    evidence["screening"]["checks"]["data/contract"] = {"outcome": "found", "findings": [bare]}
    ruling = next(r for r in judged(evidence).rulings if r.id == "data/contract")
    assert ruling.reason == "found" and "quarantine" not in ruling.mend and "waive" in ruling.mend


def test_a_relabelled_row_is_dealt_with_and_still_in_the_data() -> None:
    rows = ["d/a/1.png", "d/a/2.png", "d/a/3.png"]
    newest = [("d/a/1.png", "relabel", 9), ("d/a/2.png", "accept", 8), ("d/a/2.png", "reject", 9)]
    decisions = [{"row": r, "action": a, "receipt": {"index": i}} for r, a, i in newest]
    evidence = {"quarantines": [{"rows": rows}, {"rows": rows}], "decisions": decisions}
    assert out_of_the_data(evidence) == set(rows[1:])
    assert set_aside(evidence) == set(rows)


def test_a_measured_value_within_its_bound_admits_and_the_ends_count() -> None:
    evidence = good()
    measures = evidence["trials"]["stealing/extraction"]["measures"]
    measures[1] = measure("fidelity, full scores, 300 queries", 0.9)
    assert judged(evidence).admitted
    measures[1]["value"] = 0.9000001
    assert failing(evidence) == {"stealing/extraction": "bound"}
    over = next(r for r in judged(evidence).rulings if r.id == "stealing/extraction")
    assert "harden the model" in over.mend and "countermark trial" not in over.mend


def test_a_waiver_lifts_a_check_and_shows() -> None:
    evidence = good()
    evidence["training"]["hermetic"] = {"level": "not hermetic", "reason": "no bubblewrap here", "probe": {}}
    assert failing(evidence) == {"training/hermetic": "false"}
    evidence["waivers"] = [waiver("training/hermetic")]
    verdict = judged(evidence)
    assert verdict.admitted
    told = next(r for r in verdict.rulings if r.id == "training/hermetic")
    assert told.waived and told.waived["party"] == "risk-office" and told.missing
    assert sha("waiver training/hermetic") in told.evidence
    assert "waived by risk-office until 2026-12-23" in explain(verdict)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": sha("another model")},
        {"until": "2026-11-24T12:00:00Z"},
        {"until": "2027-02-22T09:15:00Z"},
        {"until": "tomorrow"},
        {"until": "2026-12-01"},
        {"time": "2026-11-25T00:00:00Z"},
        {"time": ""},
        {"signer": "trainer", "party": "trainer"},
        {"signer": "reviewer", "party": "reviewer"},
        {"signer": "operator", "party": "operator"},
        {"signer": "operator"},
        {"receipt": None},
        {"check": "training/*"},
    ],
    ids=str,
)
def test_a_waiver_that_does_not_count_lifts_nothing(changes: Evidence) -> None:
    evidence = good()
    evidence["training"]["hermetic"]["level"] = "not hermetic"
    evidence["waivers"] = [waiver("training/hermetic") | changes]
    assert failing(evidence) == {"training/hermetic": "false"}


@pytest.mark.parametrize("party", ["trainer", "reviewer"])
def test_a_waiver_by_the_trainer_or_an_approver_never_counts_whatever_its_roles(party: str) -> None:
    evidence = good()
    for each in evidence["project"]["parties"]:
        each["roles"] = ["risk-owner", *each["roles"]]
    evidence["training"]["hermetic"]["level"] = "not hermetic"
    evidence["waivers"] = [waiver("training/hermetic") | {"signer": party, "party": party}]
    assert failing(evidence) == {"training/hermetic": "false"}


@pytest.mark.parametrize(
    ("falsify", "rule"),
    [
        (change("deliveries.5.signature", "refused"), "signed/deliveries"),
        (change("training.receipt", None), "signed/training"),
        (change("project.quorum", "2 of 3"), "ledger/quorum"),
        (change("training.dataset", sha("more rows")), "trained-from-admitted-rows"),
        (change("approvals", []), "approved-by-reviewer"),
    ],
)
def test_signature_trust_receipt_and_quorum_are_never_waived(falsify: Callable[[Evidence], None], rule: str) -> None:
    evidence = good()
    falsify(evidence)
    evidence["waivers"] = [waiver(rule)]
    assert rule in failing(evidence)


def test_a_data_check_may_be_waived_for_the_dataset_it_looked_at() -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/contract"] = {"outcome": "skipped", "reason": "no contract was given"}
    assert failing(evidence) == {"data/contract": "skipped"}
    evidence["waivers"] = [waiver("data/contract", subject=sha("screened rows"))]
    assert judged(evidence).admitted
    evidence["waivers"] = [waiver("model/coverage", subject=sha("screened rows"))]
    evidence["inspection"]["checks"]["model/coverage"] = {"outcome": "skipped", "reason": "too large"}
    assert "model/coverage" in failing(evidence)


def test_an_evaluator_that_was_killed_refuses_every_rule_with_the_reason() -> None:
    def killed(_rules: dict[str, str], _variables: Evidence) -> dict[str, Any]:
        raise FormatRefused("the child crossed its limit of 10 s")

    verdict = evaluate(POLICY, good(), NOW, killed)
    rules = {r.id for r in POLICY.rules}
    assert {r.id for r in verdict.rulings if r.reason == "limit"} == rules
    assert not verdict.admitted


def test_an_evaluator_that_answers_otherwise_refuses() -> None:
    for answer in (1, "true", None, [], "KeyError: 'x'"):
        verdict = evaluate(POLICY, good(), NOW, lambda rules, _v, a=answer: dict.fromkeys(rules, a))
        assert not verdict.admitted
    assert not evaluate(POLICY, good(), NOW, lambda _r, _v: {}).admitted


def test_a_rule_too_costly_for_this_evidence_is_refused_and_not_evaluated() -> None:
    evidence = good()
    evidence["screening"]["deliveries"] = [sha(str(i)) for i in range(40_000)]
    seen: list[str] = []

    def watched(rules: dict[str, str], variables: Evidence) -> dict[str, Any]:
        seen.extend(rules)
        return here(rules, variables)

    verdict = evaluate(POLICY, evidence, NOW, watched)
    assert "screening-complete" not in seen
    assert {r.id: r.reason for r in verdict.rulings}["screening-complete"] == "limit"


def test_explain_tells_what_fails_first_and_hides_no_text_in_the_terminal() -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/contract"] = {
        "outcome": "failed",
        "error": "\x1b[2Jadmitted\u202e\n\nadmitted",
    }
    told = explain(judged(evidence))
    lines = told.splitlines()
    assert lines[0].startswith("refused, unwitnessed")
    assert lines[1].startswith("FAILS")
    assert "data/contract" in lines[1]
    assert "\x1b" not in told and "\u202e" not in told
    assert "fix:" in told and "1 fail" in lines[-1]


def test_the_part_that_does_not_hold_is_named() -> None:
    evidence = good()
    evidence["training"]["dataset"] = sha("more rows")
    told = {r.id: r.missing for r in judged(evidence).rulings}["trained-from-admitted-rows"]
    assert told == "the evidence does not show that training.dataset == training.admitted_dataset"


@pytest.mark.parametrize(
    ("severity", "held"), [("info", False), ("low", False), ("medium", True), ("critical", True), ("", True)]
)
def test_findings_that_only_tell_hold_nothing_back_and_others_do(severity: str, held: bool) -> None:
    evidence = good()
    finding = {"severity": severity, "where": {"rows": ["a row that is still in"]}}
    evidence["screening"]["checks"]["data/drift"] = {"outcome": "found", "findings": [finding]}
    assert failing(evidence) == ({"data/drift": "found"} if held else {})


def test_found_without_a_finding_is_no_low_finding() -> None:
    evidence = good()
    evidence["screening"]["checks"]["data/drift"] = {"outcome": "found", "findings": []}
    assert failing(evidence) == {"data/drift": "found"}


def test_low_findings_of_checks_that_the_policy_names_hold_back() -> None:
    evidence = good()
    finding = {"severity": "low", "where": {"rows": ["a row that is still in"]}}
    evidence["screening"]["checks"]["data/duplicates"] = {"outcome": "found", "findings": [finding]}
    assert failing(evidence) == {"data/duplicates": "found"}
