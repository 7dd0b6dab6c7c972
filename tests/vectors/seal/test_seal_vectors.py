"""Sealed files of version 1 open for ever; and a second implementation, written from the format's page, reads the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
from pathlib import Path
from typing import Any

import blake3
import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from countermark import dsse
from countermark.lifecycle import seal, seal_recipe
from countermark.seal import fields, keyfile, passphrase
from countermark.seal.manifest import by_keys, key_of_pem
from countermark.seal.stanza import Identity

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[2] / "docs" / "reference" / "formats" / "schemas"
EXPECTED = {path: bytes.fromhex(data) for path, data in json.loads((HERE / "expected.json").read_text()).items()}
SEALER = hashlib.sha256(
    load_pem_public_key((HERE / "owner.pub").read_bytes()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).hexdigest()
WORDS = b"a passphrase for tests only"


@pytest.fixture
def reader() -> seal.Reader:
    return seal.Reader(by_keys([key_of_pem((HERE / "owner.pub").read_bytes())]))


def private(name: str, tmp_path: Path) -> Identity:
    """A key of the vectors, as private as key files must be."""
    copy = tmp_path / name
    shutil.copy(HERE / name, copy)
    copy.chmod(0o600)
    return keyfile.load(copy)


@pytest.mark.parametrize("name", ["xwing", "p256", "words"])
def test_version_1_opens(name: str, tmp_path: Path, reader: seal.Reader) -> None:
    mine: Identity = passphrase.PassphraseIdentity(WORDS) if name == "words" else private(f"{name}.sealkey", tmp_path)
    sealed = HERE / ("words-v1.cmsealed" if name == "words" else "keys-v1.cmsealed")
    seal.check(sealed, reader)
    with seal.opened(sealed, reader, mine, kind="other") as files:
        assert {path: files.content(path) for path in files.paths} == EXPECTED


def payload(name: str) -> dict[str, Any]:
    """What an envelope holds, its signature verified by hand, which is its sealer's where it names one."""
    envelope = json.loads((HERE / name).read_text())
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    key = load_pem_public_key((HERE / "owner.pub").read_bytes())
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)  # type: ignore[union-attr, call-arg]
    said: dict[str, Any] = json.loads(body)
    assert said.get("sealer", SEALER) == SEALER == envelope["signatures"][0]["keyid"]
    return said


def tree(leaves: list[bytes], new: Any) -> bytes:
    """RFC 6962, recursively, as the text has it."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    out: bytes = new(b"\x31" + tree(leaves[:split], new) + tree(leaves[split:], new)).digest()
    return out


def expanded(content_key: bytes, asset: bytes, suite: bytes, sealer: bytes) -> tuple[bytes, bytes]:
    """HKDF by hand (RFC 5869)."""
    prk, info = hmac.digest(asset, content_key, "sha256"), b"countermark/seal/v1" + suite + sealer
    one = hmac.digest(prk, info + b"\1", "sha256")
    return one, hmac.digest(prk, one + info + b"\2", "sha256")


def unwrapped(stanza: dict[str, Any], prelude: bytes) -> bytes:
    """The content key, from the page's words alone."""
    name = stanza["recipient"].encode()
    bound = prelude[24:88] + len(name).to_bytes(2, "big") + name + bytes.fromhex(stanza["licence"])
    wrapped = base64.b64decode(stanza["wrapped"])
    if stanza["kind"] == "passphrase":
        salt, log_n = base64.b64decode(stanza["parameters"]["salt"]), stanza["parameters"]["log-n"]
        kek = hashlib.scrypt(WORDS, salt=salt, n=1 << log_n, r=8, p=1, maxmem=1 << 28, dklen=32)
        return AESGCM(kek).decrypt(bytes(12), wrapped, b"countermark/seal/passphrase/v1\0" + bound)
    key = load_pem_private_key((HERE / "p256.sealkey").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    return suite.decrypt(wrapped, key, b"countermark/seal/hpke/v1\0" + bound)


@pytest.mark.parametrize(("name", "kind"), [("keys-v1", "hpke-p256"), ("words-v1", "passphrase")])
def test_the_page_is_enough_to_read_one(name: str, kind: str) -> None:
    whole = (HERE / f"{name}.cmsealed").read_bytes()
    manifest, listed = payload(f"{name}.cmsealed.manifest"), payload(f"{name}.cmsealed.recipients")
    prelude = whole[:120]
    assert (
        prelude.hex() == manifest["prelude"]
        and prelude[88:].hex() == manifest["sealer"] == SEALER
        and len(whole) == manifest["size"]
    )
    suite, chunk, chunks = prelude[10:12], int.from_bytes(prelude[12:16], "big"), int.from_bytes(prelude[16:24], "big")
    table = whole[len(whole) - 32 * chunks :]
    new: Any = blake3.blake3 if manifest["hash"] == "blake3" else hashlib.sha256
    body = whole[120 : len(whole) - len(table)]
    pieces = [body[at : at + chunk + 16] for at in range(0, len(body), chunk + 16)]
    leaves = [new(b"\x30" + piece).digest() for piece in pieces]
    assert b"".join(leaves) == table and tree(leaves, new).hex() == manifest["root"] and len(pieces) == chunks
    (stanza,) = (s for s in listed["recipients"] if s["kind"] == kind)
    key, commit = expanded(unwrapped(stanza, prelude), prelude[24:56], suite, prelude[88:])
    assert commit == prelude[56:88] and listed["commit"] == commit.hex()
    cipher, aad = (AESGCM, ChaCha20Poly1305)[suite == b"\0\2"](key), hashlib.sha256(prelude).digest()
    plain = [cipher.decrypt(i.to_bytes(11, "big") + bytes([i == chunks - 1]), p, aad) for i, p in enumerate(pieces)]
    length = int.from_bytes(plain[0][:4], "big")
    header = json.loads(plain[0][4 : 4 + length])
    files = plain[0][4 + length : 4 + length + header["index"]].decode().splitlines()
    data, found, at = b"".join(plain[1:]), {}, 0
    for line in files:
        path, size, _, _ = json.loads(line)
        found[path], at = data[at : at + size], at + size
    assert found == EXPECTED
    told = bytes.fromhex(header["salt"] + SEALER + header["tree"])
    assert hashlib.sha256(b"countermark/seal/tree/v1\0" + told).hexdigest() == manifest["tree"]


def test_fields_of_version_1_open(tmp_path: Path, reader: seal.Reader) -> None:
    document, openings = seal_recipe.opened(HERE / "recipe-v1.cmfields", reader, private("xwing.sealkey", tmp_path))
    assert fields.joined(openings) == {"train": {"learning_rate": 0.01, "epochs": 3}}
    assert len(fields.opened(document, private("p256.sealkey", tmp_path))) == 1


def test_the_page_is_enough_to_check_what_is_told_of_a_field(tmp_path: Path, reader: seal.Reader) -> None:
    said = payload("recipe-v1.cmfields")
    told = {
        one.path: one
        for one in seal_recipe.opened(HERE / "recipe-v1.cmfields", reader, private("xwing.sealkey", tmp_path))[1]
    }
    for one in said["fields"]:
        opening = told[tuple(one["path"])]
        text = json.dumps({"path": one["path"], "value": opening.value}, separators=(",", ":")).encode()
        salted = b"countermark/seal/field/v1\0" + opening.salt + bytes.fromhex(SEALER) + text
        assert hashlib.sha256(salted).hexdigest() == one["digest"]
    assert {bytes.fromhex(group["prelude"])[88:].hex() for group in said["groups"]} == {SEALER}


@pytest.mark.parametrize(("schema", "name"), [
    ("sealed-manifest", "keys-v1.cmsealed.manifest"), ("sealed-manifest", "words-v1.cmsealed.manifest"),
    ("seal-recipients", "keys-v1.cmsealed.recipients"), ("seal-recipients", "words-v1.cmsealed.recipients"),
    ("sealed-fields", "recipe-v1.cmfields"),
])  # fmt: skip
def test_golden_files_fit_their_schemas(schema: str, name: str) -> None:
    rules = json.loads((SCHEMAS / f"{schema}.schema.json").read_text())
    said = json.loads(dsse.Envelope.from_bytes((HERE / name).read_bytes()).payload)
    jsonschema.Draft202012Validator(rules).validate(said)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**said, "more": 1}, rules)


def test_the_pages_example_is_the_golden_manifest() -> None:
    page = (SCHEMAS.parent / "sealed.md").read_text()
    assert dsse.Envelope.from_bytes((HERE / "keys-v1.cmsealed.manifest").read_bytes()).payload.decode() in page
