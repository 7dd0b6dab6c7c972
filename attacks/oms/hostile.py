"""Hostile OMS bundles, each with the folder it is meant to pass for. Used by `compare.py` and by the tests.

A case is a function that fills a folder ``model/`` and returns the bundle. Some are made by a hostile
signer, who owns the key and writes any statement; some by anyone who can change files after signing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countermark import dsse
from countermark.statement import oms

PRIVATE = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
PEM = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
FILES = {"config.json": b"{}", "weights.bin": b"weights"}
EVIL = b"import os  # runs when the folder is loaded\n"


@dataclass(frozen=True)
class Case:
    """An attack: how to build it, what it tries, and extra options that the reference needs to fall for it."""

    build: Callable[[Path], bytes]
    tries: str
    options: tuple[str, ...] = ()


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def honest(model: Path) -> dict[str, Any]:
    """Write the plain files and return the honest statement over them."""
    model.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (model / name).write_bytes(data)
    value: dict[str, Any] = json.loads(oms.statement([(n, sha256(d)) for n, d in FILES.items()], name="model"))
    return value


def signed(payload: bytes | dict[str, Any], *, settle: bool = True) -> bytes:
    """A bundle over any payload; `settle` recomputes the subject's digest so that only the attack is wrong."""
    if isinstance(payload, dict):
        if settle and "resources" in payload["predicate"]:
            digests = b"".join(bytes.fromhex(r["digest"]) for r in payload["predicate"]["resources"])
            payload["subject"][0]["digest"] = {"sha256": sha256(digests)}
        payload = json.dumps(payload).encode()
    return oms.sign(payload, sign=lambda m: PRIVATE.sign(m, ec.ECDSA(hashes.SHA256())), spki_pem=PEM)


def ignore_everything(model: Path) -> bytes:
    """No resources, and ``.`` ignored: a bundle for every folder there is."""
    statement = honest(model)
    statement["predicate"]["resources"] = []
    statement["predicate"]["serialization"]["ignore_paths"] = ["."]
    (model / "evil.py").write_bytes(EVIL)
    return signed(statement)


def ignore_the_evil(model: Path) -> bytes:
    """The signer lists a harmful file as ignored; the verifier is to obey."""
    statement = honest(model)
    statement["predicate"]["serialization"]["ignore_paths"] = ["evil.py"]
    (model / "evil.py").write_bytes(EVIL)
    return signed(statement)


def nothing_signed(model: Path) -> bytes:
    """An empty folder, signed; the specification says it must be refused."""
    statement = honest(model)
    for name in FILES:
        (model / name).unlink()
    statement["predicate"]["resources"] = []
    return signed(statement)


def hidden_in_git(model: Path) -> bytes:
    """A file put under ``.github`` after signing."""
    statement = honest(model)
    (model / ".github").mkdir()
    (model / ".github" / "evil.py").write_bytes(EVIL)
    return signed(statement)


def outside_the_model(model: Path) -> bytes:
    """A resource named ``../outside.py``: the verifier reads beside the model."""
    statement = honest(model)
    (model.parent / "outside.py").write_bytes(EVIL)
    statement["predicate"]["resources"].append({"name": "../outside.py", "algorithm": "sha256", "digest": sha256(EVIL)})
    return signed(statement)


def listed_twice(model: Path) -> bytes:
    """One name with two digests: readers disagree on which one counts."""
    statement = honest(model)
    (model / "weights.bin").write_bytes(EVIL)
    statement["predicate"]["resources"].append({"name": "weights.bin", "algorithm": "sha256", "digest": sha256(EVIL)})
    return signed(statement)


def two_predicates(model: Path) -> bytes:
    """The key ``predicate`` twice in the payload: readers disagree again."""
    statement = honest(model)
    good = json.dumps(statement["predicate"])
    (model / "weights.bin").write_bytes(EVIL)
    statement["predicate"]["resources"][1]["digest"] = sha256(EVIL)
    digests = b"".join(bytes.fromhex(r["digest"]) for r in statement["predicate"]["resources"])
    statement["subject"][0]["digest"] = {"sha256": sha256(digests)}
    payload = json.dumps(statement).replace('"predicate": {', f'"predicate": {good}, "predicate": {{', 1)
    return signed(payload.encode())


def junk_second_signature(model: Path) -> bytes:
    """A second signature that verifies under no key."""
    bundle = json.loads(signed(honest(model)))
    bundle["dsseEnvelope"]["signatures"].append({"sig": base64.b64encode(os.urandom(70)).decode(), "keyid": ""})
    return json.dumps(bundle).encode()


def no_key_named(model: Path) -> bytes:
    """An empty key hint."""
    bundle = json.loads(signed(honest(model)))
    bundle["verificationMaterial"]["publicKey"]["hint"] = ""
    return json.dumps(bundle).encode()


def old_predicate(model: Path) -> bytes:
    """The predicate of release 0.2.0, which carries no digest over the whole, under today's encoding."""
    honest(model)
    subjects = [{"name": n, "digest": {"sha256": sha256(d)}} for n, d in FILES.items()]
    statement = {"_type": oms.STATEMENT_TYPE, "subject": subjects, "predicateType": oms.LEGACY_PREDICATE_TYPE}
    return signed({**statement, "predicate": {"unused": ""}}, settle=False)


def old_encoding(model: Path) -> bytes:
    """Today's statement signed in the mistaken encoding of release 0.2.0."""
    payload = json.dumps(honest(model)).encode()
    bundle = json.loads(signed(payload))
    message = f"DSSEV1 {len(dsse.IN_TOTO)} {dsse.IN_TOTO} {len(payload)} {payload!r}".encode()
    signature = PRIVATE.sign(message, ec.ECDSA(hashes.SHA256()))
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(bundle).encode()


CASES = {
    "ignore-everything": Case(ignore_everything, "verify any folder at all"),
    "ignore-the-evil": Case(ignore_the_evil, "keep a harmful file out of the check"),
    "nothing-signed": Case(nothing_signed, "pass an empty folder as a signed model"),
    "hidden-in-git": Case(hidden_in_git, "add a file where the verifier does not look"),
    "outside-the-model": Case(outside_the_model, "make the verifier read elsewhere", ("--ignore_unsigned_files",)),
    "listed-twice": Case(listed_twice, "give two digests for one file"),
    "two-predicates": Case(two_predicates, "say two things in one signed payload"),
    "junk-second-signature": Case(junk_second_signature, "append a signature nobody checks"),
    "no-key-named": Case(no_key_named, "leave out which key signed"),
    "old-predicate": Case(old_predicate, "fall back to a format that binds less"),
    "old-encoding": Case(old_encoding, "fall back to an encoding that was a mistake"),
}


def digests(model: Path) -> dict[str, str]:
    """Hex SHA-256 of every file in a folder, as a verifier finds them."""
    return {str(p.relative_to(model)): sha256(p.read_bytes()) for p in model.rglob("*") if p.is_file()}
