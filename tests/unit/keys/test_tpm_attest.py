"""Verifying a quote and computing a policy without a TPM, on a quote that a software TPM made (a test double) and that is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import CountermarkError, SignatureRefused, StatementRefused, TrustRefused
from countermark.keys import tpm_attest
from countermark.keys.tpm_policy import Epoch, TpmPolicy

COUNTER = 0x01800001
VECTOR = json.loads((Path(__file__).parents[2] / "vectors/keys/tpm-quote.json").read_text())


@dataclass(frozen=True)
class Made:
    area: bytes
    attested: bytes
    signature: bytes


MADE = Made(*(bytes.fromhex(VECTOR[name]) for name in ("area", "attested", "signature")))
KEY = tpm_attest.attestation_key(MADE.area)
PCRS = {int(at): bytes.fromhex(value) for at, value in VECTOR["pcrs"].items()}


def checked(made, key, pcrs, nonce=b"n" * 32):
    return tpm_attest.verify_quote(made.attested, made.signature, key, nonce=nonce, pcrs=pcrs)


@pytest.mark.parametrize("value", [
    {}, {"pcrs": ""}, {"pcrs": "24:" + "0" * 64}, {"pcrs": "1:0"}, {"pcrs": f"1:{'0' * 64},1:{'0' * 64}"},
    {"pcrs": f"-1:{'0' * 64}"}, {"pcrs": f"1:{'G' * 64}"}, {"deadline": -1}, {"deadline": "1"}, {"epoch": 1},
    {"epoch-index": COUNTER}, {"epoch": 1, "epoch-index": 1}, {"deadline": 1, "more": 1},
])  # fmt: skip
def test_a_malformed_policy_is_refused(value) -> None:
    with pytest.raises(StatementRefused):
        TpmPolicy.from_parameters(value)


def test_a_quote_over_a_model_is_verified_without_a_tpm() -> None:
    key, made, pcrs = KEY, MADE, PCRS
    assert tpm_attest.attestation_key(made.area) == key
    seen = checked(made, key, pcrs)
    assert seen.pcrs == pcrs and seen.clock > 0 and seen.safe


def test_what_is_stale_of_other_pcrs_or_of_another_machine_is_refused() -> None:
    key, made, pcrs = KEY, MADE, PCRS
    for change, match in (
        ({"nonce": b"m" * 32}, "not for this request"),
        ({"nonce": b""}, "not for this request"),
        ({"pcrs": {16: pcrs[16]}}, "other PCRs"),
        ({"pcrs": {**pcrs, 0: bytes(32)}}, "other PCRs"),
        ({"pcrs": {**pcrs, 16: bytes(32)}}, "does not run what was agreed"),
        ({"pcrs": {}}, "of no PCR"),
    ):
        with pytest.raises(TrustRefused, match=match) as caught:
            tpm_attest.verify_quote(made.attested, made.signature, key, **{"nonce": b"n" * 32, "pcrs": pcrs} | change)
        assert caught.value.mend


def test_every_changed_bit_of_a_quote_is_refused() -> None:
    key, made, pcrs = KEY, MADE, PCRS
    for name in ("attested", "signature"):
        whole = getattr(made, name)
        for at in range(8 * len(whole)):
            bent = bytearray(whole)
            bent[at // 8] ^= 1 << at % 8
            with pytest.raises(CountermarkError):
                checked(replace(made, **{name: bytes(bent)}), key, pcrs)
        for cut in (b"", whole[:-1], whole + b"\0", bytes(4096)):
            with pytest.raises(CountermarkError):
                checked(replace(made, **{name: cut}), key, pcrs)


def test_every_changed_bit_of_the_public_area_is_another_key_or_refused() -> None:
    key, made = KEY, MADE
    for at in range(8 * len(made.area)):
        bent = bytearray(made.area)
        bent[at // 8] ^= 1 << at % 8
        try:
            other = tpm_attest.attestation_key(bytes(bent))
        except (SignatureRefused, TrustRefused):
            continue
        assert other.name != key.name


def test_an_epoch_is_of_the_owners_range() -> None:
    for index, value in ((0, 1), (0x81000001, 1), (COUNTER, -1), (COUNTER, 1 << 60)):
        with pytest.raises(StatementRefused):
            Epoch(index, value)


@given(st.binary(max_size=4096))
@settings(max_examples=300, deadline=None)
def test_no_bytes_pass_for_a_quote_a_signature_or_a_key(data: bytes) -> None:
    for made in (replace(MADE, attested=data), replace(MADE, signature=data)):
        with pytest.raises(CountermarkError):
            checked(made, KEY, PCRS)
    with pytest.raises(CountermarkError):
        tpm_attest.attestation_key(data)
