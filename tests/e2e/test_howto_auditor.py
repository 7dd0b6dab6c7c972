"""The auditor's page: its commands are run, and the same papers with a lie in them are refused by the name of the rule."""

from __future__ import annotations

import lying_owner
from test_howto_keys import fingerprint, released, run_page  # noqa: F401 - a fixture

from countermark.passport.passport import Passport


def verify(shell, exit: int = 0):
    words = ["../stick/model", "--fingerprint", fingerprint(shell), "--revocations", "../stick/revocations.json"]
    return shell("verify", *words, "--json", at="lonely", exit=exit)


def test_an_auditor_judges_again(released) -> None:  # noqa: F811 - a fixture
    said = run_page(released, "judge-a-model-again.md", {"FINGERPRINT": lambda: fingerprint(released)})
    assert said[2] == "admitted, unwitnessed: model of parts"
    facts = verify(released).json()
    assert facts["judged_again"] == 3 and any("the data owner's word" in line for line in facts["not_looked_at"])
    text = released("verify", "../stick/model", "--fingerprint", fingerprint(released), at="lonely", exit=3).out
    assert "3 rules, each with the same outcome" in text and "not looked at: that each delivery was admitted" in text


def test_papers_without_evidence_are_not_judged_again_and_say_so(released) -> None:  # noqa: F811 - a fixture
    run_page(released, "judge-a-model-again.md", {"FINGERPRINT": lambda: fingerprint(released)})
    papers = released.here / "stick" / "model.cmpass"
    lying_owner.for_licensee(papers, papers)
    assert Passport.from_bytes(papers.read_bytes()).evidence is None
    assert verify(released).json()["judged_again"] is None
    text = released("verify", "../stick/model", "--fingerprint", fingerprint(released), at="lonely", exit=3).out
    assert "these papers bring no evidence" in text
