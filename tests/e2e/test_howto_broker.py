"""The page on the broker, as written; then over HTTP, with the program as it is installed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import test_doubles
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from test_howto_keys import folders, run_page

RULES = """owner = "acme"
sequence = {sequence}
days = 30
[[rule]]
evidence = "software"
recipient = "plant-7"
releases = {releases}
keys = ["{key}"]
"""


def prepared(shell) -> None:
    folders(shell, "stick", "vault", "plant", "acme")
    shell("init", "acme", at="acme")
    private = load_pem_private_key((shell.here / "acme/.countermark/keys/statement.pem").read_bytes(), None)
    (shell.here / "stick/acme.pub").write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (shell.here / "acme/model.onnx").write_bytes(b"weights" * 99_999)


def host_key(shell) -> str:
    from countermark.keys.signer import load

    return load(shell.here / "plant/plant-7.hostkey", "host").public.id


def listening(url: str) -> None:
    """Wait until the server takes connections: the line is printed when the port is bound."""
    parts = urlsplit(url)
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex((parts.hostname, parts.port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the broker did not start")


def test_the_page_runs_as_written_and_then_over_http(shell) -> None:
    prepared(shell)

    def ready(word: str) -> str:
        """Carry what the page says is handed over, before the line that needs it."""
        if (shell.here / "vault/vault.sealpub").exists():
            for name in ("vault.sealpub", "vault.vkey"):
                shutil.copy(shell.here / "vault" / name, shell.here / "stick" / name)
        if (shell.here / "plant/plant-7.hostkey").exists():
            (shell.here / "acme/rules.toml").write_text(RULES.format(key=host_key(shell), releases=2, sequence=1))
        return word

    words = {word: (lambda word=word: ready(word)) for word in ("acme.sealpub", "rules.toml")}
    said = run_page(shell, "release-keys-with-a-broker.md", words)
    assert "1 release" in said[-2] and said[-1].startswith("opened: 1 file")
    plain = (shell.here / "acme/model.onnx").read_bytes()
    assert (shell.here / "plant/model.onnx").read_bytes() == plain
    assert not (shell.here / "plant/plant.request.sealkey").exists()
    again = shell("broker", "answer", "../plant/plant.request", "--out", "again", at="vault", exit=1)
    assert "used before" in again.err + again.out
    asking = ["--owner", "acme", "--for", "plant-7", "--with", "plant-7.hostkey", "--log-key", "../stick/vault.vkey",
              "--signed-by", "../stick/acme.pub"]  # fmt: skip
    command = [sys.executable, "-m", "countermark", "broker", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=shell.here / "vault", stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", server.stderr.readline())
            assert found
            url = found.group()
            listening(url)
            done = shell(
                "broker",
                "open",
                "../stick/model.cmsealed",
                "--url",
                url,
                *asking,
                "--out",
                "second.onnx",
                "--json",
                at="plant",
            )
            assert (shell.here / "plant/second.onnx").read_bytes() == plain
            told = json.loads(done.out)
            assert told["protection"] == "at rest only" and "lies on a disk" in told["ways"][0]
            refused = shell(
                "broker",
                "open",
                "../stick/model.cmsealed",
                "--url",
                url,
                *asking,
                "--out",
                "third.onnx",
                at="plant",
                exit=1,
            )
            assert "no release left" in refused.err + refused.out
            assert not (shell.here / "plant/third.onnx").exists()
            busy = shell("broker", "log", at="vault", exit=2)
            assert "another" in busy.err + busy.out
        finally:
            server.terminate()
    (shell.here / "acme/rules.toml").write_text(RULES.format(key=host_key(shell), releases=3, sequence=1))
    shell("broker", "policy", "../stick/model.cmsealed", "rules.toml", "--signed-by", "../stick/acme.pub", at="acme")
    older = shell("broker", "deposit", "acme", "../stick/model.cmsealed", at="vault", exit=1)
    assert "at least as new" in older.err + older.out
    shell("broker", "log", "--owner", "acme", "--proofs", "../stick/proofs", at="vault")
    from countermark.ledger.note import NoteKey
    from countermark.ledger.receipt import verify

    key = NoteKey.from_vkey((shell.here / "stick/vault.vkey").read_text())
    for number in (0, 1):
        record, proof = (
            (shell.here / "stick/proofs" / f"{number}{end}").read_bytes() for end in (".record", ".tlog-proof")
        )
        assert verify(record, proof, key).index == number
    shell("broker", "log", "--proofs", "../stick/x", at="vault", exit=2)
    mode = {p.name: p.stat().st_mode & 0o077 for p in (shell.here / "vault/broker").iterdir() if p.is_file()}
    assert not any(mode[name] for name in ("root.sealkey", "log.pem", "challenge.key"))
    assert Path(shell.here / "vault/broker/log").is_dir()


@pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)
def test_a_host_with_a_tpm_is_enrolled_and_gets_its_key_while_it_runs_the_model(shell, tmp_path: Path) -> None:
    from countermark.keys import tpm_quote, uri
    from countermark.keys.tpm_policy import extended

    prepared(shell)
    model = bytes(range(32))
    with (
        test_doubles.software_tpm(tmp_path / "tpm") as where,
        test_doubles.software_tpm(tmp_path / "other") as elsewhere,
    ):
        chip, other = (f"tpm:handle=0x81010001?{at}" for at in (where, elsewhere))
        made = shell("broker", "key", "plant-7", "--in", chip, "--json", at="plant").json()
        shell("broker", "key", "rival", "--in", other, at="plant")
        shell("broker", "credential", "../plant/plant-7.tpm", "--out", "plant-7.credential", at="acme")
        wrong = shell(
            "broker", "activate", "../acme/plant-7.credential", "--with", other, "--out", "x", at="plant", exit=1
        )
        assert "does not answer" in wrong.out + wrong.err
        shell(
            "broker", "activate", "../acme/plant-7.credential", "--with", chip, "--out", "plant-7.activated", at="plant"
        )
        enrolled = shell("broker", "enrol", "../plant/plant-7.tpm", "../plant/plant-7.activated", "--credential",
                         "plant-7.credential", "--json", at="acme").json()  # fmt: skip
        assert enrolled["id"] == made["id"] and len(enrolled["endorsement"]) == 64
        swapped = shell("broker", "enrol", "../plant/rival.tpm", "../plant/plant-7.activated", "--credential",
                        "plant-7.credential", at="acme", exit=1)  # fmt: skip
        assert "not the challenge's secret" in swapped.out + swapped.err
        shell("broker", "init", "vault", at="vault")
        shell("broker", "tenant", "acme", "../stick/acme.pub", at="vault")
        shell(
            "seal",
            "model.onnx",
            "--kind",
            "model",
            "--for",
            "../vault/vault.sealpub",
            "--out",
            "../stick/model.cmsealed",
            at="acme",
        )
        rules = RULES.format(key=made["id"], releases=2, sequence=1).replace('"software"', '"tpm-quote"')
        (shell.here / "acme/rules.toml").write_text(rules + f'pcrs = {{ 16 = "{extended(model).hex()}" }}\n')
        shell(
            "broker", "policy", "../stick/model.cmsealed", "rules.toml", "--signed-by", "../stick/acme.pub", at="acme"
        )
        shell("broker", "deposit", "acme", "../stick/model.cmsealed", at="vault")

        def asked(name: str, code: int) -> str:
            shell("broker", "challenge", "--out", f"{name}.challenge", at="vault")
            shell("broker", "request", "../stick/model.cmsealed", "--challenge", f"../vault/{name}.challenge", "--owner", "acme", "--for", "plant-7",
                  "--with", chip, "--pcr", "16", "--signed-by", "../stick/acme.pub", "--out", f"{name}.request", at="plant")  # fmt: skip
            said = shell(
                "broker", "answer", f"../plant/{name}.request", "--out", f"{name}.answer", at="vault", exit=code
            )
            return said.out + said.err

        assert "does not run what was agreed" in asked("early", 1)
        tpm_quote.measure(uri.parse(chip), 16, model)
        asked("right", 0)
        done = shell("broker", "take", "../stick/model.cmsealed", "../vault/right.answer", "--request", "right.request", "--log-key",
                     "../vault/vault.vkey", "--signed-by", "../stick/acme.pub", "--out", "model.onnx", at="plant")  # fmt: skip
        assert done.last.startswith("opened: 1 file")
        assert (shell.here / "plant/model.onnx").read_bytes() == (shell.here / "acme/model.onnx").read_bytes()
