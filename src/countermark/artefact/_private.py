"""Private copies of files: each byte is read once, hashed where it lies, and used from there."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from countermark import merkle
from countermark.artefact import folder
from countermark.artefact.profile import Profile
from countermark.artefact.tree import CHUNK_BYTES
from countermark.errors import Unusable

MOST_AT_ONCE = 0x7FFFF000
"""Bytes that Linux gives to one read."""

Piece = Callable[[int, int], memoryview | bytes]
"""Gives `count` bytes at an offset; fewer only where the file ends."""


def anonymous(descriptor: int, size: int, profile: Profile, threads: int) -> tuple[memoryview, bytes]:
    """Copy `size` bytes into anonymous memory of this process alone, and hash that copy chunk by chunk.

    Returns:
        the copy, writable, shorter where the file ends early; and its chunk root.

    Raises:
        Unusable: there is not so much memory.
    """
    if size <= CHUNK_BYTES:
        data = bytearray(folder.window(descriptor, 0)[:size])
        return memoryview(data), chunk_root(len(data), lambda at, count: memoryview(data)[at : at + count], profile, 1)
    try:
        # A shared mapping, Python's default, could be written by every process that is forked from this one.
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise Unusable(f"there is no memory for {size} bytes", why=str(error)) from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without huge pages is slower, and right
            memory.madvise(mmap.MADV_HUGEPAGE)
    view = memoryview(memory)
    root = chunk_root(size, lambda at, count: _fill(descriptor, view[at : at + count], at), profile, threads)
    return view, root


def whole(descriptor: int, size: int, profile: Profile, threads: int) -> tuple[bytes, bytes]:
    """As `anonymous`, into one `bytes` object, for libraries that take nothing else.

    Raises:
        Unusable: there is not so much memory, or more than `MOST_AT_ONCE` are asked for.
    """
    if size > MOST_AT_ONCE:
        raise Unusable(f"{size} bytes are too many for one object", mend="take a view of the file")
    try:
        data = os.pread(descriptor, size, 0)
    except (OSError, MemoryError) as error:
        raise Unusable(f"{size} bytes cannot be read at once", why=str(error)) from error
    view = memoryview(data)
    return data, chunk_root(len(data), lambda at, count: view[at : at + count], profile, threads)


def part(descriptor: int, start: int, stop: int) -> bytes:
    """Copy bytes [start, stop) into private memory; fewer where the file ends early.

    Raises:
        Unusable: there is not so much memory.
    """
    try:
        data = bytearray(stop - start)
    except MemoryError as error:
        raise Unusable(f"there is no memory for {stop - start} bytes", why=str(error)) from error
    return bytes(_fill(descriptor, memoryview(data), start))


def streamed(descriptor: int, size: int, profile: Profile, threads: int) -> bytes:
    """Chunk root of a file that nobody here will use: one window of each thread is in memory."""
    return chunk_root(size, lambda at, _count: folder.window(descriptor, at), profile, threads)


@contextlib.contextmanager
def sealed(name: str, fill: Callable[[int], None], size: int) -> Iterator[tuple[int, mmap.mmap | bytes]]:
    """A file in memory that nobody can change any more, this process included: its descriptor, and its bytes.

    Args:
        name: for people who look at the process. fill: writes the content to a descriptor, before it is sealed.
        size: expected, in bytes.

    Raises:
        Unusable: this platform has no such files, or `fill` wrote another number of bytes.
    """
    if not hasattr(os, "memfd_create"):
        raise Unusable(
            "this platform has no sealed files in memory", why="a loader that opens a path could be given other bytes",
            mend="use a loader that takes bytes, or Linux",
        )  # fmt: skip
    import fcntl

    descriptor = os.memfd_create(name[:60], os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        fill(descriptor)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        if os.fstat(descriptor).st_size != size:
            raise Unusable(f"{name} changed its size while it was copied")
        # Hashed only now: before the seals, who may open this process' descriptors could have written to it.
        yield descriptor, mmap.mmap(descriptor, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED) if size else b""
    finally:
        os.close(descriptor)


def copy_to(source: int, target: int, size: int) -> None:
    """Copy the first `size` bytes between descriptors inside the kernel; fewer where the source ends early."""
    at = 0
    while at < size and (done := os.sendfile(target, source, at, min(size - at, MOST_AT_ONCE))):
        at += done


def write_to(target: int, data: memoryview | bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def chunk_root(size: int, piece: Piece, profile: Profile, threads: int) -> bytes:
    """Chunk root of `size` bytes that `piece` gives, 4 MiB at a time, over threads where there are several."""
    leaf = profile.chunks.leaf

    def hashed(at: int) -> bytes:
        return leaf(piece(at, min(CHUNK_BYTES, size - at)))

    starts = range(0, size, CHUNK_BYTES)
    if threads < 2 or len(starts) < 2:
        return merkle.root(map(hashed, starts), profile.chunks)
    with ThreadPoolExecutor(threads) as pool:
        return merkle.root(pool.map(hashed, starts), profile.chunks)


def _fill(descriptor: int, target: memoryview, offset: int) -> memoryview:
    """Read into `target`, which is cut where the file ends: its hash then is another one."""
    at = 0
    while at < len(target) and (done := os.preadv(descriptor, [target[at:]], offset + at)):
        at += done
    return target[:at]
