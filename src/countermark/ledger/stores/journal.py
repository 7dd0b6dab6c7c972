"""The journal of a ledger's store: commits that are durable, but not yet spread over their files. Pure functions.

A journal is a row of records that begin at multiples of 4,096 bytes, so that writing one cannot damage its
neighbours. A record holds one commit whole: the objects, the head, and the digest of the head that it
replaces, so that it applies to no other state and to no other log. A torn record is as good as none. Format:
docs/reference/formats/ledger.md.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from countermark.errors import LedgerRefused
from countermark.ledger.checkpoint import claimed_size
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.ledger.stores.protocol import Object

NAME = ".journal"
PAGE = 4096
MAGIC = b"cm-jrnl\x01"
SESSION_BYTES = 16
MAX_OBJECTS = 1 << 16
MAX_NAME_BYTES = 255
MOST_BROKEN = 8
_FRAME = struct.Struct(">8sQI32s")  # magic, number, length of the body, SHA-256 over number, length and body
_OBJECT = struct.Struct(">HI")  # lengths of name and data
_PLAIN = re.compile(rb"tile(?:/[0-9a-z]+(?:\.p)?)+")


@dataclass(frozen=True, slots=True)
class Record:
    """One commit.

    Attributes:
        number: one more than the record before it, over all that ever stood in this journal.
        session: 16 random bytes of the writer, so that no two writers make the same record.
        replaces: SHA-256 of the head before; of no bytes where there was none.
        head: the signed note. objects: names and bytes.
    """

    number: int
    session: bytes
    replaces: bytes
    head: bytes
    objects: tuple[Object, ...] = ()

    def to_bytes(self) -> bytes:
        """The record with its frame, filled with zeros to whole pages."""
        parts = [self.session, self.replaces, struct.pack(">II", len(self.head), len(self.objects)), self.head]
        for name, data in self.objects:
            parts += (_OBJECT.pack(len(name), len(data)), name.encode(), data)
        body = b"".join(parts)
        whole = _FRAME.pack(MAGIC, self.number, len(body), _checksum(self.number, body)) + body
        return whole.ljust(pages(len(whole)) * PAGE, b"\0")

    @property
    def empty(self) -> bool:
        """Whether it says no more than that nothing is pending."""
        return not self.objects and self.replaces == digest(self.head)

    @property
    def pages(self) -> int:
        """Pages that it takes."""
        size = sum(_OBJECT.size + len(name) + len(data) for name, data in self.objects)
        return pages(_FRAME.size + SESSION_BYTES + 32 + 8 + len(self.head) + size)

    @classmethod
    def from_bytes(cls, data: bytes, at: int = 0) -> Record | None:
        """The record that begins at `at`, or None where there is no whole one.

        Raises:
            OSError: its checksum holds, and it is malformed all the same: no writer of ours made it.
        """
        if not data.startswith(MAGIC, at) or at + _FRAME.size > len(data):
            return None
        _, number, length, checksum = _FRAME.unpack_from(data, at)
        start = at + _FRAME.size
        if length > len(data) - start:
            return None
        body = data[start : start + length]
        return _parsed(number, body) if _checksum(number, body) == checksum else None


def digest(head: bytes | None) -> bytes:
    """How a record names a head, or that there is none."""
    return hashlib.sha256(head or b"").digest()


def pages(size: int) -> int:
    """Pages that `size` bytes take."""
    return -(-size // PAGE)


def size_of(objects: Sequence[Object], head: bytes) -> int:
    """An upper bound of the bytes of a record, without making it."""
    return 2 * PAGE + len(head) + sum(_OBJECT.size + len(name) + len(data) for name, data in objects)


@dataclass(frozen=True, slots=True)
class Journal:
    """What the bytes of a journal say.

    Attributes:
        length: in bytes.
        run: the records from its beginning that follow each other without a gap.
        newest: the record of the highest number anywhere else in it, left over from earlier runs.
    """

    length: int
    run: tuple[Record, ...]
    newest: Record | None

    @classmethod
    def from_bytes(cls, data: bytes) -> Journal:
        """Read a journal, in time and memory bounded by its length.

        Raises:
            OSError: a record whose checksum holds is malformed, or too many begin and are none.
        """
        run: list[Record] = []
        at = 0
        while (record := Record.from_bytes(data, at)) and (not run or _follows(run[-1], record)):
            run.append(record)
            at += record.pages * PAGE
        newest, broken = None, 0
        while at < len(data):
            record = Record.from_bytes(data, at)
            if record is None:
                # Each may cost a checksum over all that follows; a writer that died leaves one.
                broken += data.startswith(MAGIC, at)
                if broken > MOST_BROKEN:
                    raise OSError("the ledger's journal is damaged in many places")
            elif newest is None or record.number > newest.number:
                newest = record
            at += PAGE * (record.pages if record else 1)
        return cls(len(data), tuple(run), newest)

    @property
    def number(self) -> int:
        """The highest number in use, 0 in a new journal."""
        return max((r.number for r in (*self.run[-1:], self.newest) if r), default=0)

    def pending(self, head: bytes | None) -> tuple[Record, ...]:
        """The records that lead on from `head`, the one that stands outside the journal; mostly none.

        Raises:
            OSError: a record is missing or damaged before others that hold, or they belong to another state.
        """
        if self.run and self.newest and self.newest.number > self.run[-1].number:
            raise OSError(f"record {self.run[-1].number + 1} of the ledger's journal is damaged")
        last = self.run[-1] if self.run else self.newest
        # A run that has no beginning is one that the next began to overwrite: then all of it stands in files.
        if last is None or last.head == head or last.empty:
            return ()
        known = digest(head)
        for at, record in enumerate(self.run):
            if record.replaces == known:
                return self.run[at:]
        if older(last.head, head):  # such as where a copy mixed an old journal with newer files
            return ()
        raise OSError("the ledger's journal leads on from another head than the one beside it")


def _follows(before: Record, after: Record) -> bool:
    return after.number == before.number + 1 and after.replaces == digest(before.head)


def older(head: bytes, than: bytes | None) -> bool:
    """Whether both are heads of one log and `than` claims at least as many entries: then nothing is pending."""
    if than is None or head.split(b"\n", 1)[0] != than.split(b"\n", 1)[0]:
        return False
    try:
        return claimed_size(head) <= claimed_size(than)
    except LedgerRefused:
        return False


def _checksum(number: int, body: bytes) -> bytes:
    return hashlib.sha256(struct.pack(">QI", number, len(body)) + body).digest()


def _parsed(number: int, body: bytes) -> Record:
    at = SESSION_BYTES + 32
    if len(body) < at + 8:
        raise OSError("a record of the ledger's journal ends before its head")
    length, count = struct.unpack_from(">II", body, at)
    session, replaces, at = body[:SESSION_BYTES], body[SESSION_BYTES:at], at + 8
    if length > min(MAX_NOTE_BYTES, len(body) - at) or count > min(MAX_OBJECTS, len(body) // _OBJECT.size):
        raise OSError("a record of the ledger's journal claims more than it holds")
    head, at = body[at : at + length], at + length
    objects: list[Object] = []
    for _ in range(count):
        one, at = _object(body, at)
        objects.append(one)
    if at != len(body):
        raise OSError("a record of the ledger's journal has bytes left over")
    return Record(number, session, replaces, head, tuple(objects))


def _object(body: bytes, at: int) -> tuple[Object, int]:
    """One object, and where it ends; its name can lead nowhere but below ``tile``."""
    if at + _OBJECT.size > len(body):
        raise OSError("an object in the ledger's journal is cut off")
    name_length, length = _OBJECT.unpack_from(body, at)
    start = at + _OBJECT.size
    name, end = body[start : start + name_length], start + name_length + length
    if end > len(body) or name_length > MAX_NAME_BYTES or not _PLAIN.fullmatch(name):
        raise OSError("an object in the ledger's journal is cut off, or its name is none of a tile")
    return (name.decode(), body[start + name_length : end]), end
