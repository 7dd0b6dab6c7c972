"""Private keys in files: who may read them, and what happens when they are odd."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from countermark import dsse
from countermark.errors import Unusable
from countermark.keys import signer as keyfiles
from countermark.keys.signer import add_signature, generate, load, sign_envelope


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_a_key_is_kept_privately_and_comes_back(tmp_path: Path, algorithm: str, passphrase: bytes | None) -> None:
    signer = generate("statement", algorithm)  # type: ignore[arg-type]
    path = tmp_path / "statement.pem"
    signer.save(path, passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path, "statement", passphrase).public == signer.public
    assert "PRIVATE" not in repr(signer)
    assert (b"ENCRYPTED" in path.read_bytes()) == bool(passphrase)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    generate("statement").save(tmp_path / "k")
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(Unusable, match="exists"):
        generate("statement").save(tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == before


def test_an_empty_passphrase_is_not_taken_for_none(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="empty passphrase"):
        generate("statement").save(tmp_path / "k", b"")
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    generate("statement").save(tmp_path / "k")
    (tmp_path / "k").chmod(mode)
    with pytest.raises(Unusable, match="read by others") as caught:
        load(tmp_path / "k", "statement")
    assert "chmod 600" in caught.value.mend


def test_wrong_and_missing_passphrases(tmp_path: Path) -> None:
    generate("statement").save(tmp_path / "locked", b"right")
    generate("statement").save(tmp_path / "plain")
    for path, passphrase in (("locked", b"wrong"), ("locked", None), ("plain", b"any")):
        with pytest.raises(Unusable, match="passphrase"):
            load(tmp_path / path, "statement", passphrase)


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def _pem(key: object) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", b"\0" * (1 << 20),
        b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        _pem(rsa.generate_private_key(65537, 2048)), _pem(ec.derive_private_key(7, ec.SECP192R1())),
        _pem(ec.derive_private_key(7, ec.SECP256K1())),
    ],
    ids=["empty", "text", "hollow", "zeros", "cut", "odd-cipher", "rsa", "p192", "k256"],
)  # fmt: skip
def test_files_that_hold_no_usable_key_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Unusable):
        load(_write(tmp_path / "k", data), "statement")


def test_links_pipes_folders_and_nothing_are_no_keys(tmp_path: Path) -> None:
    generate("statement").save(tmp_path / "k")
    (tmp_path / "link").symlink_to("k")
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe", "nothing"):
        with pytest.raises(Unusable):
            load(tmp_path / name, "statement")


def test_a_key_that_could_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfiles.os, "fsync", full)
    with pytest.raises(Unusable, match="cannot write"):
        generate("statement").save(tmp_path / "k")
    assert list(tmp_path.iterdir()) == []


def test_signing_twice_with_one_key_changes_nothing() -> None:
    signer = generate("root")
    envelope = sign_envelope("type", b"payload", [signer])
    assert add_signature(envelope, signer) is envelope


def test_a_false_signature_in_ones_own_name_does_not_stop_one_from_signing() -> None:
    """Another owner hands over a draft that pretends to be signed by me already."""
    signer = generate("root")
    false = dsse.Signature(signer.public.id, b"\0" * 64)
    signed = add_signature(dsse.Envelope("type", b"payload", (false,)), signer)
    assert len(signed.signatures) == 1
    signer.public.verify(signed.signed_bytes(), signed.signatures[0].sig)
