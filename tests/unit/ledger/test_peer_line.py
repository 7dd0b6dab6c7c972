"""A peer asks over one connection in a `with` block: fewer handshakes, and no bound is lost by it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from countermark.errors import Unusable
from countermark.ledger.peer import Peer

Answer = Callable[[socket.socket, int], None]
"""From a connection and how many requests were answered before, on all of them."""


def said(line: socket.socket, body: bytes = b"yes", more: bytes = b"") -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), more, body))


@contextlib.contextmanager
def served(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[int]]]:
    """A server by hand; the list holds requests by connection."""
    seen: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as place:

        def one(line: socket.socket, at: int) -> None:
            with (
                contextlib.suppress(OSError),
                line,
                contextlib.ExitStack() as stack,
            ):  # a client may hang up at any time
                if tls is not None:
                    line = stack.enter_context(tls.wrap_socket(line, server_side=True))
                reader = stack.enter_context(line.makefile("rb"))
                while head := b"".join(iter(reader.readline, b"\r\n")) if reader.peek(1) else b"":
                    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                    reader.read(length)
                    seen[at] += 1
                    answer(line, sum(seen))

        def serve() -> None:
            while True:
                try:
                    line, _ = place.accept()
                except OSError:
                    return
                seen.append(0)
                threading.Thread(target=one, args=(line, len(seen) - 1), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{place.getsockname()[1]}", seen
        place.shutdown(socket.SHUT_RDWR)


def test_requests_share_a_connection_in_a_block_and_only_there() -> None:
    with served(lambda line, _: said(line)) as (url, seen):
        with Peer(url, "the broker") as peer:
            assert [peer.post("/a", b"x" * 3000, 10).body for _ in range(4)] == [b"yes"] * 4
        assert seen == [4]
        assert peer.get("/a", 10).body == b"yes" and peer.get("/a", 10).body == b"yes"
        assert seen == [4, 1, 1]


def test_head_and_body_do_not_wait_for_each_other() -> None:
    """Two writes on a kept connection, without TCP_NODELAY: 40 ms each, until the first is acknowledged."""
    with served(lambda line, _: said(line)) as (url, _), Peer(url, "the broker") as peer:
        times = []
        for _ in range(12):
            begun = time.perf_counter()
            peer.post("/a", b"x" * 3000, 10)
            times.append(time.perf_counter() - begun)
        assert min(times[2:]) < 0.03


def test_a_line_that_the_server_closed_is_made_anew() -> None:
    closed = threading.Event()

    def once(line: socket.socket, _: int) -> None:
        said(line)
        line.shutdown(socket.SHUT_RDWR)
        closed.set()

    def told(line: socket.socket, _: int) -> None:
        said(line, more=b"Connection: close\r\n")
        closed.set()

    for answer in (once, told):
        with served(answer) as (url, seen), Peer(url, "the broker") as peer:
            for _ in range(3):
                closed.clear()
                assert peer.post("/a", b"x", 10).body == b"yes"
                assert closed.wait(10)
            assert seen == [1, 1, 1]


def test_what_a_server_says_before_it_is_asked_answers_nothing() -> None:
    """The attack: a second answer behind the first, to be taken for the answer to the next question."""

    taken, sent = threading.Event(), threading.Event()

    def twice(line: socket.socket, at: int) -> None:
        said(line)
        if at == 1:
            taken.wait(10)
            said(line, b"old")
            sent.set()

    with served(twice) as (url, seen), Peer(url, "the broker") as peer:
        assert peer.post("/a", b"x", 10).body == b"yes"
        taken.set()
        assert sent.wait(10)
        assert peer.post("/a", b"x", 10).body == b"yes"
        assert seen == [1, 1]


def test_an_answer_that_was_refused_leaves_no_line_behind() -> None:
    with served(lambda line, at: said(line, b"n" * (99 if at == 1 else 3))) as (url, seen):
        with Peer(url, "the broker") as peer:
            with pytest.raises(Unusable, match="limit is 10"):
                peer.post("/a", b"x", 10)
            assert peer.post("/a", b"x", 10).body == b"nnn"
        assert seen == [1, 1]


def test_each_exchange_has_its_own_time_and_no_more() -> None:
    def drip(line: socket.socket, at: int) -> None:
        if at == 1:
            said(line)
            return
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            line.sendall(b"n")
            time.sleep(0.1)

    with served(drip) as (url, _), Peer(url, "the broker", seconds=0.5) as peer:
        assert peer.post("/a", b"x", 100).body == b"yes"
        time.sleep(0.6)  # a host's evidence may take longer than an exchange may
        begun = time.monotonic()
        with pytest.raises(Unusable) as caught:
            peer.post("/a", b"x", 100)
        assert "no whole answer" in caught.value.why and time.monotonic() - begun < 3


def test_one_handshake_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under TLS 1.3 too, where tickets lie on the line that are no answer."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.load_cert_chain(certificate(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with served(lambda line, _: said(line), tls) as (url, seen), Peer(url, "the broker") as peer:
        assert [peer.post("/a", b"x" * 3000, 10).body for _ in range(4)] == [b"yes"] * 4
        assert seen == [4]
    with served(lambda line, _: said(line), tls) as (url, seen):
        assert Peer(url, "the broker").post("/a", b"x", 10).body == b"yes"
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(Unusable, match="does not answer"):
            Peer(url, "the broker").post("/a", b"x", 10)
        assert seen == [1, 0]


def certificate(folder: Path) -> Path:
    """Of 127.0.0.1, self-signed, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=127.0.0.1")
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    pem = serialization.Encoding.PEM
    data = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(data + made.sign(key, hashes.SHA256()).public_bytes(pem))
    return folder / "server.pem"
