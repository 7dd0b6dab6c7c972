"""One connection to a server that is not trusted: encrypted unless plain, and cut when an exchange outlasts its time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection


class Line:
    """A connection for exchanges one after the other, by one thread.

    Args:
        host, port: of the server. seconds: for each whole exchange, the first from the handshake on. plain: whether it is not encrypted.

    Attributes:
        clean: whether the last exchange was read to its end, so that another may follow.
    """

    def __init__(self, host: str, port: int, seconds: float, *, plain: bool) -> None:
        """Connect; nothing is said yet.

        Raises:
            OSError: nobody is there.
        """
        self._host, self._port, self._seconds, self._plain = host, port, seconds, plain
        self._socket: socket.socket = socket.create_connection((host, port), seconds)
        # A request's head and body are two writes, and the second must not wait until the first was acknowledged.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._other = self._socket.dup()  # to cut it by, whatever the first is wrapped in
        self._spoken: HTTPConnection | None = None
        self.clean = False

    @contextlib.contextmanager
    def exchange(self) -> Iterator[HTTPConnection]:
        """For one exchange, which ends when its time is over: a socket's own timeout begins anew with each byte.

        Raises:
            TimeoutError: it was over.
        """
        self.clean, late = False, threading.Event()
        timer = threading.Timer(self._seconds, _cut, [self._other, late])
        timer.daemon = True
        timer.start()
        try:
            yield self._speaking()
            if late.is_set():
                raise TimeoutError
        except (OSError, ValueError) as error:
            if late.is_set():
                raise TimeoutError(f"no whole answer within {self._seconds:g} s") from error
            raise
        finally:
            timer.cancel()

    def _speaking(self) -> HTTPConnection:
        """HTTP over the line, encrypted by who proves its name unless plain."""
        import http.client  # a verifier, who asks nobody, needs neither this nor TLS
        import ssl

        if self._spoken is None:
            if self._plain:
                made = http.client.HTTPConnection(self._host, self._port)
            else:
                self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=self._host)
                made = http.client.HTTPSConnection(self._host, self._port)
            made.sock, self._spoken = self._socket, made
        return self._spoken

    def goes_on(self) -> bool:
        """Whether another exchange may follow: the last was read to its end, and the server neither closed the line nor said more."""
        import ssl

        if not self.clean or self._spoken is None or self._spoken.sock is None:
            return False
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            with contextlib.suppress(OSError):
                self._socket.settimeout(self._seconds)
        return False

    def close(self) -> None:
        """Hang up; twice is harmless."""
        for end in (self._spoken, self._socket, self._other):
            if end is not None:
                end.close()


def _cut(line: socket.socket, late: threading.Event) -> None:
    """End an exchange that outlasted its time, wherever it stands."""
    late.set()
    with contextlib.suppress(OSError):  # it closed meanwhile
        line.shutdown(socket.SHUT_RDWR)
