"""Our RFC 9180 opening against the RFC's vectors, against `cryptography`, and against what is not for us."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import TrustRefused
from countermark.keys import hpke_p256

VECTOR = json.loads((Path(__file__).parents[2] / "vectors/keys/hpke-p256.json").read_text())
SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class Pair:
    def __init__(self, secret: int = 7_777_777) -> None:
        self.private = ec.derive_private_key(secret, ec.SECP256R1())
        self.public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.asked = 0

    def agree(self, sender: bytes) -> bytes:
        self.asked += 1
        return self.private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))


PAIR = Pair()
SEALED = hpke_p256.seal(bytes(range(32)), PAIR.public, b"purpose")


def test_the_vector_of_the_rfc_holds_step_by_step() -> None:
    pair = Pair(int(VECTOR["skRm"], 16))
    assert pair.public.hex() == VECTOR["pkRm"]
    shared = hpke_p256.decapsulate(bytes.fromhex(VECTOR["enc"]), pair.public, pair.agree)
    assert shared.hex() == VECTOR["shared_secret"]
    key, nonce = hpke_p256.schedule(shared, bytes.fromhex(VECTOR["info"]))
    assert (key.hex(), nonce.hex()) == (VECTOR["key"], VECTOR["base_nonce"])
    (one,) = VECTOR["encryptions"]
    plain = AESGCM(key).decrypt(nonce, bytes.fromhex(one["ct"]), bytes.fromhex(one["aad"]))
    assert plain.hex() == one["pt"]


@given(plain=st.binary(max_size=200), info=st.binary(max_size=200), secret=st.integers(1, 2**200))
@settings(max_examples=60, deadline=None)
def test_it_opens_what_another_implementation_sealed(plain: bytes, info: bytes, secret: int) -> None:
    pair = Pair(secret)
    assert (
        hpke_p256.open_sealed(SUITE.encrypt(plain, pair.private.public_key(), info), pair.public, pair.agree, info)
        == plain
    )
    assert SUITE.decrypt(hpke_p256.seal(plain, pair.public, info), pair.private, info) == plain


def test_every_changed_bit_is_refused() -> None:
    assert hpke_p256.open_sealed(SEALED, PAIR.public, PAIR.agree, b"purpose") == bytes(range(32))
    for at in range(8 * len(SEALED)):
        changed = bytearray(SEALED)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(TrustRefused):
            hpke_p256.open_sealed(bytes(changed), PAIR.public, PAIR.agree, b"purpose")


@pytest.mark.parametrize(
    "sealed",
    [b"", SEALED[:80], SEALED[:-1], SEALED + b"\0", bytes(1 << 17), b"\x02" + SEALED[1:]],
    ids=["nothing", "no-tag", "cut", "longer", "huge", "compressed"],
)
def test_another_length_or_form_is_refused(sealed: bytes) -> None:
    with pytest.raises(TrustRefused):
        hpke_p256.open_sealed(sealed, PAIR.public, PAIR.agree, b"purpose")


def test_another_purpose_or_key_is_refused() -> None:
    other = Pair(99)
    for public, agree, info in (
        (PAIR.public, PAIR.agree, b"other"),
        (other.public, other.agree, b"purpose"),
        (other.public, PAIR.agree, b"purpose"),
        (PAIR.public, lambda _: bytes(31), b"purpose"),
        (PAIR.public, lambda _: bytes(32), b"purpose"),
    ):
        with pytest.raises(TrustRefused):
            hpke_p256.open_sealed(SEALED, public, agree, info)


def test_a_point_off_the_curve_never_reaches_the_element() -> None:
    """The invalid-curve attack: points of small order elsewhere would give the key away bit by bit."""
    pair = Pair()
    for at in (1, 33, 64):
        bent = bytearray(SEALED)
        bent[at] ^= 1
        with pytest.raises(TrustRefused, match="does not lie on P-256"):
            hpke_p256.open_sealed(bytes(bent), pair.public, pair.agree, b"purpose")
    with pytest.raises(TrustRefused):
        hpke_p256.open_sealed(b"\x04" + bytes(64) + SEALED[65:], pair.public, pair.agree, b"purpose")
    assert pair.asked == 0


def test_data_is_not_sealed_with_it() -> None:
    with pytest.raises(TrustRefused, match="not data"):
        hpke_p256.seal(bytes(1 << 16), PAIR.public, b"")
