"""Public keys: which are taken, and what a signature has to be."""

from __future__ import annotations

import base64

import pytest
from core_world import private_key
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark import dsse
from countermark.errors import SignatureRefused
from countermark.keys.signer import generate, sign_envelope
from countermark.keys.verifier import MOST_TRIED, USES, PublicKey, verify_envelope

ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
# y-coordinates of the points of small order and their unreduced encodings; the sign bit may be either.
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
@pytest.mark.parametrize("use", USES)
def test_every_use_signs_and_verifies(use: str, algorithm: str) -> None:
    signer = generate(use, algorithm)  # type: ignore[arg-type]
    key = PublicKey.from_json(signer.public.to_json())
    assert key == signer.public and len(key.id) == 64
    key.verify(b"message", signer.sign(b"message"))
    for message, signature in ((b"Message", signer.sign(b"message")), (b"message", b""), (b"message", b"\0" * 64)):
        with pytest.raises(SignatureRefused, match="does not verify"):
            key.verify(message, signature)


@pytest.mark.parametrize("sign", [0, 0x80])
@pytest.mark.parametrize("encoded", SMALL_ORDER, ids=lambda e: e[:6])
def test_a_key_that_verifies_everybodys_signatures_is_refused(encoded: str, sign: int) -> None:
    raw = bytearray.fromhex(encoded)
    raw[31] |= sign
    with pytest.raises(SignatureRefused, match="small order"):
        PublicKey.from_spki("statement", ED25519_SPKI + bytes(raw))


def test_one_key_has_one_encoding_and_so_one_id() -> None:
    """A compressed point would give the same private key a second id, and with it a second use."""
    public = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    with pytest.raises(SignatureRefused, match="canonical"):
        PublicKey.from_spki("statement", compressed)


def _spki(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "spki",
    [
        b"", b"\x30", b"\x30\x80" * 300, b"\0" * 2000, ED25519_SPKI + b"\x01" * 31, ED25519_SPKI + b"\x09" * 33,
        _spki(ec.derive_private_key(7, ec.SECP192R1()).public_key()),
        _spki(rsa.generate_private_key(65537, 2048).public_key()),
    ],
    ids=["empty", "cut", "indefinite", "long", "short-key", "trailing", "p192", "rsa"],
)  # fmt: skip
def test_other_keys_are_refused(spki: bytes) -> None:
    with pytest.raises(SignatureRefused):
        PublicKey.from_spki("statement", spki)


@pytest.mark.parametrize(
    "change",
    [{"use": "anything"}, {"use": None}, {"algorithm": "ecdsa-p256"}, {"algorithm": None}, {"spki": 3}, {"spki": "!"},
     {"spki": "\u00e9"}, {"more": 1}],
    ids=str,
)  # fmt: skip
def test_malformed_key_objects_are_refused(change: dict[str, object]) -> None:
    value: dict[str, object] = {**generate("statement").public.to_json()}
    with pytest.raises(SignatureRefused):
        PublicKey.from_json(value | change)
    with pytest.raises(SignatureRefused):
        PublicKey.from_json([])


def test_only_an_ed25519_key_has_raw_bytes() -> None:
    assert len(generate("ledger").public.raw()) == 32
    with pytest.raises(SignatureRefused, match="Ed25519"):
        generate("ledger", "ecdsa-p256").public.raw()
    assert generate("oms", "ecdsa-p256").public.pem().startswith(b"-----BEGIN PUBLIC KEY-----")


def test_all_signatures_by_known_keys_must_verify() -> None:
    one, other = private_key("one", "statement"), private_key("other", "statement")
    known = {s.public.id: s.public for s in (one, other)}
    envelope = sign_envelope("type", b"payload", [one, other])
    assert verify_envelope(envelope, known) == set(known)
    bad = dsse.Signature(other.public.id, one.sign(b"something else"))
    with pytest.raises(SignatureRefused, match="does not verify"):
        verify_envelope(dsse.Envelope("type", b"payload", (envelope.signatures[0], bad)), known)


def test_a_lone_signature_needs_no_keyid_and_one_that_names_nobody_is_not_tried() -> None:
    one, other = private_key("one", "statement"), private_key("other", "statement")
    signature = one.sign(dsse.pae("type", b"payload"))
    lone = dsse.Envelope("type", b"payload", (dsse.Signature("", signature),))
    assert verify_envelope(lone, {one.public.id: one.public}) == {one.public.id}
    crowd = {str(n): other.public for n in range(MOST_TRIED)} | {one.public.id: one.public}
    named = [dsse.Envelope("type", b"payload", (dsse.Signature(hint, signature),)) for hint in ("nobody", "0" * 64)]
    two = dsse.Envelope("type", b"payload", (*lone.signatures, *lone.signatures))
    for envelope, keys in ((lone, {other.public.id: other.public}), (lone, crowd), (two, {one.public.id: one.public}),
                           *((each, {one.public.id: one.public}) for each in named)):  # fmt: skip
        with pytest.raises(SignatureRefused, match="no signature by a key that counts"):
            verify_envelope(envelope, keys)


def test_junk_beside_a_signature_is_never_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red team: 63 junk signatures made each of 40 keys verify 63 times."""
    one = private_key("one", "statement")
    keys = {s.public.id: s.public for s in (one, *(private_key(f"party {n}", "statement") for n in range(39)))}
    tried: list[str] = []
    verify = PublicKey.verify

    def counted(key: PublicKey, message: bytes, signature: bytes) -> None:
        tried.append(key.id)
        verify(key, message, signature)

    monkeypatch.setattr(PublicKey, "verify", counted)
    good = sign_envelope("type", b"payload", [one])
    for hint in ("", "stranger"):
        junk = tuple(dsse.Signature(hint, bytes([n]) * 64) for n in range(63))
        tried.clear()
        assert verify_envelope(dsse.Envelope("type", b"payload", (*junk, *good.signatures)), keys) == {one.public.id}
        assert tried == [one.public.id]
    tried.clear()
    with pytest.raises(SignatureRefused, match="name the same key"):
        verify_envelope(dsse.Envelope("type", b"payload", good.signatures * 64), keys)
    assert tried == []


def test_unknown_signers_never_count() -> None:
    one, stranger = private_key("one", "statement"), private_key("stranger", "statement")
    envelope = sign_envelope("type", b"payload", [stranger, one, stranger])
    assert verify_envelope(envelope, {one.public.id: one.public}) == {one.public.id}
    with pytest.raises(SignatureRefused):
        verify_envelope(envelope, {})


def test_the_payload_type_is_signed() -> None:
    one = private_key("one", "statement")
    envelope = sign_envelope("type", b"payload", [one])
    moved = dsse.Envelope("typepayload", b"", envelope.signatures)
    for forged in (dsse.Envelope("other", b"payload", envelope.signatures), moved):
        with pytest.raises(SignatureRefused):
            verify_envelope(forged, {one.public.id: one.public})


def test_spki_in_json_is_standard_base64() -> None:
    signer = generate("statement")
    assert base64.b64decode(signer.public.to_json()["spki"], validate=True) == signer.public.spki
