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
    mode = {p.name: p.stat().st_mode & 0o077 for p in (shell.here / "vault/broker").iterdir() if p.is_file()}
    assert not any(mode[name] for name in ("root.sealkey", "log.pem", "challenge.key"))
    assert Path(shell.here / "vault/broker/log").is_dir()
