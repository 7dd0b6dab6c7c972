"""The filters, run in a small BPF machine: what each decides for every call that matters, on both machines."""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path

import pytest

from countermark.sandbox import _seccomp, _syscalls

ALLOW, KILL = 0x7FFF0000, 0x80000000
ARCHES = sorted(_syscalls.AUDIT_ARCH)
PID = 4321


def decide(program, number, *arguments, arch):
    """What the program returns for one call; the machine knows load, jump-if-equal, jump-if-set, return."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, arch, 0, *[a & (1 << 64) - 1 for a in padded])
    at = accumulator = 0
    while True:
        code, true, false, k = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = int.from_bytes(data[k : k + 4], "little")
            case 0x15:
                at += true if accumulator == k else false
            case 0x45:
                at += true if accumulator & k else false
            case 0x06:
                return k
            case _:
                pytest.fail(f"instruction {code:#x} is not one that the filters use")


def refused(answer):
    return answer & 0xFFFF0000 == 0x00050000


@pytest.fixture(params=ARCHES)
def parser(request):
    arch = request.param
    program = _seccomp.parser_filter(arch, PID)
    numbers = _syscalls.NUMBERS[arch]
    return lambda name, *args: decide(program, numbers[name], *args, arch=_syscalls.AUDIT_ARCH[arch])


@pytest.fixture(params=ARCHES)
def script(request):
    arch = request.param
    program = _seccomp.script_filter(arch)
    numbers = _syscalls.NUMBERS[arch]
    return lambda name, *args: decide(program, numbers[name], *args, arch=_syscalls.AUDIT_ARCH[arch])


def test_a_parser_computes_and_reads(parser):
    for name in ("read", "write", "mmap", "munmap", "futex", "exit_group", "getrandom", "clock_gettime"):
        assert parser(name) == ALLOW, name
    assert parser("openat", 0, 0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY) == ALLOW


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND, os.O_TMPFILE])
def test_a_parser_opens_nothing_for_writing(parser, flags):
    assert refused(parser("openat", 0, 0, flags))


def test_a_parser_starts_threads_and_no_processes(parser):
    assert parser("clone", 0x3D0F00) == ALLOW
    assert refused(parser("clone", 0x11))
    assert parser("clone3") == 0x00050000 | errno.ENOSYS


def test_a_parser_signals_and_limits_only_itself(parser):
    assert parser("tgkill", PID, 1, 6) == ALLOW
    assert refused(parser("tgkill", PID + 1, 1, 6))
    assert parser("prlimit64", 0) == parser("prlimit64", PID) == ALLOW
    assert refused(parser("prlimit64", 1))


def test_a_parser_has_no_other_doors(parser):
    for name in ("socket", *_syscalls.SHARED_DOORS):
        assert refused(parser(name)), name
    assert refused(parser("ioctl", 0, 0x5412))
    assert parser("ioctl", 0, 0x5401) == ALLOW


def test_another_table_of_calls_is_no_way_around():
    for arch in ARCHES:
        program = _seccomp.parser_filter(arch, PID)
        other = next(a for name, a in _syscalls.AUDIT_ARCH.items() if name != arch)
        assert decide(program, 0, arch=other) == KILL
        assert refused(decide(program, 99_999, arch=_syscalls.AUDIT_ARCH[arch]))
    for program in (_seccomp.parser_filter("x86_64", PID), _seccomp.script_filter("x86_64")):
        assert refused(decide(program, 0x40000000 | 41, 40, arch=_syscalls.AUDIT_ARCH["x86_64"]))


def test_a_script_does_ordinary_things(script):
    for name in ("read", "openat", "rt_sigaction", "mmap"):
        assert script(name) == ALLOW, name
    assert script("clone", 0x11) == script("clone", 0x3D0F00) == ALLOW
    assert script("ioctl", 0, 0x5401) == ALLOW


def test_a_script_has_only_sockets_that_namespaces_isolate(script):
    for family in (1, 2, 10, 16):
        assert script("socket", family) == ALLOW
    for family in (17, 31, 38, 40):  # packet, Bluetooth, kernel crypto, the host of a virtual machine
        assert refused(script("socket", family))


def test_a_script_has_no_shared_doors(script):
    for name in _syscalls.SHARED_DOORS:
        assert refused(script(name)), name
    for flag in (0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x80):
        assert refused(script("clone", flag))
    assert refused(script("ioctl", 0, 0x5412))
    assert refused(script("ioctl", 0, 0x541C))
    assert script("clone3") == 0x00050000 | errno.ENOSYS


@pytest.mark.parametrize(
    ("arch", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_the_kernels(arch, header):
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    text = Path(header).read_text()
    known = {name: int(n) for name, n in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    known.setdefault("newfstatat", known.get("fstatat", -1))
    compared = {name: n for name, n in _syscalls.NUMBERS[arch].items() if name in known}
    assert len(compared) > 100
    assert compared == {name: known[name] for name in compared}


def test_the_assembled_form_is_eight_bytes_an_instruction():
    program = _seccomp.parser_filter("x86_64", PID)
    raw = _seccomp.assemble(program)
    assert len(raw) == 8 * len(program)
    assert len(program) < 4096
    assert struct.unpack_from("<HBBI", raw) == program[0]
