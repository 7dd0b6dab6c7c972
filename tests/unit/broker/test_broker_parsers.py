"""Parsers of foreign bytes: whatever comes, a refusal of ours or the same value again; never another exception."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from broker_world import NOW, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermark.broker import prove, written
from countermark.broker.log import Record
from countermark.broker.policy import ReleasePolicy, Rule
from countermark.broker.request import MOST_ANSWER, MOST_REQUEST, Answer, Request
from countermark.errors import CountermarkError, StatementRefused
from countermark.seal import hpke

PUBLIC = hpke.generate().public
HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.from_regex(r"[a-z][a-z-]{0,31}", fullmatch=True)
READERS = [Request.from_bytes, Answer.from_bytes, ReleasePolicy.from_bytes, Record.from_bytes,
           lambda data: written.parse(data, bytes(32), datetime.now(UTC))]  # fmt: skip


@given(st.one_of(st.binary(max_size=600), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=9), x, max_size=4),
    max_leaves=20).map(lambda v: json.dumps(v).encode())))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_no_bytes_lead_to_another_exception(data: bytes) -> None:
    for read in READERS:
        with pytest.raises(CountermarkError):
            read(data)


@given(claims=st.dictionaries(NAMES, HEX, max_size=5), releases=st.integers(1, 2**40), keys=st.frozensets(HEX, min_size=1, max_size=4),
       pcrs=st.dictionaries(st.integers(0, 23), st.binary(min_size=32, max_size=32), min_size=1, max_size=4))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_policy_is_read_as_it_was_written(claims, releases, keys, pcrs) -> None:
    rules = (
        Rule("tpm-quote", "plant-7", releases, keys, pcrs, claims=claims),
        Rule("software", "plant-7", releases, keys, claims=claims),
    )
    begins = datetime.fromtimestamp(NOW, UTC)
    policy = ReleasePolicy("acme", bytes(32), 1, begins, begins + timedelta(days=1), rules)
    assert ReleasePolicy.from_bytes(policy.to_bytes()) == policy
    assert rules[0].id == dataclasses.replace(rules[0], releases=releases + 1).id != rules[1].id


@given(
    claims=st.dictionaries(NAMES, HEX, max_size=5),
    challenge=st.binary(max_size=64),
    asset=st.binary(min_size=32, max_size=32),
)
@settings(max_examples=60, deadline=None)
def test_a_request_is_read_as_it_was_written_and_binds_all_of_it(claims, challenge, asset) -> None:
    asked = Request(challenge, "acme", asset, "plant-7", "0" * 64, PUBLIC, claims)
    whole = dataclasses.replace(asked, evidence=prove.Evidence("software", {"key": b"k", "signature": b"s"}))
    again = Request.from_bytes(whole.to_bytes())
    assert again == whole and again.binding() == asked.binding()
    for change in ({"owner": "other"}, {"recipient": "plant-8"}, {"licence": "1" * 64}, {"challenge": challenge[:60] + b"more"[:4]},
                   {"claims": {**claims, "recipe": "0" * 64}}, {"asset": bytes(31) + b"\x01"}):  # fmt: skip
        other = dataclasses.replace(asked, **change)
        assert (other == asked) == (other.binding() == asked.binding())


@given(at=st.integers(0, 10_000), mask=st.integers(1, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_refused_or_the_evidence_fails(world: World, at: int, mask: int) -> None:
    mine = prove.ephemeral()
    whole = prove.request(world.asset(), bytes(56), mine, prove.by_key(world.host))
    data = bytearray(whole.to_bytes())
    data[at % len(data)] ^= mask
    try:
        again = Request.from_bytes(bytes(data))
    except CountermarkError:
        return
    assert again != whole or again.binding() == whole.binding()


def test_what_is_too_large_is_not_parsed() -> None:
    for read, most in ((Request.from_bytes, MOST_REQUEST), (Answer.from_bytes, MOST_ANSWER)):
        with pytest.raises(StatementRefused, match="the limit is"):
            read(b"[" * (most + 1))


def test_rules_are_written_strictly() -> None:
    good = (
        'owner = "acme"\nsequence = 1\ndays = 30\n[[rule]]\nevidence = "software"\nrecipient = "plant-7"\nreleases = 1\nkeys = ["%s"]\n'
        % ("ab" * 32)
    )
    made = written.parse(good.encode(), bytes(32), datetime.fromtimestamp(NOW + 0.5, UTC))
    assert made.ends - made.begins == timedelta(days=30) and made.rules[0].claims == {}
    for bad in (good.replace("days = 30", "days = true"), good.replace("days = 30", "days = 99999"), good.replace("owner", "owners"),
                good.replace("[[rule]]", "[rule]"), good + "more = 1\n", good.replace("releases = 1", "releases = 0"),
                good.replace("releases = 1\n", ""), good.replace('"software"', '"any"'), good.replace("sequence = 1", "sequence = 0"), "[[[["):  # fmt: skip
        with pytest.raises(StatementRefused):
            written.parse(bad.encode(), bytes(32), datetime.fromtimestamp(NOW, UTC))
