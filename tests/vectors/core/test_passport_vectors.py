"""Golden passports of both formats: an auditor's, they verify for ever and are judged again with the same result."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from countermark.errors import TrustRefused
from countermark.lifecycle.judging import in_child
from countermark.passport.passport import HEADER, Passport
from countermark.passport.rejudge import again
from countermark.passport.verify import Pin, verify_passport

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("number", [1, 2])
def test_a_golden_passport_verifies_and_is_judged_again(number: int) -> None:
    data = (HERE / f"passport-v{number}.cmpass").read_bytes()
    assert data.startswith(HEADER) == (number == 2)
    passport = Passport.from_bytes(data)
    pin = Pin(passport.trust[0].digest)
    verified = verify_passport(passport, passport.model, pin, NOW)
    told = again(passport, verified, in_child, NOW)
    assert verified.verdict.admitted and told.rules == 5
    assert [line for line in told.not_looked_at if "format 1" in line] == (
        ["the owners' revocation snapshot: papers of format 1 do not bring it"] if number == 1 else []
    )
    assert Passport.from_bytes(passport.to_bytes()) == passport
    with pytest.raises(TrustRefused):
        verify_passport(passport, passport.model, Pin("0" * 64), NOW)
