"""Envelopes: nothing is lost on the way, no two messages share a signature, no bytes leak another error."""

from __future__ import annotations

import json

import pytest
from core_world import private_key
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from countermark import dsse
from countermark.errors import CountermarkError, SignatureRefused, StatementRefused
from countermark.keys.signer import sign_envelope
from countermark.keys.verifier import verify_envelope

QUICK = settings(derandomize=True, max_examples=200, deadline=None)
kinds = st.text(st.characters(blacklist_categories=("Cs",)), max_size=30)
signatures = st.lists(st.builds(dsse.Signature, kinds, st.binary(max_size=80)), min_size=1, max_size=5).map(tuple)
SIGNER = private_key("acme", "statement")
KEYS = {SIGNER.public.id: SIGNER.public}


@QUICK
@given(kinds, st.binary(max_size=200), signatures)
def test_envelopes_read_back(kind: str, payload: bytes, signed: tuple[dsse.Signature, ...]) -> None:
    envelope = dsse.Envelope(kind, payload, signed)
    assert dsse.Envelope.from_bytes(envelope.to_bytes()) == envelope


@QUICK
@given(kinds, st.binary(max_size=60), kinds, st.binary(max_size=60))
def test_the_signed_bytes_tell_type_from_payload(kind: str, payload: bytes, kind2: str, payload2: bytes) -> None:
    assume((kind, payload) != (kind2, payload2))
    assert dsse.pae(kind, payload) != dsse.pae(kind2, payload2)


def test_the_specifications_example() -> None:
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("", b"") == b"DSSEv1 0  0 "


@QUICK
@given(st.binary(max_size=100), st.integers(0, 2**30), st.integers(1, 255))
def test_a_flipped_bit_anywhere_is_no_signature(payload: bytes, where: int, mask: int) -> None:
    envelope = sign_envelope(dsse.IN_TOTO, payload, [SIGNER])
    assert verify_envelope(envelope, KEYS) == set(KEYS)
    message = bytearray(payload + envelope.signatures[0].sig)
    message[where % len(message)] ^= mask
    forged = dsse.Envelope(
        dsse.IN_TOTO,
        bytes(message[: len(payload)]),
        (dsse.Signature(SIGNER.public.id, bytes(message[len(payload) :])),),
    )
    with pytest.raises(SignatureRefused):
        verify_envelope(forged, KEYS)


@pytest.mark.parametrize(
    "change",
    [{"payload": None}, {"payload": 3}, {"payload": "!"}, {"payload": "YQ"}, {"payloadType": None}, {"payloadType": 1},
     {"signatures": []}, {"signatures": None}, {"signatures": [1]}, {"signatures": [{}]}, {"signatures": [{"sig": 1}]},
     {"signatures": [{"sig": "", "keyid": 1}]}, {"signatures": [{"sig": "", "keyid": 0}]}, {"payload": "-_+/"}, {"payload": "+_8="},
     {"signatures": [{"sig": "YQ=="}] * 65}, {"payloadType": "\ud800"}],
    ids=str,
)  # fmt: skip
def test_malformed_envelopes_are_refused(change: dict[str, object]) -> None:
    value = json.loads(sign_envelope("t", b"p", [SIGNER]).to_bytes()) | change
    with pytest.raises(StatementRefused):
        dsse.Envelope.from_bytes(json.dumps(value).encode())


@given(st.binary(max_size=99))
def test_both_alphabets_of_base64_are_read(payload: bytes) -> None:
    """DSSE protocol: verifiers MUST accept either."""
    plain = json.loads(sign_envelope("t", payload, [SIGNER]).to_bytes())
    swapped = json.loads(json.dumps(plain).replace("+", "-").replace("/", "_")) | {"payloadType": "t"}
    assert dsse.Envelope.from_json(swapped) == dsse.Envelope.from_json(plain)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_an_envelope_or_a_refusal(data: bytes) -> None:
    try:
        dsse.Envelope.from_bytes(data)
    except CountermarkError as error:
        assert isinstance(error, StatementRefused)
