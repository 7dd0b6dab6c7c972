"""Chunk roots remembered from an earlier reading, so that a signer reads again only what changed; never used at a gate.

A file counts as unchanged where device, inode, size, mtime and ctime are as they were: whoever sets mtime back changes ctime. A
file whose ctime is less than two seconds before the reading began is not remembered: a change within the clock's grain would
not show (git calls such entries racy). The cache is one file in the order of the tree, read beside the walk in bounded memory,
and authenticated as a whole with a key that lies beside it, mode 0600: whoever can write the one and not read the other can
only have it ignored. A wrong root would make a signature that every verifier refuses, because verifiers read the bytes.

Times are those of the file system. One whose clock is behind this machine's, as on a network, can hide a change that falls
into the same grain as the one before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from countermark.artefact.profile import Profile
from countermark.errors import Unusable

MAGIC = b"cm-roots/v1\0"
GRAIN_NS = 2_000_000_000
KEY_BYTES = MAC_BYTES = ROOT_BYTES = 32
PIECE = 1 << 20
_HEAD = struct.Struct(">12s1s")
_NAME = struct.Struct(">H")
_STATUS = struct.Struct(">QQQqq32s")


class Remembered:
    """`reading.Known` over a cache file; a context manager that replaces the file only where nothing was raised."""

    def __init__(self, file: Path, profile: Profile) -> None:
        self._file, self._key = file, _key(file.with_name(file.name + ".key"))
        self._old = _entries(file, self._key, profile)
        self._next = next(self._old, None)
        self._part = file.with_name(f"{file.name}.{os.getpid()}.part")
        self._part.unlink(missing_ok=True)  # of one that was killed
        self._new: BinaryIO = _created(self._part)
        self._before_ns = os.fstat(self._new.fileno()).st_ctime_ns - GRAIN_NS
        self._mac = hmac.new(self._key, digestmod=hashlib.sha256)
        self._write(_HEAD.pack(MAGIC, profile.byte))
        self.reused = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None:
                self._new.write(self._mac.digest())
        finally:
            self._new.close()
        if kind is None:
            self._part.replace(self._file)
        else:
            self._part.unlink(missing_ok=True)

    def find(self, path: str, status: os.stat_result) -> bytes | None:
        """Chunk root of a file that has not changed since it was hashed; asked for in the order of the tree."""
        name, told = path.encode(), _told(status)
        while self._next is not None and self._next[0] < name:
            self._next = next(self._old, None)
        if self._next is None or self._next[0] != name or self._next[1][:-1] != told:
            return None
        self.reused += 1
        return bytes(self._next[1][-1])

    def settled(self, descriptor: int, before: os.stat_result) -> bool:
        """Whether a file did not change while it was read, nor just before."""
        return before.st_ctime_ns <= self._before_ns and _told(os.fstat(descriptor)) == _told(before)

    def record(self, path: str, status: os.stat_result, root: bytes) -> None:
        """Remember a file; in the order of the tree."""
        name = path.encode()
        self._write(_NAME.pack(len(name)) + name + _STATUS.pack(*_told(status), root))

    def _write(self, data: bytes) -> None:
        self._mac.update(data)
        self._new.write(data)


@contextlib.contextmanager
def remembering(root: Path, file: Path | None, profile: Profile) -> Iterator[Remembered | None]:
    """The cache in `file` for one reading of `root`; None where none is wanted.

    Raises:
        Unusable: the cache lies in the folder that is read, or cannot be written.
    """
    if file is None:
        yield None
        return
    if file.absolute().resolve().is_relative_to(root.resolve()):
        raise Unusable(f"{file} lies in the folder that is read", mend="put the cache elsewhere")
    with Remembered(file, profile) as known:
        yield known


def _told(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _key(file: Path) -> bytes:
    """The key beside a cache; a new one where there is none, or where others could know it."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with contextlib.suppress(FileNotFoundError):  # at the first reading there is none
            descriptor = os.open(file, flags)
            try:
                private = _ours_alone(os.fstat(descriptor))
                key = os.read(descriptor, KEY_BYTES + 1) if private else b""
            finally:
                os.close(descriptor)
            if len(key) == KEY_BYTES:
                return key
            file.unlink()
    except OSError as error:
        raise Unusable(f"cannot read {file}", why=str(error), mend="name another cache") from error
    key = secrets.token_bytes(KEY_BYTES)
    with _created(file) as out:
        out.write(key)
    return key


def _ours_alone(status: os.stat_result) -> bool:
    """Whether a key is in a plain file of this very user, which nobody else may read: others would know what they gave us."""
    return stat.S_ISREG(status.st_mode) and (
        os.name != "posix" or (status.st_mode & 0o077 == 0 and status.st_uid == os.geteuid())
    )


def _created(file: Path) -> BinaryIO:
    """A new file of ours: one that somebody put there meanwhile is not written to."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.fdopen(os.open(file, flags, 0o600), "wb")
    except OSError as error:
        raise Unusable(f"cannot write {file}", why=str(error), mend="check the path") from error


def _entries(file: Path, key: bytes, profile: Profile) -> Iterator[tuple[bytes, tuple[int | bytes, ...]]]:
    """Entries of a cache that this key authenticates; none of any other, and none of one under another hash."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return  # nothing is remembered yet
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return  # a pipe would keep us waiting
        end = _authentic(opened, key)
        opened.seek(0)
        if end < _HEAD.size or opened.read(_HEAD.size) != _HEAD.pack(MAGIC, profile.byte):
            return
        while opened.tell() < end:
            name = opened.read(_NAME.unpack(opened.read(_NAME.size))[0])
            yield name, _STATUS.unpack(opened.read(_STATUS.size))


def _authentic(opened: BinaryIO, key: bytes) -> int:
    """Where the entries end; 0 where the file is not as this key left it."""
    end = os.fstat(opened.fileno()).st_size - MAC_BYTES
    mac, at = hmac.new(key, digestmod=hashlib.sha256), 0
    while at < end and (piece := opened.read(min(PIECE, end - at))):
        mac.update(piece)
        at += len(piece)
    return end if at == end and hmac.compare_digest(mac.digest(), opened.read(MAC_BYTES + 1)) else 0
