"""Fulcio and Rekor of `keyless_world` on loopback, as far as a signer asks them; they look at what they are sent, and really sign.

The authority verifies the identity token and the signing request, the log verifies the envelope; either refuses what does not hold.
Sources: Fulcio's API (``/api/v2/signingCert``), Rekor's API v1 (``/api/v1/log/entries``), OpenID Connect discovery.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import keyless_world as world
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from keyless_world import World

from countermark import dsse

Answer = dict[str, Any]


@dataclass
class Service:
    """The state behind the addresses.

    Attributes:
        provider: key of the OpenID Connect provider. issue: how certificates are issued. changed: what is done to an answer of
            the log before it is given. asked: paths that were asked for, in order.
    """

    here: World = field(default_factory=World)
    provider: ec.EllipticCurvePrivateKey = field(default_factory=lambda: world.key(20))
    address: str = ""
    issue: dict[str, Any] = field(default_factory=dict)
    changed: Callable[[Answer], object] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def token(self, *, identity: str = world.IDENTITY, seconds: int = 300, by: ec.EllipticCurvePrivateKey | None = None,
              audience: str = "sigstore") -> str:  # fmt: skip
        """An identity token, as the provider gives it to who logged in."""
        now = int(time.time())
        claims = {
            "iss": world.ISSUER,
            "sub": identity,
            "aud": audience,
            "iat": now + min(seconds, 0) - 1,
            "exp": now + seconds,
        }
        return jwt.encode(claims, by or self.provider, algorithm="ES256")

    def certify(self, said: Answer, token: str) -> Answer:
        """A certificate for whom the token names, over the key of the signing request."""
        claims = jwt.decode(
            token, self.provider.public_key(), algorithms=["ES256"], audience="sigstore", issuer=world.ISSUER
        )
        request = x509.load_pem_x509_csr(base64.b64decode(said["certificateSigningRequest"]))
        if not request.is_signature_valid or not isinstance(holder := request.public_key(), ec.EllipticCurvePublicKey):
            raise ValueError("the signing request does not hold")
        now = datetime.now(UTC).replace(microsecond=0)
        certificate = self.here.authority.issue(holder, **{"at": now, "identity": claims["sub"], **self.issue})
        chain = [certificate, *self.here.authority.chain()]
        pem = [one.public_bytes(serialization.Encoding.PEM).decode() for one in chain]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": pem}}}

    def enter(self, said: Answer) -> Answer:
        """Enter an envelope, once its signature holds."""
        proposed = said["spec"]["proposedContent"]
        envelope = dsse.Envelope.from_bytes(proposed["envelope"].encode())
        certificate = x509.load_pem_x509_certificate(base64.b64decode(proposed["verifiers"][0]))
        (signature,) = envelope.signatures
        holder = certificate.public_key()
        if not isinstance(holder, ec.EllipticCurvePublicKey):
            raise ValueError("not a key that this log knows")
        holder.verify(signature.sig, envelope.signed_bytes(), ec.ECDSA(hashes.SHA256()))
        entry = self.here.log.enter(world.entry_body(envelope.payload, signature.sig, certificate), datetime.now(UTC))
        answer = _as_rekor_answers(entry)
        self.changed(answer)
        return answer

    def config(self) -> Answer:
        """The client trust configuration that names these services."""
        period = {"validFor": {"start": "2026-01-01T00:00:00Z"}, "operator": "local", "majorApiVersion": 1}
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.here.root(),
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [{"url": self.address, **period}], "oidcUrls": [{"url": self.address, **period}],
                "rekorTlogUrls": [{"url": self.address, **period}], "rekorTlogConfig": {"selector": "ANY"},
            },
        }  # fmt: skip


def _as_rekor_answers(entry: Answer) -> Answer:
    """The same entry as a bundle carries it, in the form of Rekor's API."""
    proof, hexed = entry["inclusionProof"], lambda text: base64.b64decode(text).hex()
    return {
        "body": entry["canonicalizedBody"], "integratedTime": int(entry["integratedTime"]),
        "logID": hexed(entry["logId"]["keyId"]), "logIndex": int(entry["logIndex"]),
        "verification": {
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "inclusionProof": {
                "logIndex": int(proof["logIndex"]), "rootHash": hexed(proof["rootHash"]), "treeSize": int(proof["treeSize"]),
                "hashes": [hexed(h) for h in proof["hashes"]], "checkpoint": proof["checkpoint"]["envelope"],
            },
        },
    }  # fmt: skip


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            endpoints = {
                "authorization_endpoint": f"{service.address}/auth",
                "token_endpoint": f"{service.address}/token",
            }
            self._say(200, endpoints)

        def do_POST(self) -> None:
            service.asked.append(self.path)
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                if self.path == "/api/v2/signingCert":
                    self._say(201, service.certify(said, self.headers["Authorization"].removeprefix("Bearer ")))
                else:
                    self._say(201, {"24296fb24b8ad77a" + "0" * 64: service.enter(said)})
            except Exception as error:  # noqa: BLE001  a service answers, whatever it is sent
                self._say(400, {"code": 3, "message": f"{type(error).__name__}: {error}"})

        def _say(self, code: int, value: Answer) -> None:
            body = json.dumps(value).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def started(service: Service | None = None) -> Iterator[Service]:
    """The services on loopback while this lasts."""
    service = service or Service()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(service)) as server:
        service.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield service
        finally:
            server.shutdown()
