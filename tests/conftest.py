"""No test may talk to anything but this machine: the first non-loopback socket fails it, whoever swallows the error."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run, so that a suite that passed passes again; `--hypothesis-profile=explore` looks for new ones.
# A deadline for each example would test the machine: a busy one takes a second for what takes a millisecond.
settings.register_profile("explore", deadline=None)
settings.register_profile("countermark", deadline=None, derandomize=True)
settings.load_profile("countermark")

_strays: list[str] = []
_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The host that a socket call reaches for; None where it cannot leave this machine."""
    target = arguments[0] if event.startswith("socket.get") else arguments[1]
    if isinstance(target, tuple):  # an internet address; a Unix socket's is text or bytes
        return str(target[0])
    if event.startswith("socket.get"):
        return target.decode() if isinstance(target, bytes) else target
    return None


def _stays_here(host: str | None) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False  # a name: asking for its address already leaves the machine
    return address.is_loopback or address.is_unspecified


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        host = _host(event, arguments)
        if not _stays_here(host):
            _strays.append(f"{event} {host}")
            raise ConnectionRefusedError(f"tests talk to this machine only, not to {host}")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def _only_loopback() -> Iterator[None]:
    _strays.clear()
    yield
    assert not _strays, f"this test reached out: {_strays}"
