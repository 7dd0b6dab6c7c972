"""Trust by model: random histories of drafts and signers, judged by a ten-line reading of the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from core_world import private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark import dsse
from countermark.errors import TrustRefused
from countermark.keys.document import PAYLOAD_TYPE, EnrolledKey, Party, Revocation, TrustDocument, enrolment_bytes
from countermark.keys.signer import sign_envelope
from countermark.keys.trust import verify_chain

OWNERS = ("o0", "o1", "o2", "o3")
ROOTS = {name: private_key(name, "root") for name in OWNERS}
PROOFS = {name: ROOTS[name].sign(enrolment_bytes(name, ROOTS[name].public)) for name in OWNERS}
NOW = datetime(2026, 11, 24, tzinfo=UTC)
names = st.frozensets(st.sampled_from(OWNERS), min_size=1)


def party(name: str, revoked: bool) -> Party:
    gone = Revocation(0, "gone") if revoked else None
    key = EnrolledKey(ROOTS[name].public, PROOFS[name], None, gone)
    return Party(name, name, name, ("data-owner",), (), (key,))


@st.composite
def step(draw: st.DrawFn) -> tuple[frozenset[str], frozenset[str], int, frozenset[str]]:
    """Owners, revoked ones among them, threshold, and who signs."""
    owners = draw(names)
    return owners, draw(st.frozensets(st.sampled_from(sorted(owners)))), draw(st.integers(1, len(owners))), draw(names)


def chain_of(steps: list[tuple[frozenset[str], frozenset[str], int, frozenset[str]]]) -> list[dsse.Envelope]:
    out: list[dsse.Envelope] = []
    first = TrustDocument("p", 1, "2026-11-23T00:00:00Z", "2027-11-23T00:00:00Z", None, 1, (), "o", "o0", "none", ())
    for number, (owners, revoked, threshold, signers) in enumerate(steps, 1):
        document = replace(
            first, version=number, previous=out[-1].digest if out else None, threshold=threshold,
            parties=tuple(party(n, n in revoked) for n in sorted(owners)),
        )  # fmt: skip
        out.append(sign_envelope(PAYLOAD_TYPE, document.to_bytes(), [ROOTS[n] for n in sorted(signers)]))
    return out


def model(steps: list[tuple[frozenset[str], frozenset[str], int, frozenset[str]]]) -> bool:
    """Own threshold and the predecessor's, by parties whose keys are not revoked there."""
    before: tuple[frozenset[str], int] | None = None
    for owners, revoked, threshold, signers in steps:
        live = owners - revoked
        if len(live & signers) < threshold or (before and len(before[0] & signers) < before[1]):
            return False
        before = live, threshold
    return True


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(step(), min_size=1, max_size=4))
def test_a_chain_verifies_exactly_where_the_rules_say_so(
    steps: list[tuple[frozenset[str], frozenset[str], int, frozenset[str]]],
) -> None:
    chain = chain_of(steps)
    try:
        trust = verify_chain(chain, chain[0].digest, NOW)
    except TrustRefused:
        assert not model(steps)
    else:
        assert model(steps) and trust.document.version == len(steps)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(step(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_no_version_can_be_left_out_or_moved(
    steps: list[tuple[frozenset[str], frozenset[str], int, frozenset[str]]], chance: object
) -> None:
    steps = [(frozenset(OWNERS), frozenset(), threshold, frozenset(OWNERS)) for _, _, threshold, _ in steps]
    chain = chain_of(steps)
    assert verify_chain(chain, chain[0].digest, NOW).document.version == len(chain)
    for at in range(1, len(chain)):
        rest = chain[:at] + chain[at + 1 :]
        if at < len(chain) - 1:
            try:
                verify_chain(rest, chain[0].digest, NOW)
            except TrustRefused:
                continue
            raise AssertionError("a version was left out, and the chain verified")
        try:
            verify_chain(rest, chain[0].digest, NOW, least_version=len(chain))
        except TrustRefused:
            continue
        raise AssertionError("the newest version was left out, and the mark did not notice")
