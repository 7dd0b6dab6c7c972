"""Private copies of files: each byte is read once, hashed where it lies, and used from there."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from countermark import merkle
from countermark.artefact.buffer import leaf_at
from countermark.artefact.pages import Pages, filled
from countermark.artefact.profile import Profile
from countermark.artefact.tree import CHUNK_BYTES, bytes_root
from countermark.errors import Unusable

MOST_AT_ONCE = 0x7FFFF000
"""Bytes that Linux gives to one read."""


def anonymous(descriptor: int, size: int, profile: Profile, threads: int) -> tuple[memoryview, bytes]:
    """Copy `size` bytes into anonymous memory of this process alone, and hash that copy chunk by chunk.

    Returns:
        the copy, writable, shorter where the file ends early; and its chunk root.

    Raises:
        Unusable: there is not so much memory.
    """
    if size <= CHUNK_BYTES:
        data = part(descriptor, 0, size)
        return data, bytes_root(data, profile)
    pages = Pages(size)

    def hashed(at: int, count: int) -> bytes:
        return profile.chunks.leaf_of(pages.pieces(descriptor, at, count))

    return pages.view, _root(size, hashed, profile, threads)


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
    return data, chunk_root(data, profile, threads)


def part(descriptor: int, start: int, stop: int) -> memoryview:
    """Copy bytes [start, stop) into private memory, writable; fewer where the file ends early.

    Raises:
        Unusable: there is not so much memory.
    """
    try:
        data = bytearray(stop - start)
    except MemoryError as error:
        raise Unusable(f"there is no memory for {stop - start} bytes", why=str(error)) from error
    return filled(descriptor, start, memoryview(data))


def streamed(descriptor: int, size: int, profile: Profile, threads: int) -> bytes:
    """Chunk root of a file that nobody here will use: one piece of each thread is in memory."""
    return _root(size, lambda at, count: leaf_at(descriptor, at, at + count, profile.chunks), profile, threads)


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


def chunk_root(data: memoryview | mmap.mmap | bytes, profile: Profile, threads: int) -> bytes:
    """Chunk root of bytes that nobody else can change, over threads where they are many."""
    view, leaf = memoryview(data), profile.chunks.leaf
    return _root(len(view), lambda at, count: leaf(view[at : at + count]), profile, threads)


def _root(size: int, hashed: Callable[[int, int], bytes], profile: Profile, threads: int) -> bytes:
    """Root over the chunks of `size` bytes; `hashed` gives the hash of so many bytes at an offset."""
    starts = range(0, size, CHUNK_BYTES)

    def one(at: int) -> bytes:
        return hashed(at, min(CHUNK_BYTES, size - at))

    if threads < 2 or len(starts) < 2:
        return merkle.root(map(one, starts), profile.chunks)
    with ThreadPoolExecutor(threads) as pool:
        return merkle.root(pool.map(one, starts), profile.chunks)
