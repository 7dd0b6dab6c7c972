"""What our OMS reading refuses, one test for each weakness that the reference has or had."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from countermark import dsse
from countermark.errors import CountermarkError, SignatureRefused, StatementRefused, TreeRefused
from countermark.statement import oms
from countermark.statement.oms_keys import KeyTrust

PRIVATE = ec.derive_private_key(7, ec.SECP256R1())
PEM = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
FILES = {"a/x": "11" * 32, "a.txt": "22" * 32, "b": "33" * 32}
TRUST = KeyTrust(PEM)
Change = Callable[[dict[str, Any]], Any]


def _ecdsa(message: bytes) -> bytes:
    return PRIVATE.sign(message, ec.ECDSA(hashes.SHA256()))


def _bundle(change: Change = lambda s: None) -> bytes:
    """A bundle whose statement was changed before signing: what a hostile signer can make."""
    value = json.loads(oms.statement(FILES.items(), name="model"))
    change(value)
    return oms.sign(json.dumps(value).encode(), sign=_ecdsa, spki_pem=PEM)


def _altered(change: Change) -> bytes:
    """A bundle changed after signing: what anybody can make."""
    value = json.loads(_bundle())
    change(value)
    return json.dumps(value).encode()


def _rename(statement: dict[str, Any], name: Any) -> None:
    statement["predicate"]["resources"][0]["name"] = name


def test_files_are_listed_by_path_components() -> None:
    manifest = oms.verify(_bundle(), TRUST)
    assert list(manifest.resources) == ["a/x", "a.txt", "b"]
    assert manifest.compare(FILES) is manifest


@pytest.mark.parametrize(
    "name",
    ["../outside.py", "a/../../x", "/etc/passwd", "", ".", "..", "a//b", "a/./b", "a/", "c:x", "a:0:10", "a\\b",
     "a\x00b", "a\nb", "x" * 5000, "\ud800", None, 7, ["a"]],
)  # fmt: skip
def test_names_that_could_leave_the_model(name: Any) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(_bundle(lambda s: _rename(s, name)), TRUST)
    with pytest.raises(StatementRefused):
        oms.statement([("fine", "11" * 32), (name, "11" * 32)], name="model")


@pytest.mark.parametrize("again", ["a.txt", "b"])
def test_a_name_listed_twice(again: str) -> None:
    with pytest.raises(StatementRefused, match="twice"):
        oms.verify(_bundle(lambda s: _rename(s, again)), TRUST)


def test_names_that_differ_only_in_unicode_form() -> None:
    with pytest.raises(StatementRefused, match="twice"):
        oms.statement([("\u00e9", "11" * 32), ("e\u0301", "22" * 32)], name="model")


def test_a_statement_over_nothing() -> None:
    with pytest.raises(StatementRefused, match="signs nothing"):
        oms.verify(_bundle(lambda s: s["predicate"].update(resources=[])), TRUST)
    with pytest.raises(StatementRefused, match="signs nothing"):
        oms.statement([], name="model")


@pytest.mark.parametrize("ignored", [".", "", "./", "..", "../x", "/", "/tmp", 3])
def test_ignoring_the_whole_model(ignored: Any) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(_bundle(lambda s: s["predicate"]["serialization"].update(ignore_paths=[ignored])), TRUST)


def test_the_verifier_decides_what_may_be_unsigned() -> None:
    manifest = oms.verify(_bundle(lambda s: s["predicate"]["serialization"].update(ignore_paths=[".git"])), TRUST)
    files = {**FILES, ".git/hooks/evil": "00" * 32}
    with pytest.raises(TreeRefused, match="not those"):
        manifest.compare(files)
    manifest.compare(files, exclude=oms.GIT_PATHS)
    with pytest.raises(TreeRefused):  # leaving out never covers a signed file that changed
        manifest.compare({**files, "b": "00" * 32}, exclude=["b"])
    with pytest.raises(TreeRefused) as refused:
        manifest.compare({**files, ".gitmodules": "00" * 32}, exclude=oms.GIT_PATHS)
    assert ".gitmodules" in str(refused.value)


def test_the_message_names_the_files() -> None:
    manifest = oms.verify(_bundle(), TRUST)
    with pytest.raises(TreeRefused) as refused:
        manifest.compare({"a/x": "00" * 32, "a.txt": "22" * 32, "new": "00" * 32})
    assert "changed: a/x; missing: b; never signed: new" in str(refused.value)


def test_every_signature_counts() -> None:
    def add(value: dict[str, Any], sig: bytes) -> None:
        value["dsseEnvelope"]["signatures"].append({"sig": base64.b64encode(sig).decode(), "keyid": ""})

    stranger = ec.generate_private_key(ec.SECP256R1())
    message = dsse.pae(dsse.IN_TOTO, base64.b64decode(json.loads(_bundle())["dsseEnvelope"]["payload"]))
    oms.verify(_altered(lambda v: add(v, _ecdsa(message))), TRUST)
    for bad in (b"junk", _ecdsa(b"something else"), stranger.sign(message, ec.ECDSA(hashes.SHA256()))):
        with pytest.raises(SignatureRefused, match="every one must"):
            oms.verify(_altered(lambda v, bad=bad: add(v, bad)), TRUST)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"),
        lambda v: v.update(extra=1),
        lambda v: v.pop("dsseEnvelope"),
        lambda v: v.update(dsseEnvelope=[]),
        lambda v: v.update(verificationMaterial={}),
        lambda v: v["verificationMaterial"].update(x509CertificateChain={}),
        lambda v: v["verificationMaterial"]["publicKey"].update(hint=""),
        lambda v: v["verificationMaterial"]["publicKey"].update(hint="00" * 32),
        lambda v: v["verificationMaterial"]["publicKey"].update(hint=7),
        lambda v: v["verificationMaterial"].update(publicKey="key"),
        lambda v: v["verificationMaterial"].update(publicKey={"rawBytes": "AAAA"}),
        lambda v: v["dsseEnvelope"].update(payloadType="text/plain"),
        lambda v: v["dsseEnvelope"].update(signatures=[]),
        lambda v: v["dsseEnvelope"].update(payload="!"),
        lambda v: v["dsseEnvelope"].update(payload=base64.b64encode(b"{}").decode()),
    ],
)
def test_bundles_changed_after_signing(change: Change) -> None:
    with pytest.raises((StatementRefused, SignatureRefused)):
        oms.verify(_altered(change), TRUST)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda s: s.update(predicateType="https://example.com/other"),
        lambda s: s.update(predicateType=oms.LEGACY_PREDICATE_TYPE),
        lambda s: s.update(subject=[]),
        lambda s: s.update(subject=s["subject"] * 2),
        lambda s: s["subject"][0]["digest"].update(sha256="00" * 32),
        lambda s: s["subject"][0].update(name=["x"]),
        lambda s: s["predicate"].update(more=1),
        lambda s: s["predicate"]["serialization"].update(allow_symlinks=True),
        lambda s: s["predicate"]["serialization"].update(allow_symlinks="false"),
        lambda s: s["predicate"]["serialization"].update(method="magic"),
        lambda s: s["predicate"]["serialization"].update(hash_type="md5"),
        lambda s: s["predicate"]["serialization"].update(hash_type=["sha256"]),
        lambda s: s["predicate"]["serialization"].update(shard_size=10),
        lambda s: s["predicate"]["serialization"].update(ignore_paths="x"),
        lambda s: s["predicate"]["serialization"].update(more=1),
        lambda s: s["predicate"]["resources"][0].update(algorithm="blake3"),
        lambda s: s["predicate"]["resources"][0].update(digest="11"),
        lambda s: s["predicate"]["resources"][0].update(digest="AA" * 32),
        lambda s: s["predicate"]["resources"].reverse(),
        lambda s: s["predicate"]["resources"].append(7),
    ],
)
def test_statements_of_a_hostile_signer(change: Change) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(_bundle(change), TRUST)


SHARDS = {"a:0:10": "11" * 32, "a:10:13": "22" * 32, "b/c:0:4": "33" * 32}


def _sharded(names: dict[str, str] | None = None, size: Any = 10.0, algorithm: str = "sha256-sharded-10") -> bytes:
    """A bundle over shards, as a hostile signer can make it; the reference writes the size as a float."""

    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["serialization"] |= {"method": "shards", "shard_size": size}
        resources = [{"name": n, "algorithm": algorithm, "digest": d} for n, d in (names or SHARDS).items()]
        statement["predicate"]["resources"] = resources
        root = hashlib.sha256(b"".join(bytes.fromhex(r["digest"]) for r in resources)).hexdigest()
        statement["subject"][0]["digest"]["sha256"] = root

    return _bundle(change)


def test_shards_are_held_against_shards() -> None:
    manifest = oms.verify(_sharded(), TRUST)
    assert manifest.serialization.shard_size == 10 and manifest.compare(SHARDS)
    ours = oms.verify(
        oms.sign(oms.statement(SHARDS.items(), name="model", shard_size=10), sign=_ecdsa, spki_pem=PEM), TRUST
    )
    assert ours.resources == manifest.resources
    for changed in (SHARDS | {"a:10:13": "44" * 32}, SHARDS | {"empty:0:0": "55" * 32}, {"a:0:10": "11" * 32}):
        with pytest.raises(TreeRefused):
            manifest.compare(changed)
    assert manifest.compare(SHARDS | {"notes/x:0:3": "66" * 32}, exclude=["notes"])


@pytest.mark.parametrize(
    "names",
    [["a:0:10", "a:11:13"], ["a:0:10", "a:9:13"], ["a:1:10"], ["a:0:11"], ["a:0:9", "a:9:13"], ["a:0:0"], ["a:0"], ["a"],
     ["a:0:10", "a:10:20", "a:10:20 "], ["a:00:10"], ["a:0:+9"], ["../a:0:10"], ["a:b:0:10"], [":0:10"], ["a:-1:10"],
     ["a:0:10", "b\u0041\u030a:0:10", "b\u00c5:0:10"]],
)  # fmt: skip
def test_shards_with_gaps_overlaps_or_strange_names(names: list[str]) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(_sharded(dict.fromkeys(names, "11" * 32)), TRUST)


@pytest.mark.parametrize("size", [0, -1, 10.5, True, "10", None, 1e300, [10]])
def test_shard_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(_sharded(size=size), TRUST)


def test_shards_of_another_size_than_they_say() -> None:
    with pytest.raises(StatementRefused, match="not hashed with sha256-sharded-7"):
        oms.verify(_sharded(size=7), TRUST)
    with pytest.raises(StatementRefused, match="not hashed with"):
        oms.verify(_sharded(algorithm="sha256"), TRUST)


def test_duplicate_keys_in_bundle_or_payload() -> None:
    doubled = _bundle().replace(b'"mediaType"', b'"mediaType":"x","mediaType"', 1)
    with pytest.raises(StatementRefused, match="twice"):
        oms.verify(doubled, TRUST)
    payload = oms.statement(FILES.items(), name="model").replace(b'"predicate"', b'"predicate":{},"predicate"', 1)
    with pytest.raises(StatementRefused, match="twice"):
        oms.verify(oms.sign(payload, sign=_ecdsa, spki_pem=PEM), TRUST)


def test_keys_of_other_kinds() -> None:
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = edwards.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for other in (pem, b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(SignatureRefused):
            oms.verify(_bundle(), KeyTrust(other))
    with pytest.raises(SignatureRefused):
        oms.sign(b"{}", sign=lambda m: b"", spki_pem=PEM)


@given(st.integers(0, 100_000), st.integers(1, 255))
def test_one_changed_byte_never_verifies_as_something_else(place: int, flip: int) -> None:
    bundle = bytearray(_bundle())
    bundle[place % len(bundle)] ^= flip
    try:
        assert oms.verify(bytes(bundle), TRUST).resources == FILES
    except CountermarkError:
        return
