"""Keys in Vault, against a stand-in of our own that speaks the transit engine's protocol and really signs; never a real Vault."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

pytest.importorskip("hvac", reason="needs the extra [kms]")

from cryptography.hazmat.primitives.asymmetric import ed25519

from countermark.errors import SignatureRefused, Unusable
from countermark.keys import uri
from countermark.keys.kms import KmsSigner, open_key, take_key

TOKEN = "hvs.stand-in"


class Transit(BaseHTTPRequestHandler):
    """``GET transit/keys/NAME`` and ``POST transit/sign/NAME``, as Vault's API documentation has them."""

    keys: ClassVar[dict[str, ed25519.Ed25519PrivateKey]] = {}
    lies = False

    def do_GET(self) -> None:
        if self._may("/v1/transit/keys/acme"):
            found = {n: {"public_key": b64(k.public_key().public_bytes_raw())} for n, k in self.keys.items()}
            self._answer(200, {"data": {"type": "ed25519", "keys": found}})

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._may("/v1/transit/sign/acme"):
            version = str(said["key_version"])
            key = ed25519.Ed25519PrivateKey.generate() if type(self).lies else self.keys[version]
            signature = b64(key.sign(base64.b64decode(said["input"])))
            self._answer(200, {"data": {"signature": f"vault:v{version}:{signature}"}})

    do_PUT = do_POST

    def _may(self, path: str) -> bool:
        if self.headers.get("X-Vault-Token") != TOKEN:
            self._answer(403, {"errors": ["permission denied"]})
        elif self.path != path:
            self._answer(404, {"errors": []})
        else:
            return True
        return False

    def _answer(self, code: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Transit]]:
    Transit.keys, Transit.lies = {"1": ed25519.Ed25519PrivateKey.generate()}, False
    with ThreadingHTTPServer(("127.0.0.1", 0), Transit) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        yield Transit
        server.shutdown()


def taken(text: str = "hv:acme") -> KmsSigner:
    return take_key(uri.parse(text), "statement")


def test_a_version_is_pinned_and_signs_after_a_rotation(vault: type[Transit]) -> None:
    signer = taken()
    assert signer.public.algorithm == "ed25519" and signer.uri.one("key") == "acme/1"
    vault.keys["10"], vault.keys["9"] = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
    again = open_key(uri.parse(signer.uri.text), "statement")
    again.public.verify(b"said", again.sign(b"said"))
    assert taken().uri.one("key") == "acme/10"
    with pytest.raises(Unusable, match="not the newest"):
        taken("hv:acme/9")


def test_another_key_is_refused(vault: type[Transit]) -> None:
    signer = taken()
    vault.lies = True
    with pytest.raises(SignatureRefused, match="another key than the pinned one"):
        signer.sign(b"said")
    vault.lies = False
    vault.keys["1"] = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(SignatureRefused, match="another key than the pinned one"):
        signer.sign(b"said")
    with pytest.raises(SignatureRefused, match="another public key than the pinned one"):
        taken(signer.uri.text)


def test_what_the_service_refuses_is_said_with_a_mend(vault: type[Transit], monkeypatch: pytest.MonkeyPatch) -> None:
    signer = taken()
    with pytest.raises(Unusable, match="knows no such key"):
        taken("hv:nobody")
    vault.keys.clear()
    with pytest.raises(Unusable, match="none of its own"):
        taken()
    monkeypatch.setenv("VAULT_TOKEN", "wrong")
    with pytest.raises(Unusable, match="does not let you") as refused:
        signer.sign(b"said")
    assert "VAULT_TOKEN" in refused.value.mend and "wrong" not in str(refused.value)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    with pytest.raises(Unusable, match="cannot be reached"):
        signer.sign(b"said")


@pytest.mark.parametrize("address", ["http://vault.example:8200", "ftp://127.0.0.1", "http://[::1", "vault"])
def test_a_token_never_travels_in_clear(vault: type[Transit], address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = taken()
    monkeypatch.setenv("VAULT_ADDR", address)
    for act in (lambda: signer.sign(b"said"), taken):
        with pytest.raises(Unusable, match="address of Vault"):
            act()


def test_the_command_says_what_it_was_tested_with(vault: type[Transit], project) -> None:
    said = project("key", "use", "statement", "hv:acme", at="acme")
    assert "never with a real Vault" in said.out and "taken: the statement key" in said.last
    assert project("key", "list", "--json", at="acme").json()["keys"][0]["protection"]
