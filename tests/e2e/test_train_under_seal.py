"""A run under seal, end to end: the supplier's data is opened for exactly the agreed run, in memory, and the model leaves sealed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_howto_broker import listening
from test_howto_keys import folders, run_page

from countermark.sandbox import exposure

SCRIPT = """
import pathlib
found = sorted(p for p in pathlib.Path("photos").rglob("*") if p.is_file())
out = pathlib.Path("out")
out.mkdir(exist_ok=True)
(out / "model.bin").write_bytes(b"".join(p.read_bytes() for p in found))
(out / "metrics.json").write_text('{"train_rows": %d}' % len(found))
"""
RECIPE = """format = 1
name = "small"
[code]
files = ["train.py"]
[inputs]
train = "photos"
[output]
folder = "out"
model = "model.bin"
metrics = "metrics.json"
"""
RULES = """owner = "acme"
sequence = {sequence}
days = 30
[[rule]]
evidence = "software"
recipient = "trainer"
releases = 3
keys = ["{key}"]
claims = {claims}
"""
pytestmark = [
    pytest.mark.skipif(
        shutil.which("bwrap") is None, reason="bubblewrap is not installed: nothing trains hermetically"
    ),
    pytest.mark.skipif(
        not exposure.in_memory(exposure.read().mounts, "/dev/shm"), reason="/dev/shm is not in memory here"
    ),
]


@pytest.fixture
def agreed(project):
    """The page's commands were typed: the broker holds acme's key for one agreed run."""
    folders(project, "stick", "vault", "trainer")
    project("init", "trainer", "--role", "trainer", at="trainer")
    project("party", "add", "../trainer/trainer.enrol.json", "--role", "trainer", at="manufacturer")
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    pin = project("trust", "export", "../trust2.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    for name in ("trainer", "acme", "manufacturer"):
        project("trust", "pin", pin, "--trust", "../trust2.jsonl", at=name)
    (project.here / "trainer/train.py").write_text(SCRIPT)
    (project.here / "trainer/recipe.toml").write_text(RECIPE)
    project("broker", "init", "vault", at="vault")
    shutil.copy(project.here / "vault/vault.sealpub", project.here / "stick")
    project("recipients", "new", "owner", at="manufacturer")
    shutil.copy(project.here / "manufacturer/owner.sealpub", project.here / "stick")
    _tenant(project)

    def ready(word: str) -> str:
        claims = project("train", "--claims", "--json", "--", "python", "train.py", at="trainer").json()["claims"]
        _rules(project, claims, 1)
        return word

    run_page(project, "train-under-seal.md", {"rules.toml": lambda: ready("rules.toml")})
    for suffix in ("", ".manifest", ".recipients"):
        shutil.copy(project.here / f"stick/photos.cmsealed{suffix}", project.here / f"trainer/photos.cmsealed{suffix}")
    return project


def _tenant(project) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    private = load_pem_private_key((project.here / "acme/.countermark/keys/statement.pem").read_bytes(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (project.here / "stick/acme.pub").write_bytes(public)
    project("broker", "tenant", "acme", "../stick/acme.pub", at="vault")


def _rules(project, claims: dict[str, str], sequence: int) -> None:
    from countermark.keys.signer import load

    key = load(project.here / "trainer/trainer.hostkey", "host").public.id
    told = "{ " + ", ".join(f'{name} = "{value}"' for name, value in claims.items()) + " }"
    (project.here / "acme/rules.toml").write_text(RULES.format(key=key, claims=told, sequence=sequence))


@contextmanager
def serving(project) -> Iterator[str]:
    command = [sys.executable, "-m", "countermark", "broker", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=project.here / "vault", stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", server.stderr.readline())
            assert found
            listening(found.group())
            yield found.group()
        finally:
            server.terminate()


def under(url: str, *more: str, out: str = "model") -> list[str]:
    return ["train", "--sealed", "train", "--broker", url, "--with", "trainer.hostkey", "--seal-for", "../stick/owner.sealpub",
            "--out", out, "--at-rest", *more]  # fmt: skip


def plain_on_disk(project, secret: bytes) -> list[Path]:
    """Files of trainer and vault that hold a picture's bytes."""
    return [
        p
        for name in ("trainer", "vault")
        for p in (project.here / name).rglob("*")
        if p.is_file() and secret in p.read_bytes()
    ]


@pytest.mark.slow  # one agreement for all of it: digesting the environment takes longest
def test_training_under_seal_both_sides(agreed, tmp_path: Path) -> None:
    with serving(agreed) as url:
        _without_leave_a_disk_is_refused(agreed, url, tmp_path)
        _another_run_gets_no_key(agreed, url)
        _the_agreed_run_trains_in_memory_and_leaves_a_sealed_model(agreed, url)
    _options_belong_together(agreed)
    releases = agreed("broker", "log", "--json", at="vault").json()["releases"]
    assert [(one["owner"], one["recipient"], sorted(one["claims"])) for one in releases] == [
        ("acme", "trainer", ["code", "command", "environment", "policy", "recipe"])
    ]
    _a_script_that_fails_leaves_nothing_behind(agreed)
    _a_plain_folder_in_the_place_of_a_sealed_input_does_not_count(agreed)


def _without_leave_a_disk_is_refused(agreed, url: str, tmp_path: Path) -> None:
    words = [word for word in under(url, "--memory", str(tmp_path)) if word != "--at-rest"]
    refused = agreed(*words, "--", "python", "train.py", at="trainer", exit=1)
    assert "could reach this host's disk" in refused.out + refused.err


def _options_belong_together(agreed) -> None:
    for words in (["--broker", "http://127.0.0.1:1"], ["--sealed", "train"], ["--at-rest"]):
        agreed("train", *words, "--", "python", "train.py", at="trainer", exit=2)


def _another_run_gets_no_key(agreed, url: str) -> None:
    """The attack: the trainer changes script or command after the supplier agreed, so that it copies the data out."""
    (agreed.here / "trainer/train.py").write_text(SCRIPT + "\nprint('more')\n")
    refused = agreed(*under(url), "--", "python", "train.py", at="trainer", exit=1)
    assert "no rule of the owner grants this" in refused.out + refused.err
    (agreed.here / "trainer/train.py").write_text(SCRIPT)
    other = agreed(*under(url), "--", "python", "train.py", "--more", at="trainer", exit=1)
    assert "no rule of the owner grants this" in other.out + other.err
    assert not (agreed.here / "trainer/model.cmsealed").exists() and not room_of(agreed)


def _the_agreed_run_trains_in_memory_and_leaves_a_sealed_model(agreed, url: str) -> None:
    pictures = sorted((agreed.here / "acme/photos").rglob("*.png"))
    secret = pictures[0].read_bytes()
    done = agreed(*under(url), "--json", "--", "python", "train.py", at="trainer").json()
    assert done["hermetic"] == "claimed" and done["metrics"]["train_rows"] == len(pictures)
    assert (done["protection"] == "at rest only") == bool(done["ways"])
    assert not (agreed.here / "trainer/model").exists() and not plain_on_disk(agreed, secret) and not room_of(agreed)
    assert json.loads((agreed.here / "trainer/model.training.json").read_text())["payloadType"]
    agreed("open", "../trainer/model.cmsealed", "--key", "owner.sealkey", "--out", "model", at="manufacturer")
    assert secret in (agreed.here / "manufacturer/model/model.bin").read_bytes()


def _a_script_that_fails_leaves_nothing_behind(agreed) -> None:
    (agreed.here / "trainer/train.py").write_text("raise SystemExit(3)")
    claims = agreed("train", "--claims", "--json", "--", "python", "train.py", at="trainer").json()["claims"]
    _rules(agreed, claims, 2)
    agreed("broker", "policy", "../stick/photos.cmsealed", "rules.toml", at="acme")
    agreed("broker", "deposit", "acme", "../stick/photos.cmsealed", at="vault")
    with serving(agreed) as url:
        agreed(*under(url, out="second"), "--", "python", "train.py", at="trainer", exit=1)
    assert not room_of(agreed) and not (agreed.here / "trainer/second.cmsealed").exists()


def _a_plain_folder_in_the_place_of_a_sealed_input_does_not_count(agreed) -> None:
    """The downgrade: whoever brings the data leaves the seal out."""
    shutil.copytree(agreed.here / "acme/photos", agreed.here / "trainer/photos")
    for suffix in ("", ".manifest", ".recipients"):
        (agreed.here / f"trainer/photos.cmsealed{suffix}").unlink()
    refused = agreed(*under("http://127.0.0.1:1", out="third"), "--", "python", "train.py", at="trainer", exit=3)
    assert "has no manifest" in refused.out + refused.err and not (agreed.here / "trainer/third.cmsealed").exists()


def room_of(agreed) -> bool:
    """Whether the trainer's room in memory is there."""
    from countermark import canonical

    room = Path("/dev/shm") / f"countermark-{canonical.sha256_hex(str(agreed.here / 'trainer').encode())[:16]}"
    return room.exists()
