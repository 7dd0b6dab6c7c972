"""Landlock: this thread and all it starts may read the interpreter, and nothing else of the disk.

Source: Linux `Documentation/userspace-api/landlock.rst` and `linux/landlock.h`.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # one number on every architecture
_GET_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_FS_BITS_NEWEST = 16  # ABI 5 added IOCTL_DEV
_NET_BIND_AND_CONNECT = 0b11
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def version() -> int:
    """ABI version of the kernel's Landlock; 0 where there is none or it is switched off."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE, None, 0, _GET_VERSION)))


def _ruleset(abi: int) -> int:
    fields = [(1 << _FS_BITS.get(abi, _FS_BITS_NEWEST)) - 1]
    if abi >= 4:
        fields.append(_NET_BIND_AND_CONNECT)
    if abi >= 6:
        fields.append(_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(_CREATE, attributes, len(attributes), 0))


def _allow_reading(ruleset: int, path: Path) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    try:
        access = _READ_FILE | _EXECUTE | (_READ_DIR if path.is_dir() else 0)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, beneath), 0)
    finally:
        os.close(beneath)


def restrict(readable: Iterable[Path]) -> str:
    """Confine this thread to reading below `readable`. Needs no_new_privs.

    Returns:
        an empty string, or the reason why it could not.
    """
    abi = version()
    if abi == 0:
        return "the kernel has no Landlock"
    ruleset = _ruleset(abi)
    if ruleset < 0:
        return "the kernel refused the ruleset"
    try:
        for path in readable:
            _allow_reading(ruleset, path)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(_RESTRICT, ruleset, 0) != 0:
            return os.strerror(ctypes.get_errno())
    finally:
        os.close(ruleset)
    return ""
