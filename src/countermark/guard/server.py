"""Runs a guard under uvicorn: loopback by default, TLS or nothing elsewhere, and bounds on slow and many clients."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.errors import MissingExtra, Unusable

if TYPE_CHECKING:
    import uvicorn

_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and how a guard listens.

    Attributes:
        host: address or name; outside loopback `certificate` and `key` (PEM files) are needed. port: 0 picks one.
        head_seconds: until a connection must have sent a request's head, to a quarter more; request_seconds: until it
        must have sent the whole request. connections: at most so many at once.
        backlog: connections that may wait to be taken. stop_seconds: how long running requests may end when stopping.
    """

    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    head_seconds: float = 10.0
    request_seconds: float = 30.0
    connections: int = 256
    backlog: int = 256
    stop_seconds: float = 10.0


def bind(listen: Listen) -> socket.socket:
    """A bound socket. The address that was bound decides, not the name that was asked for.

    Raises:
        Unusable: it cannot be bound, or it is outside loopback and there is no TLS.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unusable(
            f"cannot listen on {listen.host}", why=str(error), mend="name an address of this host"
        ) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listen.certificate is None and not ipaddress.ip_address(address[0]).is_loopback:
            raise Unusable(
                f"{address[0]} is outside loopback, and there is no TLS",
                why="API keys and pictures would cross the network in the clear",
                mend="name --cert and --key, or listen on 127.0.0.1",
            )
        bound.bind(address)
    except (OSError, Unusable) as error:
        bound.close()
        if isinstance(error, Unusable):
            raise
        raise Unusable(
            f"cannot listen on {listen.host} port {listen.port}", why=str(error), mend="choose another port"
        ) from error
    return bound


def tls(listen: Listen) -> ssl.SSLContext | None:
    """TLS 1.3 context, or None where no certificate is named.

    Raises:
        Unusable: only one of certificate and key is named, or they do not load.
    """
    if listen.certificate is None and listen.key is None:
        return None
    if listen.certificate is None or listen.key is None:
        raise Unusable("TLS needs a certificate and its key", mend="name --cert and --key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(listen.certificate, listen.key)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(
            "the TLS certificate and key do not load", why=str(error), mend="check both PEM files"
        ) from error
    return context


def server(app: Any, listen: Listen) -> uvicorn.Server:
    """A uvicorn server with our bounds; it tells neither name nor version and logs no requests.

    Raises:
        MissingExtra: uvicorn is absent. Unusable: TLS cannot be set up.
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("serving needs uvicorn", mend="pip install 'countermark[serve]'") from None
    from countermark.guard._protocol import bounded_protocol

    context = tls(listen)
    config = uvicorn.Config(
        app, http=bounded_protocol(listen.head_seconds, listen.request_seconds, listen.connections), ws="none", lifespan="on", loop="asyncio",
        log_config=None, access_log=False, server_header=False, proxy_headers=False, workers=1,
        timeout_keep_alive=max(1, int(listen.head_seconds)), timeout_graceful_shutdown=max(1, int(listen.stop_seconds)),
        backlog=listen.backlog, limit_concurrency=listen.connections + 1, h11_max_incomplete_event_size=16 << 10,
    )  # fmt: skip
    config.load()
    config.ssl = context  # ours: uvicorn's own would take TLS 1.2
    return uvicorn.Server(config)


def url(bound: socket.socket, *, secure: bool) -> str:
    """Where a bound socket is reached from this host."""
    host, port = bound.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def run(app: Any, listen: Listen, *, bound: socket.socket | None = None) -> None:
    """Serve until SIGINT or SIGTERM; running requests may end. Returns after SIGINT; uvicorn gives SIGTERM back to the
    process when all is done.

    Raises:
        Unusable: it cannot listen. MissingExtra: uvicorn is absent.
    """
    made = server(app, listen)
    place = bound or bind(listen)
    try:
        made.run(sockets=[place])
    except KeyboardInterrupt:  # uvicorn raises it anew after an orderly end
        if not made.should_exit:
            raise
    finally:
        place.close()


@contextmanager
def background(app: Any, listen: Listen | None = None) -> Iterator[str]:
    """Serve in a thread of this process; yields the URL.

    Raises:
        Unusable: it cannot listen, or did not start. MissingExtra: uvicorn is absent.
    """
    chosen = listen or Listen()
    made = server(app, chosen)
    place = bind(chosen)
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(sockets=[place])), name="guard", daemon=True)
    thread.start()
    try:
        _wait_started(made, thread)
        yield url(place, secure=chosen.certificate is not None)
    finally:
        made.should_exit = True
        thread.join(chosen.stop_seconds + 5)
        place.close()


def _wait_started(made: uvicorn.Server, thread: threading.Thread) -> None:
    ends = time.monotonic() + _START_SECONDS
    while not made.started:
        if not thread.is_alive() or time.monotonic() > ends:
            raise Unusable("the guard did not start", mend="see the log above")
        time.sleep(0.005)


logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())
