"""Mutate, then verify: golden files changed at random either refuse cleanly or still say what was signed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countermark import canonical
from countermark.artefact.tree import parse_manifest, tree_of
from countermark.dsse import Envelope
from countermark.errors import Refusal
from countermark.keys.document import TrustDocument, moment
from countermark.keys.trust import Trust, verify_chain
from countermark.keys.verifier import PublicKey
from countermark.ledger.record import Opening
from countermark.lifecycle import parcel
from countermark.lifecycle.enrol import Enrolment
from countermark.passport.slip import Slip, context_of, verify
from countermark.statement.statement import Statement

CORE = Path(__file__).parents[1] / "vectors" / "core"
EXPECTED = json.loads((CORE / "expected-v1.json").read_bytes())
NOW = moment(EXPECTED["now"])
CHAIN = tuple(Envelope.from_bytes(line) for line in (CORE / "trust-v1.jsonl").read_bytes().splitlines())
ROUNDS = 400
TOKENS = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"-1", b"9" * 400, b"\\ud800", b"\xff", b"\0",
          b"true", b"1.0", b"\n", b"\r\n", b"../", b"A" * 64, b"\xe2\x80\xae"]  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four edits: bits, bytes, cuts, doubled or swapped stretches, tokens that parsers trip over."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, end = sorted(chance.randrange(len(out) + 1) for _ in range(2))
        match chance.randrange(6):
            case 0:
                out[min(at, len(out) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                out[at:at] = chance.choice(TOKENS)
            case 2:
                out[at : min(end, at + 20)] = chance.choice(TOKENS)
            case 3:
                del out[at : min(end, at + 30)]
            case 4:
                out[at:at] = out[at : min(end, at + 200)]
            case 5:
                out = out[:at] if chance.random() < 0.2 else out
        if not out:
            return bytes(out)
    return bytes(out)


def shuffled(value: Any, chance: random.Random) -> Any:
    """A well-formed document with one value replaced, dropped or added anywhere in it."""
    if isinstance(value, dict) and value:
        key = chance.choice(sorted(value))
        match chance.randrange(4):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return value | {
                    chance.choice(["more", "context", "use", "\u202e"]): chance.choice([None, 1, "x", [], {}])
                }
            case _:
                return value | {key: shuffled(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        at = chance.randrange(len(value))
        return [*value[:at], shuffled(value[at], chance), *value[at + 1 :]]
    return chance.choice(
        [None, True, -1, 0, 1.5, 2**60, 10**300, "", "x" * 5000, "\x1b[2J", "a" * 64, [], {}, [[]], "../.."]
    )


def golden(name: str) -> bytes:
    return (CORE / name).read_bytes()


STATEMENT, SLIP = golden("statement-v1.json"), golden("slip-v1.json")
OPENING = canonical.to_bytes(json.loads(SLIP)["opening"])
PARTY = json.loads(CHAIN[0].payload)["parties"][2]
ENROLMENT = canonical.to_bytes({"format": 1, **{n: PARTY[n] for n in ("id", "name", "organisation", "keys")}})
KEY = canonical.to_bytes({n: PARTY["keys"][0][n] for n in ("use", "algorithm", "spki")})
MANIFEST = golden("delivery-v1.cmdelivery").split(b"\n", 1)[1]
READERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "trust": (CHAIN[0].payload, TrustDocument.from_bytes),
    "envelope": (CHAIN[1].to_bytes(), Envelope.from_bytes),
    "statement": (STATEMENT, lambda d: context_of(Statement.from_bytes(d))),
    "delivery": (golden("delivery-v1.cmdelivery"), parcel.parse),
    "manifest": (MANIFEST, lambda d: tree_of(parse_manifest(d.splitlines()))),
    "slip": (SLIP, Slip.from_bytes),
    "opening": (OPENING, Opening.from_bytes),
    "enrolment": (ENROLMENT, Enrolment.from_bytes),
    "key": (KEY, lambda d: PublicKey.from_json(canonical.from_bytes(d))),
}


@pytest.mark.parametrize("name", READERS)
def test_readers_give_a_value_or_a_refusal(name: str) -> None:
    data, read = READERS[name]
    read(data)
    chance, refused = random.Random(name), 0
    for _ in range(ROUNDS):
        hostile = mutated(data, chance)
        try:
            read(hostile)
        except Refusal as refusal:
            assert refusal.what and refusal.what.replace("\n", "").isprintable(), refusal.what
            refused += 1
    assert refused > ROUNDS // 3


@pytest.mark.parametrize("name", ["trust", "envelope", "statement", "slip", "opening", "enrolment", "key"])
def test_readers_stand_well_formed_nonsense(name: str) -> None:
    data, read = READERS[name]
    chance, refused, value = random.Random(name), 0, json.loads(data)
    for _ in range(ROUNDS):
        try:
            read(json.dumps(shuffled(value, chance)).encode())
        except Refusal as refusal:
            refused += 1
            assert refusal.what.replace("\n", "").isprintable(), refusal.what
    assert refused > ROUNDS // 4


def trust() -> Trust:
    return verify_chain(CHAIN, EXPECTED["fingerprint"], NOW)


def test_a_mutated_slip_says_the_same_or_nothing() -> None:
    known, chance = trust(), random.Random(1)
    for _ in range(ROUNDS):
        try:
            shown = verify(Slip.from_bytes(mutated(SLIP, chance)), known, NOW)
        except Refusal:
            continue
        assert (shown.digest, shown.index, shown.party.id) == (EXPECTED["answer"], 1, "manufacturer")


def test_a_mutated_delivery_says_the_same_or_nothing() -> None:
    known, chance, data = trust(), random.Random(2), golden("delivery-v1.cmdelivery")
    for _ in range(ROUNDS):
        try:
            piece = parcel.parse(mutated(data, chance))
            known.verify(piece.envelope, "statement", NOW)
        except Refusal:
            continue
        assert (piece.envelope.digest, piece.tree.digest) == (EXPECTED["delivery"], EXPECTED["tree"])


def test_a_mutated_chain_is_the_same_chain_or_none() -> None:
    chance, data = random.Random(3), golden("trust-v1.jsonl")
    for _ in range(ROUNDS // 4):
        try:
            chain = [Envelope.from_bytes(line) for line in mutated(data, chance).splitlines()]
            told = verify_chain(chain, EXPECTED["fingerprint"], NOW)
        except Refusal:
            continue
        assert [e.payload for e in told.envelopes] == [e.payload for e in CHAIN[: len(told.envelopes)]]
