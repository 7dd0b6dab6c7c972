"""Released OMS bundles of every generation, the specification's own vectors, and the reference as oracle."""

from __future__ import annotations

import datetime
import hashlib
import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countermark.errors import Inconclusive, Refusal, SignatureRefused, TreeRefused
from countermark.keys.signer import load
from countermark.lifecycle import oms as stage
from countermark.statement import oms
from countermark.statement.oms_keys import CertificateTrust, KeyTrust

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
RELEASED, SPEC = VECTORS / "oms-released", VECTORS / "oms-spec" / "test-vectors" / "v1.0"
REFERENCE = Path(__file__).parents[2] / ".benchenv" / "bin" / "model_signing"
GENERATIONS = [
    "v0.2.0-certificate",
    "v0.3.1-elliptic-key",
    "v1.0.0-elliptic-key",
    "v1.1.0-certificate",
    "v1.1.0-elliptic-key",
]
LEFT_OUT = ("ignore-me", "model.sig")

needs_released = pytest.mark.skipif(not RELEASED.is_dir(), reason=f"the released bundles are not at {RELEASED}")
needs_spec = pytest.mark.skipif(not SPEC.is_dir(), reason=f"the specification's vectors are not at {SPEC}")
needs_reference = pytest.mark.skipif(
    not REFERENCE.exists(), reason=f"model-signing with pyOpenSSL is not installed at {REFERENCE}"
)


def _key() -> KeyTrust:
    return KeyTrust((RELEASED / "keys" / "signing-key-pub.pem").read_bytes())


def _root(at: str = "2026-01-01") -> CertificateTrust:
    moment = datetime.datetime.fromisoformat(at).replace(tzinfo=datetime.UTC)
    return CertificateTrust(((RELEASED / "keys" / "ca-cert.pem").read_bytes(),), moment)


def _digests(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@needs_released
@pytest.mark.parametrize("generation", GENERATIONS)
def test_released_bundles_of_every_generation_verify(generation: str) -> None:
    folder = RELEASED / generation
    trust = _root() if "certificate" in generation else _key()
    manifest = oms.verify((folder / "model.sig").read_bytes(), trust, legacy=generation.startswith("v0.2"))
    files = _digests(folder)
    assert manifest.compare(files, exclude=LEFT_OUT) is manifest
    changed = {**files, "signme-1": "0" * 64}
    with pytest.raises(TreeRefused):
        manifest.compare(changed, exclude=LEFT_OUT)
    with pytest.raises(TreeRefused, match="not those that were signed"):
        manifest.compare({**files, "evil.py": "0" * 64}, exclude=LEFT_OUT)


@needs_released
def test_what_the_signer_ignored_is_not_ignored_here() -> None:
    folder = RELEASED / "v1.1.0-elliptic-key"
    manifest = oms.verify((folder / "model.sig").read_bytes(), _key())
    assert "ignore-me" in manifest.serialization.ignored
    with pytest.raises(TreeRefused) as refused:
        manifest.compare(_digests(folder))
    assert "never signed: ignore-me, model.sig" in str(refused.value)


@needs_released
def test_the_oldest_encoding_is_taken_only_when_asked_for() -> None:
    bundle = (RELEASED / "v0.2.0-certificate" / "model.sig").read_bytes()
    with pytest.raises(SignatureRefused):
        oms.verify(bundle, _root())


@needs_released
@pytest.mark.parametrize("at", ["2024-01-01", "2040-01-01"])
def test_certificates_count_only_while_they_are_valid(at: str) -> None:
    bundle = (RELEASED / "v1.1.0-certificate" / "model.sig").read_bytes()
    with pytest.raises(SignatureRefused, match="trusted root"):
        oms.verify(bundle, _root(at))


def _stranger(moment: datetime.datetime) -> bytes:
    """A self-signed root with the name of the right one."""
    private, day = ec.generate_private_key(ec.SECP256R1()), datetime.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root-ca")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(moment - day).not_valid_after(moment + day)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@needs_released
def test_a_root_that_is_not_ours_is_refused() -> None:
    bundle = (RELEASED / "v1.1.0-certificate" / "model.sig").read_bytes()
    with pytest.raises(SignatureRefused, match="trusted root"):
        oms.verify(bundle, CertificateTrust((_stranger(_root().at),), _root().at))
    with pytest.raises(SignatureRefused, match="bare key"):
        oms.verify((RELEASED / "v1.1.0-elliptic-key" / "model.sig").read_bytes(), _root())


@needs_spec
@needs_released
def test_valid_vectors_of_the_specification() -> None:
    assert oms.verify((SPEC / "valid" / "key.bundle.json").read_bytes(), _key()).resources.keys() == {
        "signme-1",
        "signme-2",
    }
    assert oms.verify((SPEC / "valid" / "certificate.bundle.json").read_bytes(), _root()).name
    with pytest.raises(Inconclusive, match="keyless"):
        oms.verify((SPEC / "valid" / "sigstore.bundle.json").read_bytes(), _key())


@needs_spec
@needs_released
def test_invalid_vectors_of_the_specification() -> None:
    files = [*(SPEC / "invalid").iterdir(), *(SPEC / "invalid-payload").iterdir()]
    assert len(files) == 5
    for path in files:
        for trust in (_key(), _root()):
            with pytest.raises(Refusal):
                oms.verify(path.read_bytes(), trust)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Names whose order differs between code points and path components, an empty file, not only ASCII."""
    folder = tmp_path / "model"
    for name in ("a/x.bin", "a.txt", "a-b", "b/c/d", "empty", "ü.bin", "zz top"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"" if name == "empty" else os.urandom(50))
    return folder


def _private(folder: Path) -> ec.EllipticCurvePrivateKey:
    private = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "pub.pem").write_bytes(_pem(private))
    return private


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _sign(private: ec.EllipticCurvePrivateKey, payload: bytes) -> bytes:
    return oms.sign(payload, sign=lambda m: private.sign(m, ec.ECDSA(hashes.SHA256())), spki_pem=_pem(private))


def _reference(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([REFERENCE, *arguments], check=False, capture_output=True, text=True, timeout=60)


@needs_reference
def test_the_reference_verifies_our_bundles_and_refuses_changes(model: Path, tmp_path: Path) -> None:
    private = _private(tmp_path)
    payload = oms.statement(_digests(model).items(), name="model", ignored=["model.sig"])
    (model / "model.sig").write_bytes(_sign(private, payload))
    asked = ("verify", "key", model, "--signature", model / "model.sig", "--public_key", tmp_path / "pub.pem")
    assert _reference(*asked).returncode == 0
    (model / "a-b").write_bytes(b"changed")
    assert _reference(*asked).returncode != 0


@needs_reference
def test_we_verify_what_the_reference_signs(model: Path, tmp_path: Path) -> None:
    private = _private(tmp_path)
    bundle = tmp_path / "model.sig"
    done = _reference("sign", "key", model, "--signature", bundle, "--private_key", tmp_path / "key.pem")
    assert done.returncode == 0, done.stderr
    manifest = oms.verify(bundle.read_bytes(), KeyTrust(_pem(private)))
    manifest.compare(_digests(model))
    ours = oms.verify(_sign(private, oms.statement(_digests(model).items(), name="model")), KeyTrust(_pem(private)))
    assert (ours.digest, list(ours.resources.items())) == (manifest.digest, list(manifest.resources.items()))


SHARDED = """
import pathlib, sys
import model_signing
act, model, bundle, key = sys.argv[1], *map(pathlib.Path, sys.argv[2:])
hashing = model_signing.hashing.Config().use_shard_serialization(hashing_algorithm="sha256", shard_size=16)
if act == "sign":
    model_signing.signing.Config().set_hashing_config(hashing).use_elliptic_key_signer(private_key=key).sign(model, bundle)
else:
    config = model_signing.verifying.Config().set_hashing_config(hashing).use_elliptic_key_verifier(public_key=key)
    config.verify(model, bundle)
"""


@needs_reference
def test_shards_both_ways(model: Path, tmp_path: Path) -> None:
    """By its library: its command line takes no shards at all, and its library only where the caller names their size."""
    (model / "empty").unlink()
    private = _private(tmp_path)
    ours, theirs = tmp_path / "ours.sig", tmp_path / "theirs.sig"
    (tmp_path / "key.pem").chmod(0o600)
    signer = load(tmp_path / "key.pem", "oms", None)
    ours.write_bytes(stage.bundle(model, signer, shard_size=16)[0])

    def library(act: str, bundle: Path, key: str) -> int:
        command = [REFERENCE.with_name("python"), "-c", SHARDED, act, model, bundle, tmp_path / key]
        return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode

    assert library("verify", ours, "pub.pem") == 0
    assert library("sign", theirs, "key.pem") == 0
    trust = KeyTrust(_pem(private))
    manifest = oms.verify(theirs.read_bytes(), trust)
    assert stage.hold(model, manifest) == 6
    assert manifest.resources == oms.verify(ours.read_bytes(), trust).resources
    (model / "empty").write_bytes(b"")  # it has no shard to sign, and the reference does not see it
    assert library("verify", ours, "pub.pem") == 0
    with pytest.raises(Refusal, match="not those that were signed"):
        stage.hold(model, manifest)
    (model / "empty").unlink()
    (model / "a-b").write_bytes(b"changed")
    assert library("verify", ours, "pub.pem") != 0
    with pytest.raises(Refusal, match="not those that were signed"):
        stage.hold(model, manifest)


@needs_reference
@pytest.mark.parametrize("algorithm", ["blake2", "blake3"])
def test_other_hashes_of_the_reference(model: Path, tmp_path: Path, algorithm: str) -> None:
    private, bundle = _private(tmp_path), tmp_path / "model.sig"
    code = f"""
import pathlib, sys, model_signing
hashing = model_signing.hashing.Config().use_file_serialization(hashing_algorithm={algorithm!r})
config = model_signing.signing.Config().set_hashing_config(hashing)
config.use_elliptic_key_signer(private_key=pathlib.Path(sys.argv[3])).sign(*map(pathlib.Path, sys.argv[1:3]))
"""
    subprocess.run(
        [REFERENCE.with_name("python"), "-c", code, model, bundle, tmp_path / "key.pem"], check=True, timeout=60
    )
    manifest = oms.verify(bundle.read_bytes(), KeyTrust(_pem(private)))
    assert stage.hold(model, manifest) == 7
    (model / "zz top").write_bytes(b"changed")
    with pytest.raises(Refusal, match="zz top"):
        stage.hold(model, manifest)


@needs_reference
def test_single_files_both_ways(tmp_path: Path) -> None:
    private = _private(tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    bundle = tmp_path / "ours.sig"
    bundle.write_bytes(_sign(private, oms.statement([(".", digest)], name=weights.name)))
    asked = ("verify", "key", weights, "--signature", bundle, "--public_key", tmp_path / "pub.pem")
    assert _reference(*asked).returncode == 0
    theirs = tmp_path / "theirs.sig"
    _reference("sign", "key", weights, "--signature", theirs, "--private_key", tmp_path / "key.pem")
    oms.verify(theirs.read_bytes(), KeyTrust(_pem(private))).compare({"weights.bin": digest})


def test_shards_of_one_byte_cost_nothing_where_the_file_is_another(tmp_path: Path) -> None:
    """Signed for one byte, held against a large file: refused by its size, before a digest is kept for every byte of it."""
    private, model = ec.generate_private_key(ec.SECP256R1()), tmp_path / "model"
    model.mkdir()
    (model / "a").write_bytes(b"x")
    (model / "unsigned").write_bytes(b"z" * 5)
    listed = [("a:0:1", hashlib.sha256(b"x").hexdigest())]
    bundle = _sign(private, oms.statement(listed, name="model", shard_size=1))
    manifest = oms.verify(bundle, KeyTrust(_pem(private)))
    assert stage.hold(model, manifest, exclude=["unsigned"]) == 1
    with pytest.raises(Refusal, match="not those that were signed"):
        stage.hold(model, manifest)
    (model / "unsigned").unlink()
    (model / "a").write_bytes(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refused:
            stage.hold(model, manifest)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "other size: a" in refused.value.why
