"""Mounted as ``sitecustomize.py`` for a dry run: writes down what the script asks the system for.

Uses PEP 578 audit events, so it sees what goes through Python's own file, socket and process
functions, in every Python process that the script starts. C libraries that open files by
themselves are not seen.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_LOG = "/countermark/log/events"
_READS = {"os.listdir", "os.scandir", "os.chdir"}
_CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}
_NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_busy = False
_log = -1


def _record(kind: str, what: Any) -> None:
    global _busy  # noqa: PLW0603 (writing the log opens nothing, but a hook must never recurse)
    if _busy:
        return
    _busy = True
    try:
        text = os.fsdecode(what) if isinstance(what, (str, bytes)) else str(what)
        if kind in ("read", "write") and not text.startswith("/"):
            text = os.path.normpath(f"{os.getcwd()}/{text}")  # noqa: PTH109 (light: this runs on every open)
        os.write(_log, json.dumps([kind, text[:4096]]).encode() + b"\n")
    finally:
        _busy = False


_log = -1


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(args[0], (str, bytes)):
        mode, flags = args[1] or "", args[2] if isinstance(args[2], int) else 0
        _record("write" if set(mode) & set("wax+") or flags & _WRITING else "read", args[0])
    elif event in _READS and isinstance(args[0], (str, bytes)):
        _record("read", args[0])
    elif event in _CHANGES and isinstance(args[0], (str, bytes)):
        _record("write", args[0])
    elif event in _NETWORK:
        _record("network", args[0] if event == "socket.getaddrinfo" else args[1])


def main() -> None:
    """Open the log and listen."""
    global _log  # noqa: PLW0603 (one log of one process)
    _log = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    sys.addaudithook(_hook)


if __name__ == "sitecustomize":
    main()
