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
from collections import deque
from collections.abc import Generator, Iterator
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
_STATUS = struct.Struct(">QQQqq")
_TAIL = _STATUS.size + ROOT_BYTES
Entry = tuple[bytes, bytes, bytes]
"""Path, packed status, chunk root."""


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
        self._mac, self._unwritten = hmac.new(self._key, digestmod=hashlib.sha256), bytearray()
        self._write(_HEAD.pack(MAGIC, profile.byte))
        self.reused = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None:
                deque(self._old, maxlen=0)  # to its end, where it shows whether it is still what was authenticated
                self._flush()
                self._new.write(self._mac.digest())
                self._new.close()
                self._part.replace(self._file)
        finally:
            self._new.close()
            self._part.unlink(missing_ok=True)

    def find(self, path: str, status: os.stat_result) -> bytes | None:
        """Chunk root of a file that has not changed since it was hashed; asked for in the order of the tree."""
        name, entry = path.encode(), self._next
        while entry is not None and entry[0] < name:
            entry = next(self._old, None)
        self._next = entry
        if entry is None or entry[0] != name or entry[1] != _told(status):
            return None
        self.reused += 1
        return entry[2]

    def settled(self, descriptor: int, before: os.stat_result) -> bool:
        """Whether a file did not change while it was read, nor just before."""
        return before.st_ctime_ns <= self._before_ns and _told(os.fstat(descriptor)) == _told(before)

    def record(self, path: str, status: os.stat_result, root: bytes) -> None:
        """Remember a file; in the order of the tree."""
        name = path.encode()
        self._write(_NAME.pack(len(name)) + name + _told(status) + root)

    def _write(self, data: bytes) -> None:
        self._unwritten += data
        if len(self._unwritten) >= PIECE:
            self._flush()

    def _flush(self) -> None:
        self._mac.update(self._unwritten)
        self._new.write(self._unwritten)
        self._unwritten.clear()


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


def _told(status: os.stat_result) -> bytes:
    return _STATUS.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


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


def _entries(file: Path, key: bytes, profile: Profile) -> Iterator[Entry]:
    """Entries of a cache that this key authenticates; none of any other, and none of one under another hash."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return  # nothing is remembered yet
    with os.fdopen(descriptor, "rb", buffering=0) as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return  # a pipe would keep us waiting
        end, found = _authentic(opened, key)
        opened.seek(0)
        head = opened.read(_HEAD.size)
        if head != _HEAD.pack(MAGIC, profile.byte) or end < len(head):
            return
        left, rest, again = end - len(head), b"", hmac.new(key, head, hashlib.sha256)
        while left and (piece := opened.read(min(PIECE, left))):
            left -= len(piece)
            again.update(piece)
            rest = yield from _parsed(rest + piece)
    if left or not hmac.compare_digest(again.digest(), found):
        raise Unusable(f"{file} changed while it was read", mend="remove it, then try again")


def _parsed(data: bytes) -> Generator[Entry, None, bytes]:
    """Every whole entry in `data`; gives back what is left of it."""
    at, size, head = 0, len(data), _NAME.size
    while at + head <= size:
        name_at = at + head
        status_at = name_at + _NAME.unpack_from(data, at)[0]
        end = status_at + _TAIL
        if end > size:
            break
        root_at = status_at + _STATUS.size
        yield data[name_at:status_at], data[status_at:root_at], data[root_at:end]
        at = end
    return data[at:]


def _authentic(opened: BinaryIO, key: bytes) -> tuple[int, bytes]:
    """Where the entries end, and their MAC; 0 where the file is not as this key left it."""
    end = os.fstat(opened.fileno()).st_size - MAC_BYTES
    mac, at = hmac.new(key, digestmod=hashlib.sha256), 0
    while at < end and (piece := opened.read(min(PIECE, end - at))):
        mac.update(piece)
        at += len(piece)
    right = at == end and hmac.compare_digest(mac.digest(), opened.read(MAC_BYTES + 1))
    return end if right else 0, mac.digest()
