"""Nothing is shown that no statement shows; what is taken out of the evidence is not shown any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from core_evidence import good, judged, sha, waiver

from countermark.assess.assess import Answer, assess
from countermark.assess.cheat_sheet import GROUPS, QUESTIONS
from countermark.assess.look import STATES
from countermark.assess.matrix import ASSETS, KINDS, PROPERTIES, THREATS

Evidence = dict[str, Any]


def answers(evidence: Evidence) -> dict[str, Answer]:
    done = assess(evidence, judged(evidence))
    return {a.id: a for a in (*done.matrix, *done.cheat_sheet)}


def test_nothing_is_shown_without_digests_and_all_digests_are_known() -> None:
    evidence = good()
    known = str(evidence) + str(judged(evidence))
    for answer in answers(evidence).values():
        assert answer.state in STATES
        assert answer.evidence or answer.state == "not shown"
        assert answer.because
        assert bool(answer.would_show) == (answer.state != "shown")
        assert all(d in known for d in answer.evidence)


def test_the_tables_cover_every_asset_property_kind_and_group() -> None:
    assert {t.asset for t in THREATS} == set(ASSETS)
    assert {t.property for t in THREATS} == set(PROPERTIES)
    assert {t.kind for t in THREATS} == set(KINDS)
    assert {(t.asset, t.property) for t in THREATS} >= {(a, p) for a in ASSETS for p in PROPERTIES}
    for group in GROUPS:
        assert {q.level for q in QUESTIONS if q.group == group} == {"standard", "advanced"}
    assert len({q.id for q in QUESTIONS}) == len(QUESTIONS)


def drop(name: str, value: Any = None) -> Callable[[Evidence], None]:
    def apply(evidence: Evidence) -> None:
        evidence[name] = value

    return apply


def hermetic(level: str) -> Callable[[Evidence], None]:
    return lambda e: e["training"]["hermetic"].update(level=level)


def robust(value: float, low: float, high: float) -> Callable[[Evidence], None]:
    return lambda e: e["trials"]["evasion/square"]["measures"][1].update(value=value, low=low, high=high)


def licence(host: str = "tpm", sealed: bool = True, subject: str = "model", name: str = "licence") -> dict[str, Any]:
    return {"statement": sha(name), "subject": sha(subject), "licensee": "plant", "host": host, "sealed": sealed}


def under(*licences: dict[str, Any]) -> Callable[[Evidence], None]:
    return lambda e: e.update(licences=list(licences))


OUTSIDE = "trained model/confidentiality/stealing/11"
EVASION = "trained model/integrity/evasion/14"
CHANGES: list[tuple[str, Callable[[Evidence], None], str]] = [
    ("origin", drop("deliveries", []), "not shown"),
    ("provenance", lambda e: e["deliveries"][0].update(receipt=None), "not shown"),
    ("transmission", lambda e: e["deliveries"][0].update(signature="refused"), "not shown"),
    ("poisoning", drop("screening"), "not shown"),
    ("poisoning", drop("quarantines", []), "not shown"),
    ("poisoning", lambda e: None, "partly"),
    ("preprocessing", lambda e: e["screening"]["checks"].pop("data/image-scaling"), "not shown"),
    ("exact-data", lambda e: e["training"].update(dataset=sha("other")), "not shown"),
    ("setup", hermetic("claimed"), "partly"),
    ("setup", hermetic("reproduced"), "shown"),
    ("setup", drop("training"), "not shown"),
    ("attested", hermetic("reproduced"), "partly"),
    ("attested", hermetic("attested"), "shown"),
    ("robustness", drop("trials", {}), "not shown"),
    ("robustness", lambda e: e["trials"]["evasion/square"].update(completed=False), "not shown"),
    (EVASION, robust(0.0, 0.0, 0.06), "not shown"),
    (EVASION, robust(0.5, 0.4, 0.6), "partly"),
    (EVASION, robust(0.8, 0.7, 0.9), "partly"),
    ("copying", drop("trials", {}), "not shown"),
    ("file", drop("inspection"), "not shown"),
    ("file", lambda e: e["inspection"].update(files=[]), "not shown"),
    ("duties", drop("approvals", []), "not shown"),
    ("revocation", drop("revocations"), "not shown"),
    ("parties", lambda e: e["training"].update(signer="nobody"), "not shown"),
    ("history", lambda e: e["ledger"].update(witnessed=True), "shown"),
    ("access", lambda e: e.update(delegations=[{"subject": sha("model"), "statement": sha("delegation")}]), "partly"),
    ("access", lambda e: e.update(delegations=[{"subject": sha("x"), "statement": sha("delegation")}]), "not shown"),
    ("licence", lambda e: None, "not shown"),
    ("licence", under(licence()), "partly"),
    ("licence", under(licence(host="software-key")), "not shown"),
    ("licence", under(licence(sealed=False)), "not shown"),
    ("licence", under(licence(), licence(host="none", name="second")), "not shown"),
    ("licence", under(licence(subject="other")), "not shown"),
    ("licence", under({**licence(), "statement": ""}), "not shown"),
    (OUTSIDE, lambda e: None, "not shown"),
    (OUTSIDE, under(licence(host="none", sealed=False)), "partly"),
    (OUTSIDE, under(licence(subject="other")), "not shown"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "change", "state"), CHANGES, ids=lambda v: v if isinstance(v, str) else "")
def test_an_answer_follows_its_evidence(question: str, change: Callable[[Evidence], None], state: str) -> None:
    evidence = good()
    change(evidence)
    assert answers(evidence)[question].state == state


def test_a_waived_rule_shows_nothing_but_the_waiver() -> None:
    evidence = good()
    evidence["inspection"]["checks"]["model/coverage"] = {"outcome": "skipped", "reason": "too large"}
    evidence["waivers"] = [waiver("model/coverage")]
    assert judged(evidence)["verdict"] == "admitted"
    got = answers(evidence)
    assert got["file"].state == "not shown"
    assert sha("waiver model/coverage") in got["exceptions"].evidence


def test_a_typed_in_yes_changes_nothing() -> None:
    evidence = good() | {"answers": {"licence": "shown"}, "licence": {"shown": True}}
    assert {i: a.state for i, a in answers(evidence).items()} == {i: a.state for i, a in answers(good()).items()}


def test_empty_evidence_shows_nothing() -> None:
    done = assess({}, {})
    assert {a.state for a in (*done.matrix, *done.cheat_sheet)} == {"not shown"}
    assert done.counts() == {"shown": 0, "partly": 0, "not shown": len(QUESTIONS)}
