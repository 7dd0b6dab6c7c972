"""Runs inside the confinement that is being probed, with the standard library alone.

Usage: ``python -I guest.py REQUEST.json RESULT.json``. Tries every way out that the request names
and writes how each went. It imports nothing of Countermark: a trained script cannot either.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CLONE_NEWUSER = 0x10000000


def _say(family: int, kind: int, address: Any, token: str) -> None:
    with socket.socket(family, kind) as end:
        end.settimeout(0.5)
        end.connect(address)
        end.send(token.encode())
        end.recv(1)  # an unreachable UDP port shows only now


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags, 0o600))


def _no_environment(request: dict[str, Any]) -> None:
    seen = set(os.environ) - set(request["variables"]) - {"PWD"}
    first = Path("/proc/1/environ").read_bytes()
    if not seen and request["token"].encode() not in first:
        raise PermissionError("only what the plan declares is there")


def _no_descriptors() -> None:
    left = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = str(Path(f"/proc/self/fd/{name}").readlink())
        except FileNotFoundError:
            continue  # the one that listed this folder
        if int(name) > 2 and target != "/proc/self/fd" and not target.endswith("/fd"):
            left.append(f"{name} -> {target}")
    if not left:
        raise PermissionError("only 0, 1 and 2 are open")
    raise RuntimeError(", ".join(left))


def _no_input() -> None:
    if os.read(0, 1) == b"":
        raise PermissionError("standard input is empty")


def _no_interfaces() -> None:
    names = [name for _, name in socket.if_nameindex()]
    if names in ([], ["lo"]):
        raise PermissionError("no interface but loopback")
    raise RuntimeError(", ".join(names))


def _no_processes() -> None:
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    if len(pids) <= 3:
        raise PermissionError("only its own processes are visible")


def _new_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def attempts(request: dict[str, Any]) -> dict[str, Callable[[], None]]:
    """Name of each way out, and the function that tries it."""
    token = request["token"]
    write = os.O_WRONLY | os.O_CREAT
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
    return {
        "UDP": lambda: _say(socket.AF_INET, datagram, ("127.0.0.1", request["udp"]), token),
        "TCP": lambda: _say(socket.AF_INET, stream, ("127.0.0.1", request["tcp"]), token),
        "Unix socket by path": lambda: _say(socket.AF_UNIX, stream, request["unix"], token),
        "Unix socket by abstract name": lambda: _say(socket.AF_UNIX, stream, "\0" + request["abstract"], token),
        "socket to the host of a virtual machine": lambda: socket.socket(socket.AF_VSOCK, stream).close(),
        "network interfaces": _no_interfaces,
        "undeclared file": lambda: _open(request["secret"], os.O_RDONLY),
        "environment variable": lambda: _no_environment(request),
        "inherited descriptor": _no_descriptors,
        "standard input": _no_input,
        "other processes": _no_processes,
        "new user namespace": _new_namespace,
        "writing beside the output": lambda: _open("/probe/new", write),
        "writing to an input": lambda: _open(request["input"], os.O_WRONLY),
        "writing to the system": lambda: _open(request["system"] + "/countermark-probe", write),
        "writing to the root": lambda: _open("/countermark-probe", write),
    }


def main() -> None:
    """Try everything, write what happened."""
    request = json.loads(Path(sys.argv[1]).read_text())
    results = {}
    for name, attempt in attempts(request).items():
        try:
            attempt()
        except OSError as error:
            results[name] = {"refused": True, "how": error.strerror or str(error)}
        except RuntimeError as error:
            results[name] = {"refused": False, "how": str(error)}
        else:
            results[name] = {"refused": False, "how": "it worked"}
    Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
