"""Endorsement keys: who is vouched for by a maker's root, and everything that only looks like it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countermark.cli import _broker_tpm
from countermark.errors import CountermarkError, SignatureRefused, TrustRefused, Unusable
from countermark.keys import ek_certificate
from countermark.keys.ek_certificate import EK_CERTIFICATE, MOST_DEPTH, read, roots_of, vouched

NOW = datetime(2027, 1, 1, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey


def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)] if text else [])


def made(
    subject: str, mine: Key, issuer: str, by: Key, *, ca: bool, uses: tuple[str, ...] = (EK_CERTIFICATE,), length: int | None = None,
    begin: datetime = NOW - timedelta(days=9), end: datetime = NOW + timedelta(days=9), sign: bool = True, critical: Any = None,
) -> x509.Certificate:  # fmt: skip
    new = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(mine.public_key())
    new = new.serial_number(77).not_valid_before(begin).not_valid_after(end)
    new = new.add_extension(x509.BasicConstraints(ca, length), critical=True)
    if ca:
        new = new.add_extension(
            x509.KeyUsage(False, False, False, False, False, sign, True, False, False), critical=True
        )
    elif uses:
        new = new.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(use) for use in uses]), critical=False)
    if critical:
        new = new.add_extension(critical, critical=True)
    return new.sign(by, hashes.SHA256())


def point(of: Key) -> bytes:
    return of.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


ROOT, MIDDLE, EK = key(), key(), key()
root = made("Maker Root", ROOT, "Maker Root", ROOT, ca=True, length=1)
middle = made("Maker 7", MIDDLE, "Maker Root", ROOT, ca=True, length=0)
leaf = made("", EK, "Maker 7", MIDDLE, ca=False)


def test_a_chain_to_a_root_vouches() -> None:
    found = vouched(point(EK), [leaf, middle], [root], NOW)
    assert (found.root, found.issuer, found.serial, found.depth) == ("CN=Maker Root", "CN=Maker 7", "4d", 3)
    direct = made("", EK, "Maker Root", ROOT, ca=False)
    assert vouched(point(EK), [direct], [made("Other", key(), "Other", key(), ca=True), root], NOW).depth == 2


def test_the_program_says_who_vouches_or_that_nobody_does(tmp_path: Path) -> None:
    folder = tmp_path / "roots"
    folder.mkdir()
    (folder / "maker.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (tmp_path / "ek.crt").write_bytes(
        made("", EK, "Maker 7", MIDDLE, ca=False, begin=datetime(2020, 1, 1), end=datetime(2099, 1, 1)).public_bytes(
            Encoding.DER
        )
    )
    (tmp_path / "between.pem").write_bytes(
        made(
            "Maker 7", MIDDLE, "Maker Root", ROOT, ca=True, begin=datetime(2020, 1, 1), end=datetime(2099, 1, 1)
        ).public_bytes(Encoding.PEM)
    )
    lasting = made(
        "Maker Root", ROOT, "Maker Root", ROOT, ca=True, begin=datetime(2020, 1, 1), end=datetime(2099, 1, 1)
    )
    (folder / "maker.pem").write_bytes(lasting.public_bytes(Encoding.PEM))
    files = (tmp_path / "ek.crt", tmp_path / "between.pem")
    assert _broker_tpm._vouched(point(EK), files, folder) == "CN=Maker Root (3 certificates, serial 4d)"
    assert _broker_tpm._vouched(point(EK), (), None) is None
    for given, where in ((files, None), ((), folder)):
        with pytest.raises(Unusable, match="belong together"):
            _broker_tpm._vouched(point(EK), given, where)
    with pytest.raises(Unusable, match="0 files of roots"):
        roots_of(tmp_path / "none")


theirs = key()
NOT_FIT = {
    "another key's": [made("", theirs, "Maker 7", MIDDLE, ca=False), middle],
    "no certificate between": [leaf],
    "signed by somebody of that name": [made("", EK, "Maker 7", theirs, ca=False), middle],
    "between is no CA": [leaf, made("Maker 7", MIDDLE, "Maker Root", ROOT, ca=False)],
    "between may not sign certificates": [leaf, made("Maker 7", MIDDLE, "Maker Root", ROOT, ca=True, sign=False)],
    "between has ended": [leaf, made("Maker 7", MIDDLE, "Maker Root", ROOT, ca=True, end=NOW - timedelta(days=1))],
    "between is signed by another root": [leaf, made("Maker 7", MIDDLE, "Maker Root", theirs, ca=True)],
    "ended": [made("", EK, "Maker 7", MIDDLE, ca=False, end=NOW - timedelta(days=1)), middle],
    "not begun": [made("", EK, "Maker 7", MIDDLE, ca=False, begin=NOW + timedelta(days=1)), middle],
    "for something else": [made("", EK, "Maker 7", MIDDLE, ca=False, uses=("1.3.6.1.5.5.7.3.1",)), middle],
    "for nothing that it says": [made("", EK, "Maker 7", MIDDLE, ca=False, uses=()), middle],
    "a CA's": [made("", EK, "Maker 7", MIDDLE, ca=True), middle],
    "critical and unknown": [
        made(
            "",
            EK,
            "Maker 7",
            MIDDLE,
            ca=False,
            critical=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"),
        ),
        middle,
    ],
    "names constrained": [
        leaf,
        made("Maker 7", MIDDLE, "Maker Root", ROOT, ca=True, critical=x509.NameConstraints(None, [x509.DNSName("x")])),
    ],
    "one more between than the root allows": [
        made("", EK, "Maker 8", theirs, ca=False),
        made("Maker 8", theirs, "Maker 7", MIDDLE, ca=True),
        middle,
    ],
}


@pytest.mark.parametrize("what", NOT_FIT)
def test_what_only_looks_like_it_is_refused(what: str) -> None:
    with pytest.raises(TrustRefused):
        vouched(point(EK), NOT_FIT[what], [root], NOW)


def test_chains_are_bounded() -> None:
    keys = [key() for _ in range(MOST_DEPTH)]
    wide = made("Maker Root", ROOT, "Maker Root", ROOT, ca=True)
    names = ["Maker Root", *(f"CA {n}" for n in range(1, MOST_DEPTH))]
    signers = [ROOT, *keys]
    between = [made(names[n], signers[n], names[n - 1], signers[n - 1], ca=True) for n in range(1, MOST_DEPTH)]
    last = made("", EK, names[-1], signers[MOST_DEPTH - 1], ca=False)
    with pytest.raises(TrustRefused, match="no root"):
        vouched(point(EK), [last, *between], [wide], NOW)
    assert vouched(point(EK), [last, *between], [between[0]], NOW).depth == MOST_DEPTH
    loop = [made("A", keys[0], "A", keys[0], ca=True)] * 8
    with pytest.raises(TrustRefused, match="no root"):
        vouched(point(EK), [made("", EK, "A", keys[0], ca=False), *loop], [wide], NOW)
    with pytest.raises(SignatureRefused, match="holds too much"):
        read(leaf.public_bytes(Encoding.PEM) * 9, "ek")


def test_every_changed_byte_is_refused() -> None:
    dice, good = random.Random(3), leaf.public_bytes(Encoding.DER)
    for _ in range(400):
        bent = bytearray(good)
        bent[dice.randrange(len(bent))] ^= 1 << dice.randrange(8)
        with pytest.raises(CountermarkError):
            vouched(point(EK), [*read(bytes(bent), "ek"), middle], [root], NOW)
    for junk in (b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(SignatureRefused):
            read(junk, "ek")
    assert ek_certificate.MOST_FILE < 1 << 20
