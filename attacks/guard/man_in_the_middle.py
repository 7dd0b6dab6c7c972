"""A real TCP proxy between a client and a guard that rewrites what passes through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Rewrite = Callable[[bytes], bytes]


def whole_message(connection: socket.socket) -> bytes:
    """One HTTP/1.1 message with its Content-Length body; empty where the other side hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def body_of(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[2]


def with_body(message: bytes, body: bytes) -> bytes:
    """The message with another body and a Content-Length that fits it."""
    head = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    lines = [x for x in head if not x.lower().startswith(b"content-length:")]
    return b"\r\n".join([*lines, b"content-length: %d" % len(body)]) + b"\r\n\r\n" + body


@contextlib.contextmanager
def proxy(url: str, *, query: Rewrite = bytes, answer: Rewrite = bytes) -> Iterator[str]:
    """A proxy to the guard at `url`; yields its own URL.

    Args:
        query, answer: rewrite each message, head and body.
    """
    host, _, port = url.removeprefix("http://").rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, (host, int(port)), query, answer), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, guard: tuple[str, int], query: Rewrite, answer: Rewrite) -> None:
    with contextlib.suppress(OSError):  # the listener was closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_carry, args=(client, guard, query, answer), daemon=True).start()


def _carry(client: socket.socket, guard: tuple[str, int], query: Rewrite, answer: Rewrite) -> None:
    with client, socket.create_connection(guard) as upstream, contextlib.suppress(OSError):
        while asked := whole_message(client):
            upstream.sendall(query(asked))
            client.sendall(answer(whole_message(upstream)))
