"""Seccomp filters, assembled by hand and loaded with prctl(2).

Source: Linux `Documentation/userspace-api/seccomp_filter.rst`, `linux/seccomp.h`, `linux/filter.h`.
Two programs: `parser_filter` is an allow-list for children that only compute; `script_filter` is a
deny-list, beside namespaces, for a user's training script.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence

from countermark.sandbox import _syscalls as table

Instruction = tuple[int, int, int, int]

_LOAD, _EQUAL, _ANY_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH = 0, 4
_X32 = 0x40000000
_TMPFILE = 0o20000000  # the bit of O_TMPFILE that is not O_DIRECTORY
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | _TMPFILE
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # every CLONE_NEW* flag: NEWNS, NEWCGROUP..NEWNET, NEWTIME
_TCGETS, _TIOCSTI, _TIOCLINUX = 0x5401, 0x5412, 0x541C
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def _argument(index: int) -> int:
    """Offset of the low word of an argument in `struct seccomp_data` (little endian)."""
    return 16 + 8 * index


def _deny(code: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | code)


def machine() -> str:
    """The machine whose system call numbers are known here, or an empty string."""
    name = platform.machine()
    return name if sys.platform == "linux" and sys.byteorder == "little" and name in table.AUDIT_ARCH else ""


def _prologue(arch: str) -> list[Instruction]:
    out: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, table.AUDIT_ARCH[arch]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NR),
    ]  # fmt: skip
    if arch == "x86_64":  # the x32 table reaches the same calls under other numbers
        out += [(_ANY_BITS, 0, 1, _X32), _deny(errno.ENOSYS)]
    return out


def _when(number: int, body: Sequence[Instruction]) -> list[Instruction]:
    """Run `body`, which must end in a return, for one system call only."""
    return [(_EQUAL, 0, len(body), number), *body]


def parser_filter(arch: str, pid: int) -> list[Instruction]:
    """Compute, read and answer; no sockets, no processes, no writing opens, signals to itself only.

    Args:
        arch: from `machine`. pid: the process that loads the filter.
    """
    allow: Instruction = (_RETURN, 0, 0, _ALLOW)
    no: Instruction = _deny(errno.EPERM)
    number = table.NUMBERS[arch]
    out = _prologue(arch)
    for name in table.COMPUTE:
        if name in number:
            out += _when(number[name], [allow])
    for name, index in (("open", 1), ("openat", 2)):
        if name in number:
            body = [(_LOAD, 0, 0, _argument(index)), (_ANY_BITS, 0, 1, _WRITES), _deny(errno.EACCES), allow]
            out += _when(number[name], body)
    own = [(_LOAD, 0, 0, _argument(0)), (_EQUAL, 0, 1, pid), allow, no]
    out += _when(number["tgkill"], own)
    out += _when(number["prlimit64"], [(_LOAD, 0, 0, _argument(0)), (_EQUAL, 1, 0, 0), (_EQUAL, 0, 1, pid), allow, no])
    out += _when(number["clone"], [(_LOAD, 0, 0, _argument(0)), (_ANY_BITS, 0, 1, _CLONE_THREAD), allow, no])
    out += _when(number["clone3"], [_deny(errno.ENOSYS)])  # its flags lie in memory; libc falls back to clone
    out += _when(number["ioctl"], [(_LOAD, 0, 0, _argument(1)), (_EQUAL, 0, 1, _TCGETS), allow, _deny(errno.ENOTTY)])
    return [*out, no]


def script_filter(arch: str) -> list[Instruction]:
    """For a training script behind namespaces: the kernel's shared doors that no namespace closes.

    Sockets other than Unix, IPv4, IPv6 and netlink (VSOCK reaches the host of a virtual machine),
    key rings, BPF, io_uring, new namespaces, mounting, terminal injection.
    """
    allow: Instruction = (_RETURN, 0, 0, _ALLOW)
    no: Instruction = _deny(errno.EPERM)
    number = table.NUMBERS[arch]
    out = _prologue(arch)
    for name in table.SHARED_DOORS:
        if name in number:
            out += _when(number[name], [no])
    families = [(_EQUAL, 0, 1, family) for family in table.ISOLATED_FAMILIES]
    body: list[Instruction] = [(_LOAD, 0, 0, _argument(0))]
    for test in families:
        body += [test, allow]
    out += _when(number["socket"], [*body, _deny(errno.EAFNOSUPPORT)])
    out += _when(number["clone"], [(_LOAD, 0, 0, _argument(0)), (_ANY_BITS, 0, 1, _CLONE_NEW), no, allow])
    out += _when(number["clone3"], [_deny(errno.ENOSYS)])
    tty = [(_LOAD, 0, 0, _argument(1)), (_EQUAL, 1, 0, _TIOCSTI), (_EQUAL, 0, 1, _TIOCLINUX), no, allow]
    out += _when(number["ioctl"], tty)
    return [*out, allow]


def assemble(program: Sequence[Instruction]) -> bytes:
    """The program as an array of `struct sock_filter`, the form that bubblewrap takes too."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def no_new_privileges() -> bool:
    """Set no_new_privs for this thread and all it starts; False where the kernel refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def load(program: Sequence[Instruction]) -> str:
    """Load a filter into this thread and all it starts later. Needs no_new_privs.

    Returns:
        an empty string, or the reason why the kernel refused.
    """
    code = ctypes.create_string_buffer(assemble(program))
    wrapped = _Program(len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(wrapped), 0, 0) != 0:
        return os.strerror(ctypes.get_errno())
    return ""
