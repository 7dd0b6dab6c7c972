"""What `countermark verify` tells of a signed trace of a leaked copy, and of a signed canary test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from countermark.cli._answer import Pairs
from countermark.lifecycle.entitled import counts
from countermark.statement.predicates.canary import CANARY_TEST, CanaryTest
from countermark.statement.predicates.fingerprint import TRACE, FingerprintTrace

if TYPE_CHECKING:
    from countermark.passport.slip import Shown

Told = tuple[str, dict[str, Any], list[Any]]
"""What was verified, in words; facts for machines; lines for people."""


def told(shown: Shown) -> Told | None:
    """What the statement says, where it is of one of these kinds.

    Raises:
        TrustRefused: its signer may not say it. StatementRefused: it is malformed.
    """
    if shown.statement.predicate_type == TRACE:
        return _trace(shown, FingerprintTrace.from_json(counts(shown).statement.predicate))
    if shown.statement.predicate_type == CANARY_TEST:
        return _canary(shown, CanaryTest.from_json(counts(shown).statement.predicate))
    return None


def _facts(said: FingerprintTrace | CanaryTest) -> dict[str, Any]:
    return {name: value for name, value in said.to_json().items() if name != "context"}


def _trace(shown: Shown, said: FingerprintTrace) -> Told:
    named = ", ".join(one.licensee for one in said.named) or "nobody"
    scores = [
        ("score", f"{one.licensee}: {one.score:.1f}, named from {said.threshold:.2f}; an innocent scores as high at most 1 in 10^{-one.log10_p:.1f}")
        for one in said.named
    ]  # fmt: skip
    lines: list[Any] = [
        Pairs([
            *((("file"), f"{name}, sha256 {digest}") for name, digest in shown.statement.files), *scores,
            ("false accusation", f"at most {said.false_accusation:g} for all {said.licensees:,} on the list together"),
            ("list", f"sha256 {said.licensees_sha256}"), ("original", f"weights {said.original}"),
            ("key", f"commitment {said.key_commitment}"), ("compared", f"{said.compared:.0%} of the marked weights"),
        ]),
        *(f"not looked at: {line}" for line in said.not_looked_at), "cannot tell:", *(f"- {line}" for line in said.cannot_tell),
    ]  # fmt: skip
    return f"{shown.party.id} traced {shown.statement.name} to {named}", _facts(said), lines


def _canary(shown: Shown, said: CanaryTest) -> Told:
    word = (
        "was trained on delivered records" if said.known else "is not shown to have been trained on delivered records"
    )
    lines: list[Any] = [
        Pairs([
            ("p", f"{said.p:.3g}; said to know them from {said.false_alarm:g}"), ("if the owner cheated", f"p {said.p_after_tries:.3g}"),
            ("pairs", f"{said.pairs:,} asked about, {said.decided:,} answered differently, the delivered half better in {said.better:,}"),
            ("delivery", said.delivery), ("committed", said.commitment), ("tested", "answers" if said.answers else "a model at hand"),
        ]),
        *([f"not looked at: {said.pairs_left:,} pairs of classes that the model does not know"] if said.pairs_left else []),
        "cannot tell:", *(f"- {line}" for line in said.cannot_tell),
    ]  # fmt: skip
    return f"{shown.party.id} says that {shown.statement.name} {word}, p {said.p:.3g}", _facts(said), lines
