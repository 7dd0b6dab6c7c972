"""Signatures over exchanges: RFC 9421's own example, and nothing but our profile."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import ExchangeRefused
from countermark.guard import signature
from countermark.guard.signature import Exchange
from countermark.keys.signer import generate

NOW = 1_795_428_000
SIGNER = generate("guard")
EXCHANGE = Exchange(
    "POST", "/v1/predict", signature.content_digest(b"question"), "n" * 22, 200, signature.content_digest(b"answer"),
    "5" * 64,
)  # fmt: skip
INPUT, SIGNATURE = signature.sign(EXCHANGE, NOW, SIGNER, SIGNER.public.id)


def test_the_signature_base_is_that_of_rfc_9421_appendix_b_2_6() -> None:
    """Ed25519 is deterministic: the RFC's key over our base must give the RFC's signature."""
    key = load_der_private_key(
        base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"), None
    )
    parameters = (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    base = signature.signature_base(
        [
            ('"date"', "Tue, 20 Apr 2021 02:07:55 GMT"), ('"@method"', "POST"), ('"@path"', "/foo"),
            ('"@authority"', "example.com"), ('"content-type"', "application/json"), ('"content-length"', "18"),
        ],
        parameters,
    )  # fmt: skip
    expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    assert base64.b64encode(key.sign(base)).decode() == expected  # type: ignore[union-attr, call-arg]


def test_content_digest_is_that_of_rfc_9530_appendix_d() -> None:
    seen = signature.content_digest(b'{"hello": "world"}\n')
    assert seen == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_what_was_signed_verifies() -> None:
    signed = signature.verify(EXCHANGE, INPUT, SIGNATURE, SIGNER.public, NOW)
    assert (signed.exchange, signed.created, signed.key) == (EXCHANGE, NOW, SIGNER.public)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"}, {"path": "/v1/model"}, {"request_digest": signature.content_digest(b"other")},
        {"nonce": "m" * 22}, {"status": 400}, {"answer_digest": signature.content_digest(b"Answer")}, {"model": "6" * 64},
    ],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
def test_every_part_of_the_exchange_is_bound(change: dict[str, object]) -> None:
    with pytest.raises(ExchangeRefused, match="not the one the guard gave"):
        signature.verify(replace(EXCHANGE, **change), INPUT, SIGNATURE, SIGNER.public, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [-301, 301, 86400, -(10**9)])
def test_an_answer_of_another_time_is_refused(late: int) -> None:
    with pytest.raises(ExchangeRefused, match="was signed"):
        signature.verify(EXCHANGE, INPUT, SIGNATURE, SIGNER.public, NOW + late)


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_five_minutes_of_skew_are_allowed(late: int) -> None:
    assert signature.verify(EXCHANGE, INPUT, SIGNATURE, SIGNER.public, NOW + late).created == NOW


def test_another_guard_key_is_refused() -> None:
    with pytest.raises(ExchangeRefused, match="another key"):
        signature.verify(EXCHANGE, INPUT, SIGNATURE, generate("guard").public, NOW)


def test_a_key_of_another_use_is_refused_even_where_its_bytes_fit() -> None:
    with pytest.raises(ExchangeRefused, match="another key"):
        signature.verify(EXCHANGE, INPUT, SIGNATURE, replace(SIGNER.public, use="statement"), NOW)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("", ""),
        (INPUT, ""),
        ("", SIGNATURE),
        (INPUT + ";expires=1", SIGNATURE),
        (INPUT.replace("ed25519", "hmac-sha256"), SIGNATURE),
        (INPUT.replace(' "content-digest"', "", 1), SIGNATURE),
        (INPUT.replace(signature.TAG, "another/profile"), SIGNATURE),
        (f"{INPUT}, {INPUT}", SIGNATURE),
        (INPUT, f"{SIGNATURE}, {SIGNATURE}"),
        (INPUT, SIGNATURE[:-3] + ":"),
        (INPUT + "\n", SIGNATURE),
        (re.sub("created=[0-9]+", "created=0", INPUT), SIGNATURE),
        (re.sub("created=[0-9]+", "created=" + "9" * 400, INPUT), SIGNATURE),
    ],
    ids=range(13),  # the key is fresh in every process
)
def test_any_other_form_is_refused(given: str, value: str) -> None:
    with pytest.raises(ExchangeRefused, match="not signed in the form"):
        signature.verify(EXCHANGE, given, value, SIGNER.public, NOW)


@given(st.text(max_size=400), st.text(max_size=120))
def test_text_from_a_stranger_is_refused_and_nothing_else(given_: str, value: str) -> None:
    with pytest.raises(ExchangeRefused):
        signature.verify(EXCHANGE, given_, value, SIGNER.public, NOW)


@given(st.integers(0, 63), st.integers(1, 255))
def test_every_bit_of_the_signature_counts(at: int, mask: int) -> None:
    raw = bytearray(base64.b64decode(SIGNATURE.split(":")[1]))
    raw[at] ^= mask
    changed = f"{signature.LABEL}=:{base64.b64encode(raw).decode()}:"
    with pytest.raises(ExchangeRefused):
        signature.verify(EXCHANGE, INPUT, changed, SIGNER.public, NOW)
