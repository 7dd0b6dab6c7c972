"""A sealed model behind a guard: opened in memory alone, under a licence of this very ciphertext, with a key in a file or from a broker."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import small_release
from broker_world import World as BrokerWorld
from core_world import OWNER, SUPPLIER
from guard_world import LABELS, pictures, tiny_model
from test_howto_broker import listening
from test_license_served import Plant, granted, plant  # noqa: F401 - a fixture

from countermark.broker.policy import PAYLOAD_TYPE, ReleasePolicy
from countermark.broker.service import Broker
from countermark.errors import FormatRefused, PolicyRefused, TreeRefused, TrustRefused
from countermark.guard import server, start
from countermark.keys import signer
from countermark.keys.signer import sign_envelope
from countermark.licence.refusal import LicenceRefused
from countermark.lifecycle import seal
from countermark.lifecycle.license import read as read_licence
from countermark.lifecycle.seal_load import Keyed, key_of
from countermark.lifecycle.verify import papers, pinned
from countermark.seal import hpke, keyfile
from countermark.seal.manifest import Verified
from countermark.workspace.disk import Disk

KEY = hpke.new_private(hpke.XWING)
IDENTITY = hpke.HpkeIdentity(KEY)


def sealed(at: Plant, name: str = "model.cmsealed", licences: dict[str, str] | None = None) -> tuple[Path, Verified]:
    """The model sealed by its owner for the plant; its plain folder is gone afterwards."""
    owner, target = at.world[OWNER], at.world.root / name
    to = [hpke.HpkeRecipient("plant", IDENTITY.public)]
    seal.seal(at.model, target, to, seal.sealer_of(owner), kind="model", licences=licences or {})
    return target, seal.verified(target, seal.reader_of(at.desk))


def away(at: Plant) -> None:
    for file in at.model.iterdir():
        file.unlink()
    at.model.rmdir()


def keyed(at: Plant) -> Keyed:
    return Keyed(seal.reader_of(at.desk), key_of(IDENTITY))


def of(handle: Verified) -> tuple[str, ...]:
    return ("--ciphertext-root", handle.manifest.root.hex(), "--manifest", handle.digest)


class Written:
    """Every file that this process opens for writing while it is on."""

    def __init__(self) -> None:
        self.on, self.files = False, list[str]()
        sys.addaudithook(self._see)  # a hook cannot be taken away again: it is switched off

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event == "open" and isinstance(arguments[2], int) and arguments[2] & 3:
            self.files.append(str(arguments[0]))


def test_it_is_served_from_memory_and_no_plaintext_is_written(plant: Plant, shell) -> None:  # noqa: F811
    target, handle = sealed(plant)
    expected = (plant.model / "model.onnx").read_bytes()
    away(plant)
    granted_digest(plant, shell, *of(handle))
    secrets = (expected[100:400], str(list(LABELS)).replace("'", '"')[:20].encode())
    licensed, seen = plant.licensed(), Written()
    seen.on = True
    guard, served = start.open_sealed_guard(plant.desk, target, plant.papers, keyed(plant), licensed=licensed)
    with server.background(guard) as url:
        assert np.array_equal(plant.ask(url, 4).scores, served.network.predict(pictures(4)))
    seen.on = False
    assert served.digest == plant.digest
    assert seen.files, "the licence's state at least was written"
    everywhere = [p for p in plant.world.root.parent.rglob("*") if p.is_file()]
    for file in {*everywhere, *(Path(name) for name in seen.files if Path(name).is_file())}:
        data = file.read_bytes()
        assert not any(secret in data for secret in secrets), file


def granted_digest(at: Plant, shell, *more: str) -> str:
    """As `granted`, of the digest: the licensor needs no plain folder."""
    kept, at.model = at.model, at.digest  # type: ignore[assignment]
    try:
        return granted(at, shell, *more)
    finally:
        at.model = kept


@pytest.mark.parametrize("option", ["--ciphertext-root", "--manifest"])
def test_a_licence_of_another_ciphertext_does_not_fit(plant: Plant, shell, option: str) -> None:  # noqa: F811
    """The attack: the licensee, who has the plaintext, seals it anew or serves it plain; the licence names the owner's ciphertext."""
    target, handle = sealed(plant)
    granted(plant, shell, *of(handle)[:2] if option == "--ciphertext-root" else of(handle)[2:])
    other, _ = sealed(plant, "again.cmsealed")
    asked: list[str] = []

    def never(_handle: Verified, licence: str) -> bytearray:
        asked.append(licence)
        raise AssertionError("a key was asked for")

    with pytest.raises(LicenceRefused) as caught:
        start.open_sealed_guard(plant.desk, other, plant.papers, Keyed(seal.reader_of(plant.desk), never),
                                licensed=plant.licensed())  # fmt: skip
    assert caught.value.claim == "subject" and not asked
    with pytest.raises(LicenceRefused, match="none") as caught:
        start.open_guard(plant.desk, plant.model, plant.papers, licensed=plant.licensed())
    assert caught.value.claim == "subject"
    with pytest.raises(LicenceRefused, match="is a licensee"):
        start.open_sealed_guard(plant.desk, target, plant.papers, keyed(plant))
    _, served = start.open_sealed_guard(plant.desk, target, plant.papers, keyed(plant), licensed=plant.licensed())
    assert served.digest == plant.digest


def test_the_licensor_reads_the_sealed_file_instead_of_typing_its_digests(plant: Plant, shell) -> None:  # noqa: F811
    target, handle = sealed(plant)
    granted(plant, shell, "--asset", target)
    subject = read_licence(plant.desk, plant.licence).chain.claims.subject
    assert (subject.digest, subject.ciphertext_root, subject.manifest) == (plant.digest, *of(handle)[1::2])
    _, served = start.open_sealed_guard(plant.desk, target, plant.papers, keyed(plant), licensed=plant.licensed())
    assert served.digest == plant.digest


def test_a_sealed_file_that_does_not_hold_is_not_licensed(plant: Plant, shell) -> None:  # noqa: F811
    target, handle = sealed(plant)
    plant.licence.unlink(missing_ok=True)

    def refused(*more: object, exit: int = 1) -> str:
        terms = ("--to", SUPPLIER, "--days", 9, "--out", plant.licence, *more)
        said = shell("license", "grant", plant.model, *terms, at=f"world/{OWNER}", exit=exit)
        assert "fix: " in said.err and not plant.licence.exists()
        return said.err.replace("\n", " ")

    assert "the sealed form is named twice" in refused("--asset", target, *of(handle), exit=2)
    assert "is not called as a sealed file" in refused("--asset", plant.model, exit=2)
    assert "--manifest is" in refused("--manifest", "12", exit=2)
    assert "No such file" in refused("--asset", plant.world.root / "gone.cmsealed", exit=2)
    whole, manifest = target.read_bytes(), seal.beside(target, seal.MANIFEST)
    target.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "is not the signed one" in refused("--asset", target)
    target.write_bytes(whole)
    manifest.write_bytes(manifest.read_bytes().replace(b'"sig":"', b'"sig":"AA'))
    refused("--asset", target)
    manifest.unlink()
    assert "has no manifest" in refused("--asset", target, exit=3)
    plant.model = target
    assert "is a sealed file" in refused(exit=2)


def test_a_key_that_is_bound_to_a_licence_opens_under_no_other(plant: Plant, shell) -> None:  # noqa: F811
    licence = granted(plant, shell)
    target, _ = sealed(plant, licences={"plant": licence})
    start.open_sealed_guard(plant.desk, target, plant.papers, keyed(plant), licensed=plant.licensed())
    stale, _ = sealed(plant, "stale.cmsealed", {"plant": "9" * 64})
    with pytest.raises(TrustRefused, match="bound to a licence"):
        start.open_sealed_guard(plant.desk, stale, plant.papers, keyed(plant), licensed=plant.licensed())


def test_a_refused_key_counts_no_load(plant: Plant, shell) -> None:  # noqa: F811
    granted(plant, shell)
    target, _ = sealed(plant)
    stranger = Keyed(seal.reader_of(plant.desk), key_of(hpke.generate()))
    with pytest.raises(TrustRefused, match="nobody sealed this file for that key"):
        start.open_sealed_guard(plant.desk, target, plant.papers, stranger, licensed=plant.licensed())
    used = shell("license", "explain", plant.licence, "--json", at=f"world/{SUPPLIER}").json()["used"]
    assert used["loads"] == "0"


def test_another_model_or_a_changed_one_is_refused(plant: Plant, shell) -> None:  # noqa: F811
    granted(plant, shell)
    target, handle = sealed(plant)
    data = bytearray(target.read_bytes())
    data[handle.manifest.prelude.at(1) + 5 if handle.manifest.prelude.chunks > 1 else -5] ^= 1
    target.write_bytes(data)
    with pytest.raises(FormatRefused):
        start.open_sealed_guard(plant.desk, target, plant.papers, keyed(plant), licensed=plant.licensed())
    (plant.model / "model.onnx").write_bytes(tiny_model(3))
    other, _ = sealed(plant, "other.cmsealed")
    with pytest.raises(TreeRefused, match="another model"):
        start.open_sealed_guard(plant.desk, other, plant.papers, keyed(plant), licensed=plant.licensed())


def test_a_policy_that_takes_sealed_models_refuses_the_plain_one(
    plant: Plant,  # noqa: F811
    shell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = small_release.POLICY.replace(b'name = "small"\n', b'name = "small"\nsealed = ["model"]\n')
    monkeypatch.setattr(small_release, "POLICY", wanted)
    plant.world.amend(small_release.amended_policy)
    released = small_release.released(plant.world, plant.model)
    granted(plant, shell)
    target, _ = sealed(plant)
    with pytest.raises(PolicyRefused, match="takes sealed models only"):
        start.open_guard(plant.desk, plant.model, released, licensed=plant.licensed())
    _, served = start.open_sealed_guard(plant.desk, target, released, keyed(plant), licensed=plant.licensed())
    assert served.digest == plant.digest


def serving(at: Plant, *words: object) -> tuple[str, int]:
    """`countermark serve` as a program, ended with an interrupt once it serves: what it told, and how it ended."""
    command = [sys.executable, "-m", "countermark", "serve", *map(str, words), "--port", "0"]
    with subprocess.Popen(command, cwd=at.world.root / SUPPLIER, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told += line
            if line.startswith("protection:"):
                listening(re.findall(r"http://\S+(?=;)", told)[0])
                process.send_signal(signal.SIGINT)
                break
        told += process.stderr.read()
        return told, process.wait(60)


def test_the_command_with_a_key_file(plant: Plant, shell) -> None:  # noqa: F811
    target, handle = sealed(plant)
    (plant.world.root / "model.cmpass").write_bytes(plant.papers.read_bytes())
    away(plant)
    granted_digest(plant, shell, *of(handle))
    key = plant.world.root / "plant.sealkey"
    keyfile.save(key, KEY, None, Disk())
    at = f"world/{SUPPLIER}"
    terms = ["--license", plant.licence, "--field", "inspection", "--territory", "DE"]
    told, ended = serving(plant, target, "--seal-key", key, *terms)
    assert re.search(r"^serving model.cmsealed \([0-9a-f]{16}\) at http://127", told, re.M), told
    assert "protection: at rest only" in told and ended == 0
    assert "how to open" in shell("serve", target, *terms, at=at, exit=2).err
    assert "is not sealed" in shell("serve", plant.model, "--seal-key", key, *terms, at=at, exit=2).err
    assert "does nothing" in shell("serve", target, "--seal-key", key, "--for", "x", *terms, at=at, exit=2).err
    assert "needs --with" in shell("serve", target, "--broker", "http://127.0.0.1:1", *terms, at=at, exit=2).err


def challenge_of(broker: Broker, at: Plant) -> Path:
    file = at.world.root / "plant.challenge"
    file.write_bytes(broker.challenge())
    return file


def test_the_command_with_a_broker(plant: Plant, shell, tmp_path: Path) -> None:  # noqa: F811
    """The key of the real container, from a real broker, for this host's evidence and this licence alone; and what another host gets."""
    from countermark.broker.app import App

    owner, target = plant.world[OWNER], plant.world.root / "model.cmsealed"
    host = signer.generate("host")
    (tmp_path / "vault").mkdir()
    broker_at = BrokerWorld(tmp_path / "vault", owner=owner.signer("statement"), host=host)
    broker_at.clock = plant.world.clock.now.timestamp  # type: ignore[assignment]
    to = [hpke.HpkeRecipient("broker", broker_at.root.public)]  # type: ignore[attr-defined]
    seal.seal(plant.model, target, to, seal.sealer_of(owner), kind="model")
    handle = seal.verified(target, seal.reader_of(plant.desk))
    licence = granted(plant, shell, *of(handle))
    away(plant)
    host.save(plant.world.root / "plant.hostkey")
    signer.generate("host").save(plant.world.root / "stranger.hostkey")
    rule = broker_at.rule(recipient=SUPPLIER, releases=2, licence=licence)
    now = plant.world.clock.now
    said = ReleasePolicy(
        OWNER, handle.manifest.prelude.asset, 1, now - timedelta(days=1), now + timedelta(days=9), (rule,)
    )
    policy = sign_envelope(PAYLOAD_TYPE, said.to_bytes(), [broker_at.owner]).to_bytes()
    manifest, listed = (seal.beside(target, suffix).read_bytes() for suffix in (seal.MANIFEST, seal.RECIPIENTS))
    terms = ["--license", plant.licence, "--field", "inspection", "--territory", "DE", "--passport", plant.papers]
    with broker_at.log() as log:
        broker = broker_at.broker(log)
        broker_at.deposits().enrol(OWNER, [broker_at.owner.public])
        broker.accept(OWNER, manifest, listed, policy)
        with server.background(App(broker)) as url:
            asking = [target, "--broker", url, *terms, "--with"]
            at = f"world/{SUPPLIER}"
            assert "not enrolled" in shell("serve", *asking, plant.world.root / "stranger.hostkey", at=at, exit=1).err
            told, ended = serving(plant, *asking, plant.world.root / "plant.hostkey")
            assert "protection: " in told and ended == 0, told
            assert "protection: none" not in told
            asked, ephemeral = plant.world.root / "plant.request", plant.world.root / "plant.request.sealkey"
            shell("broker", "request", target, "--challenge", challenge_of(broker, plant), "--owner", OWNER, "--for", SUPPLIER,
                  "--licence", plant.licence, "--with", plant.world.root / "plant.hostkey", "--out", asked, at=at)  # fmt: skip
            answer = plant.world.root / "plant.answer"
            answer.write_bytes(broker.release(asked.read_bytes()))
            told, ended = serving(plant, target, "--answer", answer, "--request", asked, *terms)
            assert ended == 0 and not ephemeral.exists(), told
            again = shell("serve", *asking, plant.world.root / "plant.hostkey", at=at, exit=1)
            assert "the broker refuses" in again.err, "two releases were allowed"
    assert read_licence(plant.desk, plant.licence).chain.leaf.digest == licence
    assert papers(plant.papers, pinned(plant.desk), plant.desk.now())[1].digest == plant.digest
