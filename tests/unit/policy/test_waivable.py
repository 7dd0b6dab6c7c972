"""What can be waived, and that an id which lifts nothing is not signed for."""

from __future__ import annotations

import pytest

from countermark.checks import known
from countermark.checks.data.battery import CHECKS
from countermark.checks.model.inspect import CHECKS as INSPECTED
from countermark.compose import default_policy
from countermark.errors import Unusable
from countermark.lifecycle.acts import must_be_waivable
from countermark.policy.document import Policy
from countermark.policy.waivers import waivable


def test_the_ids_are_those_of_the_checks() -> None:
    assert tuple(check.id for check in CHECKS) == known.DATA
    assert set(known.MODEL) == set(INSPECTED)


def test_checks_trials_and_waivable_rules_of_the_shipped_policy_can_be_waived() -> None:
    policy = Policy.from_bytes(default_policy())
    ids = waivable(policy, known.ALL)
    assert set(known.ALL) <= ids and {t.trial for t in policy.trials} <= ids
    for rule in policy.rules:
        assert (rule.id in ids) == rule.waivable
    for check in ids:
        must_be_waivable(default_policy(), check)


@pytest.mark.parametrize(
    ("check", "told"),
    [("data/nonsense", "data/"), ("data/duplicate", "data/duplicates"), ("model/pickel", "model/pickle"),
     ("evasion/squares", "evasion/square"), ("", "waivable: "), ("no such thing at all", "--policy FILE")],
)  # fmt: skip
def test_an_unknown_id_is_refused_with_the_nearest(check: str, told: str) -> None:
    with pytest.raises(Unusable, match="is no check, trial or rule") as refused:
        must_be_waivable(default_policy(), check)
    assert told in refused.value.mend


def test_a_rule_that_cannot_be_waived_says_so() -> None:
    fixed = next(rule for rule in Policy.from_bytes(default_policy()).rules if not rule.waivable)
    with pytest.raises(Unusable, match="does not let rule"):
        must_be_waivable(default_policy(), fixed.id)
