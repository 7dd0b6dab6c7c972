"""Step 10: the operator serves the verified model; the plant asks, and notices an answer that was changed."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from countermark.cases.factory.parties import OPERATOR, PLANT
from countermark.cases.factory.supply import Supply
from countermark.cases.factory.tell import Tell
from countermark.errors import ExchangeRefused
from countermark.guard import admission, client, keyring, server, start
from countermark.lifecycle import trial, verify
from countermark.passport.verify import Pin

TRIES = 5
HOP = ("connection", "keep-alive", "transfer-encoding", "host", "content-length", "server", "date")


def serve_and_ask(supply: Supply, model: Path, passport: Path, tell: Tell) -> dict[str, Any]:
    """Start the guard, ask about a few test pictures, then ask through somebody who changes answers."""
    operator, plant = supply.parties[OPERATOR], supply.parties[PLANT]
    with verify.open_model(model, passport, Pin(supply.parties.fingerprint), operator.now()) as opened:
        served = admission.admit(opened)
    _, token = keyring.create(operator.space, PLANT, operator.stamp())
    tell.command(f"countermark serve model --passport {passport.name}")
    pictures, classes = trial.read_pictures(supply.photos / "test")
    digest = served.digest
    with server.background(start.prepare(operator, served)) as url:
        tell.command(f"countermark query {url} part.png --model {digest[:12]}... --api-key-file line-3.key")
        with client.Session(url, token, clock=plant.clock) as session:
            described = session.describe(plant.trust(), digest)
            answer = session.predict(pictures[:TRIES], described)
        right = sum(a == b for a, b in zip(answer.labels, classes[:TRIES], strict=True))
        tell.say(
            f"{right} of {TRIES} parts named rightly; each answer signed by a key that {answer.operator} delegated"
        )
        with _meddler(url) as between:
            refusal = _through(between, token, plant.clock, plant.trust(), (digest, pictures[:TRIES]))
    tell.refused("an answer changed on its way", [refusal])
    return {"right": right, "asked": TRIES, "guard_key": answer.guard, "changed_answer_refused": refusal}


def _through(url: str, token: str, clock: Any, trust: Any, question: tuple[str, Any]) -> str:
    digest, pictures = question
    try:
        client.query(url, pictures, token, trust=trust, model=digest, clock=clock)
    except ExchangeRefused as refusal:
        return refusal.what
    return ""


@contextmanager
def _meddler(url: str) -> Iterator[str]:
    """A real proxy on loopback that flips one bit in the body of every prediction."""
    target = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def log_message(self, format: str, *args: Any) -> None:
            return

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            inner = http.client.HTTPConnection(target.hostname or "", target.port)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            inner.request(self.command, self.path, body or None, headers)
            got = inner.getresponse()
            data = bytearray(got.read())
            if self.command == "POST" and data:
                data[-1] ^= 1
            self.send_response_only(got.status)
            for name, value in got.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            inner.close()

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(5)
