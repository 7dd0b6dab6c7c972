"""The guard on a real socket: a man in the middle, slow clients, TLS, and how it starts and stops."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from core_world import Clock
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from guard_world import MODEL, GuardWorld, pictures
from man_in_the_middle import Rewrite, body_of, proxy, with_body

from countermark.errors import ExchangeRefused, TrustRefused, Unusable
from countermark.guard import client, delegation, server
from countermark.guard.app import Limits
from countermark.guard.server import Listen
from countermark.keys.signer import generate


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> GuardWorld:
    return GuardWorld.make(tmp_path_factory.mktemp("guard") / "world")


@pytest.fixture
def place(template: GuardWorld, tmp_path: Path) -> GuardWorld:
    return template.copy(tmp_path / "world")


@pytest.fixture
def url(place: GuardWorld) -> Iterator[str]:
    with place.running() as where:
        yield where


def ask(place: GuardWorld, url: str, **options: object) -> client.Answer:
    with place.session(url, **options) as session:
        return session.predict(pictures(2), session.describe(place.trust, MODEL))


def test_a_question_and_its_answer(place: GuardWorld, url: str) -> None:
    answer = ask(place, url)
    assert np.array_equal(answer.scores, place.served.network.predict(pictures(2)))
    assert (answer.model, answer.guard, answer.operator) == (MODEL, place.signer.public.id, "engineering")
    assert answer.signed.exchange.status == 200
    once = client.query(url, pictures(2), place.token, trust=place.trust, model=MODEL, clock=place.world.clock)
    assert once.labels == answer.labels


def only_predict(change: Rewrite) -> Rewrite:
    """Leave the description alone, so that only the answer to the question is attacked."""
    return lambda message: message if b'"delegation"' in message else change(message)


def flip_body(at: int) -> Rewrite:
    def change(message: bytes) -> bytes:
        body = bytearray(body_of(message))
        body[at] ^= 1
        return with_body(message, bytes(body))

    return change


def flip_body_and_digest(message: bytes) -> bytes:
    """The careful attacker also writes a Content-Digest that fits."""
    from countermark.guard.signature import content_digest

    changed = flip_body(-1)(message)
    return changed.replace(content_digest(body_of(message)).encode(), content_digest(body_of(changed)).encode())


def swap(old: bytes, new: bytes) -> Rewrite:
    return lambda message: message.replace(old, new, 1)


@pytest.mark.parametrize(
    "change",
    [
        flip_body(-1), flip_body(0), flip_body(100), flip_body_and_digest,
        lambda m: with_body(m, body_of(m)[:-4]), lambda m: with_body(m, b""),
        swap(b"HTTP/1.1 200 OK", b"HTTP/1.1 201 Created"), swap(b"signature:", b"x-signature:"),
        swap(b"created=1", b"created=2"), swap(b'keyid="', b'keyid="0'), swap(b'alg="ed25519"', b'alg="none"'),
        swap(b"signature: countermark=:", b"signature: countermark=:AA"),
        swap(b'"countermark-nonce";req ', b""),
    ],
    ids=["last byte", "first byte", "header byte", "with its digest", "cut", "empty", "status", "unsigned", "time",
         "key", "algorithm", "signature", "nonce not covered"],
)  # fmt: skip
def test_a_changed_answer_is_refused(place: GuardWorld, url: str, change: Rewrite) -> None:
    with proxy(url, answer=only_predict(change)) as between, pytest.raises(ExchangeRefused):
        ask(place, between)


def test_the_proxy_itself_is_not_what_is_refused(place: GuardWorld, url: str) -> None:
    with proxy(url) as between:
        assert ask(place, between).labels == ask(place, url).labels


def test_a_changed_question_is_refused(place: GuardWorld, url: str) -> None:
    """The guard sees that the digest does not fit; with a digest that does, the client sees it."""

    def other_picture(message: bytes) -> bytes:
        return flip_body_and_digest(message) if message.startswith(b"POST") else message

    plain = lambda m: flip_body(-1)(m) if m.startswith(b"POST") else m  # noqa: E731
    with proxy(url, query=plain) as between, pytest.raises(ExchangeRefused, match="Content-Digest"):
        ask(place, between)
    with proxy(url, query=other_picture) as between, pytest.raises(ExchangeRefused, match="not the one the guard gave"):
        ask(place, between)


def test_a_replayed_answer_is_refused(place: GuardWorld, url: str) -> None:
    kept: list[bytes] = []

    def replay(message: bytes) -> bytes:
        kept.append(message)
        return kept[0]

    with proxy(url, answer=only_predict(replay)) as between, place.session(between) as session:
        said = session.describe(place.trust, MODEL)
        assert session.predict(pictures(), said).labels
        with pytest.raises(ExchangeRefused, match="not the one the guard gave"):
            session.predict(pictures(), said)


def test_a_slow_replay_is_refused_by_the_clock(place: GuardWorld, url: str) -> None:
    with place.session(url) as session:
        said = session.describe(place.trust, MODEL)
        session._clock = Clock(place.world.clock.now + timedelta(seconds=301))
        with pytest.raises(ExchangeRefused, match="301 s ago"):
            session.predict(pictures(), said)


def test_another_guards_answer_is_refused(place: GuardWorld, url: str) -> None:
    """A second guard of the same project, model and operator: its answers are its own."""
    with place.session(url) as session:
        said = session.describe(place.trust, MODEL)
    place.signer = generate("guard")
    with place.running() as other, place.session(other) as session, pytest.raises(ExchangeRefused, match="another key"):
        session.predict(pictures(), said)


def test_another_model_is_refused(place: GuardWorld, url: str) -> None:
    with place.session(url) as session, pytest.raises(ExchangeRefused, match="another model"):
        session.describe(place.trust, "6" * 64)


def test_a_forged_or_borrowed_delegation_is_refused(place: GuardWorld) -> None:
    mine = place.delegation()
    by_owner = place.delegation(by="manufacturer")
    with place.running(place.app(mine, handed=by_owner)) as where, pytest.raises(TrustRefused, match="operator"):
        ask(place, where)
    other = place.delegation(model="6" * 64)
    with place.running(place.app(mine, handed=other)) as where, pytest.raises(ExchangeRefused, match="delegated for"):
        ask(place, where)


def test_an_expired_delegation_is_refused_by_the_client_too(place: GuardWorld, url: str) -> None:
    with place.session(url) as session:
        said = session.describe(place.trust, MODEL)
        session._clock = Clock(place.world.clock.now + timedelta(days=7))
        with pytest.raises(TrustRefused, match="is delegated from"):
            session.predict(pictures(), said)


def test_a_pinned_guard_key_needs_no_trust_document(place: GuardWorld, url: str) -> None:
    pin = delegation.pinned(place.signer.public, MODEL, place.world.clock())
    with place.session(url) as session:
        assert session.predict(pictures(), session.describe(pin, MODEL)).operator == ""
    wrong = delegation.pinned(generate("guard").public, MODEL, place.world.clock())
    with place.session(url) as session, pytest.raises(ExchangeRefused, match="another key"):
        session.describe(wrong, MODEL)


def test_a_wrong_api_key_is_told(place: GuardWorld, url: str) -> None:
    place.token = place.token[:-4] + "AAAA"
    with pytest.raises(ExchangeRefused, match="401 an API key is needed"):
        ask(place, url)


def test_a_session_outlives_an_idle_connection(place: GuardWorld) -> None:
    with place.running(listen=Listen(head_seconds=0.2)) as where, place.session(where) as session:
        said = session.describe(place.trust, MODEL)
        time.sleep(0.6)
        assert session.predict(pictures(), said).labels


def test_nothing_tells_what_software_this_is(url: str) -> None:
    host = url.removeprefix("http://")
    for request in (
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\0\1\2\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 70_000,
    ):
        with socket.create_connection((host.split(":")[0], int(host.split(":")[1])), timeout=5) as raw:
            raw.sendall(request)
            seen = raw.recv(4096).lower()
        assert seen.startswith((b"http/1.1 401", b"http/1.1 400"))
        assert not [word for word in (b"uvicorn", b"python", b"server:", b"traceback", b"h11") if word in seen]


def test_a_head_that_drips_is_cut_off(place: GuardWorld) -> None:
    with place.running(listen=Listen(head_seconds=0.3)) as where:
        host, port = where.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            started = time.monotonic()
            with pytest.raises(OSError):
                while time.monotonic() - started < 5:
                    raw.sendall(b"a")
                    time.sleep(0.02)
            assert time.monotonic() - started < 2
        assert ask(place, where).labels


def test_a_second_head_that_drips_is_cut_off_too(place: GuardWorld) -> None:
    """uvicorn's own timer is taken back by the first byte after an answer."""
    with place.running(listen=Listen(head_seconds=0.3)) as where:
        host, port = where.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            seen = b""
            while piece := raw.recv(4096):  # a stranger's connection ends with his refusal
                seen += piece
            assert seen.startswith(b"HTTP/1.1 401")
        with place.session(where) as session:
            session.describe(place.trust, MODEL)
            connection = session._connection
            started = time.monotonic()
            with pytest.raises(OSError):
                while time.monotonic() - started < 5:
                    connection.sock.sendall(b"a")
                    time.sleep(0.02)
            assert time.monotonic() - started < 2


def test_a_crowd_of_silent_connections_is_bounded(place: GuardWorld) -> None:
    with place.running(listen=Listen(head_seconds=0.5, connections=8)) as where:
        host, port = where.removeprefix("http://").split(":")
        crowd = [socket.create_connection((host, int(port)), timeout=5) for _ in range(40)]
        time.sleep(0.2)
        gone = 0
        for raw in crowd:
            raw.setblocking(False)
            try:
                gone += raw.recv(1) == b""
            except BlockingIOError:
                continue
            except ConnectionError:
                gone += 1
        assert gone == 32
        time.sleep(0.8)
        assert ask(place, where).labels, "when the silent ones are cut off there is room again"
        for raw in crowd:
            raw.close()


def test_a_server_that_never_ends_its_answer_is_left(place: GuardWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                try:
                    while True:
                        taken.sendall(b"x")
                        time.sleep(0.02)
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with place.session(f"http://127.0.0.1:{listener.getsockname()[1]}", seconds=0.4) as session:
            started = time.monotonic()
            with pytest.raises(ExchangeRefused, match="no whole answer within"):
                session.describe(place.trust, MODEL)
            assert time.monotonic() - started < 3
        thread.join(5)


def test_an_endless_answer_is_bounded(place: GuardWorld, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 10)
    with pytest.raises(ExchangeRefused, match="larger than 10 bytes"):
        ask(place, url)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_outside_loopback_there_is_tls_or_nothing(host: str) -> None:
    with pytest.raises(Unusable, match="outside loopback"):
        server.bind(Listen(host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_needs_no_tls(host: str) -> None:
    server.bind(Listen(host=host)).close()


def test_a_key_is_never_sent_in_the_clear(place: GuardWorld) -> None:
    for where in ("http://example.org", "http://192.0.2.1:8000", "http://127.0.0.1.example.org", "ftp://127.0.0.1",
                  "http://user@127.0.0.1", "http://127.0.0.1/elsewhere", "127.0.0.1:80", "http://127.0.0.1:99999"):  # fmt: skip
        with pytest.raises(Unusable):
            place.session(where)


def test_nobody_there_is_no_verdict(place: GuardWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unusable, match="no answer from"):
        ask(place, f"http://127.0.0.1:{port}")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_tls_with_a_pinned_authority(place: GuardWorld, tmp_path: Path) -> None:
    crt, key = certificate(tmp_path, "guard")
    stranger, _ = certificate(tmp_path, "stranger")
    with place.running(listen=Listen(certificate=crt, key=key)) as where:
        assert where.startswith("https://")
        assert ask(place, where, ca=crt).labels
        for other in (stranger, None):
            with pytest.raises(ExchangeRefused, match="certificate is not trusted"):
                ask(place, where, ca=other)
        old = ssl.create_default_context(cafile=crt)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        host, port = where.removeprefix("https://").split(":")
        with socket.create_connection((host, int(port))) as raw, pytest.raises(ssl.SSLError):
            old.wrap_socket(raw, server_hostname=host)


def test_half_of_tls_is_refused(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path, "guard")
    for listen in (Listen(certificate=crt), Listen(key=key), Listen(certificate=key, key=crt),
                   Listen(certificate=tmp_path / "none", key=key)):  # fmt: skip
        with pytest.raises(Unusable):
            server.tls(listen)
    server.bind(Listen(host="0.0.0.0", certificate=crt, key=key)).close()


class Slow:
    """The tiny model, taking its time."""

    def __init__(self, place: GuardWorld, seconds: float) -> None:
        self._network, self._seconds, self.asked = place.served.network, seconds, threading.Event()

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return self._network.input_shape

    def predict(self, images: object) -> object:
        self.asked.set()
        time.sleep(self._seconds)
        return self._network.predict(images)  # type: ignore[arg-type]


def test_a_running_request_may_end_when_the_guard_stops(place: GuardWorld) -> None:
    slow = Slow(place, 0.5)
    place.served = replace(place.served, network=slow)  # type: ignore[arg-type]
    answers: list[client.Answer] = []
    with place.running() as where:

        def question() -> None:
            with place.session(where) as session:
                said = session.describe(place.trust, MODEL)
                answers.append(session.predict(pictures(9), said))

        thread = threading.Thread(target=question)
        thread.start()
        assert slow.asked.wait(5)
    thread.join(5)
    assert len(answers[0].labels) == 9
    with pytest.raises(Unusable):
        ask(place, where)


def test_a_refusal_after_the_key_is_the_guards_own_word(place: GuardWorld) -> None:
    """Before the body is read, and signed all the same: nobody between can invent or change it."""
    place.limits = Limits(body_bytes=1000)
    with place.running() as where, place.session(where) as session:
        said = session.describe(place.trust, MODEL)
        with pytest.raises(ExchangeRefused, match=r"^the guard refused: 413"):
            session.predict(pictures(9), said)
        assert session.predict(pictures(), said).labels, "the session goes on"


@pytest.mark.parametrize("field", [b"", b"signature: countermark=:AAAA:\r\n"])
def test_nobody_refuses_in_the_guards_name(place: GuardWorld, url: str, field: bytes) -> None:
    text = b'{"error":"pay first"}'
    invented = b"HTTP/1.1 402 No\r\n" + field + b"content-length: %d\r\n\r\n" % len(text) + text
    with (
        proxy(url, answer=lambda _: invented) as between,
        place.session(between) as session,
        pytest.raises(ExchangeRefused, match="without a verified signature"),
    ):
        session.describe(place.trust, MODEL)
    with proxy(url, answer=only_predict(lambda _: invented)) as between, place.session(between) as session:
        said = session.describe(place.trust, MODEL)
        with pytest.raises(ExchangeRefused) as refused:
            session.predict(pictures(), said)
    assert not refused.value.what.startswith("the guard refused")


SERVING = """
from countermark.guard import server
async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": kind + ".complete"})
        if kind == "lifespan.shutdown":
            print("shut down in order", flush=True)
            return
bound = server.bind(server.Listen())
print(*bound.getsockname(), flush=True)
server.run(app, server.Listen(), bound=bound)
print("returned", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "told", "code"),
    [
        (signal.SIGINT, ["shut down in order", "returned"], 0),
        (signal.SIGTERM, ["shut down in order"], -signal.SIGTERM),
    ],
)
def test_a_signal_ends_it_in_order(number: signal.Signals, told: list[str], code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVING], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        host, port = started.stdout.readline().split()
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                break
            time.sleep(0.02)
        started.send_signal(number)
        said, _ = started.communicate(timeout=20)
    assert (said.splitlines(), started.returncode) == (told, code)
