"""A policy says what it means or is refused, naming the key."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from countermark.errors import PolicyRefused
from countermark.policy._cel import evaluate_one
from countermark.policy.document import STAGES, Policy

DEFAULT = (files("countermark.policy") / "default.toml").read_bytes()
TEXT = DEFAULT.decode()


def test_the_default_policy_fits_on_one_page_and_names_its_digest() -> None:
    policy = Policy.from_bytes(DEFAULT)
    assert len(TEXT.splitlines()) <= 80
    assert policy.digest == hashlib.sha256(DEFAULT).hexdigest()
    assert {t.trial for t in policy.trials} == {"evasion/square", "stealing/extraction"}
    assert set(policy.signers) == set(STAGES)
    assert [r.id for r in policy.rules if r.waivable] == ["training/hermetic"]


def test_every_rule_of_the_default_policy_has_a_comment() -> None:
    rules = [line for line in TEXT.splitlines() if line.startswith("[[rule]]")]
    assert rules
    assert all("#" in line for line in rules)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "default"', 'name = "default"\nrules = 1', "did you mean 'rule'"),
        ("waivable = true", "waiveable = true", "did you mean 'waivable'"),
        ('screening = "data-owner"', 'screning = "data-owner"', "did you mean 'screening'"),
        ('inspection = "reviewer"\n', "", "'inspection' is missing"),
        ("at_most = 0.9", "at_mots = 0.9", "did you mean 'at_most'"),
        ("at_most = 0.9", "at_most = nan", "not a finite number"),
        ("at_most = 0.9", "at_most = true", "not a finite number"),
        (", at_most = 0.9", "", "no bound"),
        ("at_most = 0.9", "at_most = 0.1, at_least = 0.2", "no bound"),
        ("format = 1", "format = 2", "format 2"),
        ("format = 1", "format = true", "format True"),
        ('asset = "trained model"', 'asset = "trained modle"', "unknown asset"),
        ('"data/*" = "low-or-set-aside"', '"data/*" = "skipped"', "unknown mode"),
        ('"data/contract"', '"query/contract"', "no room"),
        ("waivable = true", 'waivable = "yes"', "neither true nor false"),
        ('id = "approved-by-reviewer"', 'id = "training/hermetic"', "two rules are called"),
        ('evidence = ["approvals"]', 'evidence = ["aprovals"]', "did you mean 'approvals'"),
        ('evidence = ["approvals"]', "evidence = []", "is a list"),
        ("deliveries.exists(d,", "delivery.exists(d,", "did you mean 'deliveries'"),
        ("a.of == subject.digest", "a.of == subject.digest)", "where"),
        ('why = "a reviewer', 'why = "\\u202ea reviewer', "control character"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_and_named(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(PolicyRefused) as refused:
        Policy.from_bytes(TEXT.replace(old, new, 1).encode())
    assert told in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"\xff", b"a = [", b"format = 1", b"a = " + b"[" * 5000, b"x" * (300 << 10)])
def test_what_is_no_policy_is_refused(data: bytes) -> None:
    with pytest.raises(PolicyRefused):
        Policy.from_bytes(data)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ('["dataset"]', "no stage refuses a plain dataset"),
        ('["model", "recipe"]', "no stage refuses a plain recipe"),
        ('["modle"]', "did you mean 'model'"),
        ('"model"', "not a list of kinds"),
        ("[1]", "not a list of kinds"),
    ],
)
def test_a_kind_that_nothing_enforces_is_not_taken_as_sealed(kinds: str, told: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        Policy.from_bytes(TEXT.replace('name = "default"', f'name = "default"\nsealed = {kinds}').encode())
    assert told in f"{caught.value.what} {caught.value.mend}"


def test_sealed_models_are_what_a_policy_may_ask_for() -> None:
    assert Policy.from_bytes(
        TEXT.replace('name = "default"', 'name = "default"\nsealed = ["model"]').encode()
    ).sealed == ("model",)
    assert Policy.from_bytes(DEFAULT).sealed == ()


def test_the_example_of_the_reference_page_is_a_rule() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "policy.md"
    example = page.read_text("utf-8").split("```toml\n", 1)[1].split("```", 1)[0]
    policy = Policy.from_bytes((TEXT + "\n" + example).encode())
    rule = policy.rules[-1]
    assert rule.id == "trained-recently"
    variables = {"training": {"time": "2026-10-01T00:00:00Z"}, "now": "2026-11-24T00:00:00Z"}
    assert evaluate_one(rule.require, variables) is True
    assert evaluate_one(rule.require, variables | {"now": "2027-11-24T00:00:00Z"}) is False


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), TEXT + "# a\u2028b\n", TEXT + "# \u202e\n"])
def test_a_policy_that_no_passport_could_carry_is_refused_before_anything_is_released_by_it(text: str) -> None:
    with pytest.raises(PolicyRefused, match="control character") as refused:
        Policy.from_bytes(text.encode())
    assert ("Unix line endings" in refused.value.mend) == ("\r" in text)
