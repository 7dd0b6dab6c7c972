"""Key files, age and JWE: what comes from and goes to others."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from pathlib import Path

import pytest

from countermark import canonical
from countermark.errors import FormatRefused, MissingExtra, SignatureRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys.signer import generate, sign_envelope
from countermark.seal import age, hpke, jwe, keyfile, recipients
from countermark.seal.manifest import by_keys, key_of_pem
from countermark.seal.prelude import new_content_key, new_prelude
from countermark.workspace.disk import Disk


@pytest.mark.parametrize("kind", [hpke.XWING, hpke.P256])
@pytest.mark.parametrize("passphrase", [None, b"a passphrase"])
def test_private_keys_come_back(tmp_path: Path, kind: hpke.Kind, passphrase: bytes | None) -> None:
    private, path = hpke.new_private(kind), tmp_path / "a.sealkey"
    keyfile.save(path, private, passphrase, Disk())
    assert path.stat().st_mode & 0o777 == 0o600 and keyfile.protected(path) == bool(passphrase)
    assert keyfile.load(path, passphrase).public == hpke.HpkeIdentity(private).public
    with pytest.raises(Unusable):
        keyfile.load(path, b"another" if passphrase else b"needless")
    with pytest.raises(Unusable, match="exists"):
        keyfile.save(path, private, passphrase, Disk())
    path.chmod(0o644)
    with pytest.raises(Unusable, match="read by others"):
        keyfile.load(path, passphrase)


def test_a_signing_key_is_no_sealing_key(tmp_path: Path) -> None:
    generate("statement").save(tmp_path / "s.pem")
    with pytest.raises(Unusable, match="no sealing key"):
        keyfile.load(tmp_path / "s.pem")
    generate("statement", "ecdsa-p384").save(tmp_path / "p.pem")
    with pytest.raises(Unusable, match="no sealing key"):
        keyfile.load(tmp_path / "p.pem")


def test_public_halves_are_strict_and_may_be_vouched_for() -> None:
    half = keyfile.PublicHalf("plant-7", hpke.generate().public)
    data = half.to_bytes()
    assert keyfile.read_public(data, None) == (half, "")
    signer = generate("statement")
    envelope = sign_envelope(keyfile.PAYLOAD_TYPE, data, [signer]).to_bytes()
    assert keyfile.read_public(envelope, None) == (half, "")
    assert keyfile.read_public(envelope, lambda _: {"5e" * 32: "plant-7"}) == (half, "plant-7")
    assert keyfile.read_public(envelope, lambda _: {"5e" * 32: "other", "5f" * 32: "plant-7"})[1] == "plant-7"
    with pytest.raises(TrustRefused, match="signed a sealing key for plant-7"):
        keyfile.read_public(envelope, lambda _: {"5e" * 32: "plant"})
    with pytest.raises(SignatureRefused):
        keyfile.read_public(envelope, by_keys([generate("statement").public]))
    said = canonical.from_bytes(data)
    for change in ({"format": 2}, {"kind": "rsa"}, {"public": ""}, {"name": "A B"}, {"more": 1}):
        with pytest.raises((StatementRefused, FormatRefused)):
            keyfile.read_public(canonical.to_bytes({**said, **change}), None)
    with pytest.raises(SignatureRefused):
        key_of_pem(b"no key")


def test_age_keys_open_and_are_bound() -> None:
    pyrage = pytest.importorskip("pyrage")
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    key = new_content_key()
    prelude = new_prelude(key, 2, "5e" * 32)
    said = recipients.first(prelude, key, [age.AgeRecipient("a", str(mine.to_public()))], {})
    back = recipients.Recipients.from_bytes(said.to_bytes())
    assert recipients.content_key(back, prelude, age.AgeIdentity(str(mine)))[0] == key
    with pytest.raises(TrustRefused, match="nobody sealed"):
        recipients.content_key(back, prelude, age.AgeIdentity(str(other)))
    (stanza,) = said.stanzas
    for bound in (
        dataclasses.replace(stanza.bound(prelude), recipient="b"),
        stanza.bound(new_prelude(key, 2, "5e" * 32)),
    ):
        with pytest.raises(TrustRefused, match="bound to another"):
            age.AgeIdentity(str(mine)).unwrap(stanza, bound)
    broken = dataclasses.replace(stanza, wrapped=stanza.wrapped[:-1] + bytes([stanza.wrapped[-1] ^ 1]))
    with pytest.raises(TrustRefused, match="does not open"):
        age.AgeIdentity(str(mine)).unwrap(broken, stanza.bound(prelude))
    with pytest.raises(StatementRefused, match="at most"):
        age.AgeIdentity(str(mine)).unwrap(dataclasses.replace(stanza, wrapped=bytes(2000)), stanza.bound(prelude))
    assert str(mine) not in repr(age.AgeIdentity(str(mine)))


@pytest.mark.parametrize("text", ["", "age1", "age1" + "q" * 58, "ssh-ed25519 AAAA", "age1" + "q" * 57 + "\n"])
def test_what_is_no_age_recipient_is_refused(text: str) -> None:
    pytest.importorskip("pyrage")
    with pytest.raises(StatementRefused):
        age.AgeRecipient("a", text)


def test_age_and_jwe_name_their_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyrage", None)
    monkeypatch.setitem(sys.modules, "jwcrypto", None)
    with pytest.raises(MissingExtra, match="pyrage"):
        age.AgeRecipient("a", "age1" + "q" * 58)
    with pytest.raises(MissingExtra, match="jwcrypto"):
        jwe.exported(b"x", bytes(32), kid="k")


def test_a_jwe_is_what_the_library_reads() -> None:
    jwcrypto = pytest.importorskip("jwcrypto.jwe")
    from jwcrypto import jwk

    key, plain = os.urandom(32), os.urandom(100_000)
    token = jwe.exported(plain, key, kid="server-1")
    other = jwcrypto.JWE()
    other.deserialize(token.decode(), jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(key).decode().rstrip("=")))
    assert other.payload == plain == jwe.imported(token, key)
    head = json.loads(base64.urlsafe_b64decode(token.split(b".")[0] + b"=="))
    assert head == {"alg": "A256KW", "enc": "A256GCM", "typ": "JOSE", "kid": "server-1"}


def test_a_jwe_is_bounded_and_strict() -> None:
    pytest.importorskip("jwcrypto")
    key = os.urandom(32)
    token = jwe.exported(b"weights", key, kid="k")
    with pytest.raises(Unusable, match="too many"):
        jwe.exported(b"12345", key, kid="k", most=4)
    with pytest.raises(Unusable, match="32 bytes"):
        jwe.exported(b"1", key[:16], kid="k")
    parts = token.split(b".")
    none = base64.urlsafe_b64encode(b'{"alg":"dir","enc":"A256GCM"}').rstrip(b"=")
    zipped = base64.urlsafe_b64encode(b'{"alg":"A256KW","enc":"A256GCM","zip":"DEF"}').rstrip(b"=")
    for bad in (
        b"", b"....", b"a.b.c.d.e", token[:-1], token + b"A", b".".join([none, *parts[1:]]), b".".join([zipped, *parts[1:]]),
        b".".join([parts[0], parts[1], parts[2], parts[3][::-1], parts[4]]), b"." * 4 + b"x" * 10,
    ):  # fmt: skip
        with pytest.raises(FormatRefused):
            jwe.imported(bad, key)
    with pytest.raises(FormatRefused):
        jwe.imported(token, os.urandom(32))
