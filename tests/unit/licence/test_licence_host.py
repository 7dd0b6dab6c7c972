"""Host binding: a software key, and a key in a real PKCS#11 token (SoftHSM2, a software token: a test double)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from licence_world import BEGIN, Licensors, claims, host, key

from countermark.errors import SignatureRefused
from countermark.licence.host import KeyProver, KeyVerifier, ProvenHost, challenge, prove, signed_bytes
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_host import HostBinding

MODULE = next(
    (m for m in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so") if Path(m).exists()), ""
)
MINE, OTHER = key("host"), key("another host")
BINDING = HostBinding("software-key", keys=(MINE.public,))


def here(*signers: object) -> dict[str, KeyProver]:
    return {"software-key": KeyProver(signers), "pkcs11-key": KeyProver(signers)}  # type: ignore[arg-type]


VERIFIERS = {"software-key": KeyVerifier(), "pkcs11-key": KeyVerifier()}


def test_the_right_key_answers_and_another_is_refused() -> None:
    assert prove(BINDING, "a" * 64, here(MINE), VERIFIERS) == ProvenHost("software-key", MINE.public.id)  # type: ignore[arg-type]
    assert prove(HostBinding("none"), "a" * 64, {}, {}) == ProvenHost("none")
    for signers in ((OTHER,), ()):
        with pytest.raises(LicenceRefused) as caught:
            prove(BINDING, "a" * 64, here(*signers), VERIFIERS)  # type: ignore[arg-type]
        assert caught.value.claim == "host"
    with pytest.raises(LicenceRefused, match="nothing here"):
        prove(HostBinding("tpm", ek="1" * 64, ak="2" * 68, pcrs=((7, "3" * 64),)), "a" * 64, {}, {})


@dataclass
class Replay:
    """A host that shows an answer of before."""

    kept: bytes = b""

    def prove(self, binding: HostBinding, challenge: bytes) -> bytes:
        self.kept = self.kept or KeyProver([MINE]).prove(binding, challenge)
        return self.kept


def test_an_answer_of_before_or_of_another_licence_is_refused() -> None:
    replay = Replay()
    assert prove(BINDING, "a" * 64, {"software-key": replay}, VERIFIERS)  # type: ignore[dict-item]
    for licence in ("a" * 64, "b" * 64):
        with pytest.raises(LicenceRefused, match="this challenge"):
            prove(BINDING, licence, {"software-key": replay}, VERIFIERS)  # type: ignore[dict-item]


def test_every_flipped_byte_of_an_answer_is_refused() -> None:
    question = challenge("a" * 64, bytes(32))
    good = KeyProver([MINE]).prove(BINDING, question)
    assert KeyVerifier().verify(BINDING, good, question) == MINE.public.id
    for at in range(len(good)):
        with pytest.raises(LicenceRefused):
            KeyVerifier().verify(BINDING, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], question)
    for short in (b"", good[:32], good + b"\0"):
        with pytest.raises(LicenceRefused):
            KeyVerifier().verify(BINDING, short, question)


def test_a_signed_statement_is_no_answer(licensors: Licensors) -> None:
    """What a host key signs for a challenge can be no statement, and the other way round."""
    question = challenge("a" * 64, bytes(32))
    envelope = licensors.sign("x", "5" * 64, "urn:x", {}, "host")
    forged = bytes.fromhex(MINE.public.id) + envelope.signatures[0].sig
    with pytest.raises(LicenceRefused):
        KeyVerifier().verify(BINDING, forged, question)
    with pytest.raises(SignatureRefused):
        MINE.public.verify(envelope.signed_bytes(), MINE.sign(signed_bytes(question)))


def test_a_copied_folder_does_not_load_elsewhere(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(host=BINDING, max_hosts=1), signer=MINE)
    assert machine.load().granted.until > BEGIN
    machine.snapshot(tmp_path / "copied")
    thief = host(tmp_path / "copied", licensors, claims(host=BINDING, max_hosts=1), signer=OTHER)
    with pytest.raises(LicenceRefused) as caught:
        thief.load()
    assert caught.value.claim == "host" and "license move" in caught.value.mend


TOKEN = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from licence_world import BEGIN, Licensors, claims, host, key
from core_world import OWNER, SECOND, World
from countermark.keys.pkcs11 import make_key
from countermark.keys.uri import parse
from countermark.licence.host import ProvenHost
from countermark.licence.refusal import LicenceRefused
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates.licence_host import HostBinding
from countermark.workspace.place import Workspace

signer = make_key(parse("pkcs11:token=plant;object=licence?module-path={module}"), "licence", "{algorithm}", b"1234")
world = World(Path({world!r}))
world.desks = {{n: Desk(Workspace(world.root / n), n, world.clock) for n in (OWNER, SECOND)}}
binding = HostBinding("pkcs11-key", keys=(signer.public,))
machine = host(Path({place!r}), Licensors(world), claims(host=binding, max_hosts=1), signer=signer)
assert machine.tenure().host() == ProvenHost("pkcs11-key", signer.public.id)
assert machine.load().granted.until > BEGIN
machine.signer = key("another host")
try:
    machine.load()
except LicenceRefused as error:
    print("refused:", error.claim)
"""


@pytest.mark.skipif(not MODULE or not shutil.which("softhsm2-util"), reason="SoftHSM2 is not installed")
@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ed25519"])
def test_a_key_in_a_token_binds_a_host(tmp_path: Path, licensors: Licensors, algorithm: str) -> None:
    """In a process of its own: SoftHSM2 reads its configuration once in a process."""
    pytest.importorskip("pkcs11")
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    environment = {**os.environ, "SOFTHSM2_CONF": str(config)}
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "plant", "--pin", "1234", "--so-pin", "5678"], check=True,
                   capture_output=True, env=environment)  # fmt: skip
    program = TOKEN.format(
        path=sys.path,
        module=MODULE,
        algorithm=algorithm,
        world=str(licensors.world.root),
        place=str(tmp_path / "plant"),
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "refused: host\n", done.stderr
