"""A strict zip reader: one archive that every reader understands alike, or none.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5. Local headers must equal central entries; entries
lie one after another from the first byte to the directory; one end record ends the file.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from countermark.formats.limits import Malformed, ModelLimits, OverLimit
from countermark.formats.member_names import check_name, folded
from countermark.formats.source import Buffered
from countermark.sandbox.task import Source

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FULL, _FULL16 = 0xFFFFFFFF, 0xFFFF
_PIECE = 1 << 20
_SMALL = 16 << 20
_ENCRYPTED, _DESCRIPTOR, _PATCHED, _STRONG, _UTF8, _MASKED = 1, 1 << 3, 1 << 5, 1 << 6, 1 << 11, 1 << 13
_KNOWN_FLAGS = 0b110 | _DESCRIPTOR | _UTF8
_STORED, _DEFLATED = 0, 8
_NEWEST = 63
_ZIP64 = 0x0001
_HARMLESS_EXTRA = {0x5455, 0x7875, 0x5855, 0x4246, 0x000A, 0xD935, 0xCAFE}
"""Extra fields that only tell times and owners, or pad (torch uses 0x4246, aligners 0xD935)."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry.

    Attributes:
        name: relative, normalised path. size, stored: inflated and stored bytes. crc: CRC-32 of the content.
        deflated: else stored plainly. header_at: its local header. data_at: its first stored byte.
    """

    name: str
    size: int
    stored: int
    crc: int
    deflated: bool
    header_at: int
    data_at: int = 0


@dataclass(frozen=True, slots=True)
class Archive:
    """All members, in file order."""

    members: tuple[Member, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in file order."""
        return tuple(member.name for member in self.members)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A central entry beside what its local header must repeat."""

    member: Member
    coding: tuple[int, int, int]
    raw_name: bytes


def read(source: Source, limits: ModelLimits | None = None) -> Archive:
    """Read the directory and every local header; no content is inflated yet.

    Raises:
        OverLimit: too many members, or too much when inflated. Malformed: anything ambiguous.
    """
    bounds = limits or ModelLimits()
    file = Buffered(source)
    count, directory, size = _end(file)
    if count > bounds.members:
        raise OverLimit("members", count, bounds.members, offset=directory)
    raw = file.read(directory, size)
    entries = _central(raw, count, directory)
    _check_names(entries)
    _check_sizes(entries, bounds)
    at, members = 0, []
    for entry in sorted(entries, key=lambda e: e.member.header_at):
        if entry.member.header_at != at:
            raise Malformed(
                "zip-gap", f"{entry.member.name!r} begins at byte {entry.member.header_at}, not {at}", offset=at
            )
        member, at = _local(file, entry, directory)
        members.append(member)
    if at != directory:
        raise Malformed("zip-gap", f"{directory - at} bytes between the last member and the directory", offset=at)
    return Archive(tuple(members))


def chunks(source: Source, member: Member) -> Iterator[bytes]:
    """The content of a member in pieces of at most 1 MiB.

    Raises:
        Malformed: it does not inflate to exactly its size and CRC; seen only after the last piece.
    """
    seen = crc = 0
    for piece in _inflate(source, member) if member.deflated else _plain(source, member):
        seen += len(piece)
        if seen > member.size:
            break
        crc = zlib.crc32(piece, crc)
        yield piece
    if seen != member.size or crc != member.crc:
        raise Malformed(
            "zip-content", f"{member.name!r} does not have its declared size and CRC", offset=member.data_at,
            why=f"seen {seen} bytes, CRC {crc:08x}; declared {member.size}, {member.crc:08x}",
        )  # fmt: skip


def _plain(source: Source, member: Member) -> Iterator[bytes]:
    for at in range(0, member.stored, _PIECE):
        yield source.read(member.data_at + at, min(_PIECE, member.stored - at))


def _inflate(source: Source, member: Member) -> Iterator[bytes]:
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for stored in _plain(source, member):
            pending = stored
            while pending:
                yield machine.decompress(pending, _PIECE)
                pending = machine.unconsumed_tail
                if machine.eof:
                    break
        while not machine.eof and (piece := machine.decompress(b"", _PIECE)):
            yield piece
    except zlib.error as error:
        raise Malformed("zip-deflate", f"{member.name!r}: {error}", offset=member.data_at) from error
    if not machine.eof or machine.unused_data:
        raise Malformed("zip-deflate", f"{member.name!r} does not end with its stored bytes", offset=member.data_at)


def _end(file: Buffered) -> tuple[int, int, int]:
    """Number of entries, offset and size of the directory; the end record must end the file."""
    at = file.size - _END.size
    if at < 0 or file.read(at, 4) != b"PK\x05\x06":
        raise Malformed("zip-end", "no end record in the last 22 bytes", offset=max(0, at), mend="a comment is refused")
    _, disk, first, here, total, size, offset, comment = _END.unpack(file.read(at, _END.size))
    if disk or first or here != total or comment:
        raise Malformed("zip-end", "several disks, or a comment", offset=at)
    if at >= _LOCATOR.size and file.read(at - _LOCATOR.size, 4) == b"PK\x06\x07":
        return _end64(file, at - _LOCATOR.size, (total, offset, size))
    if offset + size != at or _FULL in (offset, size):
        raise Malformed("zip-end", f"the directory does not end at the end record at byte {at}", offset=offset)
    return total, offset, size


def _end64(file: Buffered, locator: int, small: tuple[int, int, int]) -> tuple[int, int, int]:
    _, disk, at, disks = _LOCATOR.unpack(file.read(locator, _LOCATOR.size))
    if disk or disks != 1 or at + _END64.size != locator:
        raise Malformed("zip-end", "the zip64 end record is not where it must be", offset=locator)
    magic, length, _, _, disk, first, here, total, size, offset = _END64.unpack(file.read(at, _END64.size))
    if magic != b"PK\x06\x06" or length != _END64.size - 12 or disk or first or here != total:
        raise Malformed("zip-end", "the zip64 end record is malformed", offset=at)
    for old, new, full in zip(small, (total, offset, size), (_FULL16, _FULL, _FULL), strict=True):
        if old not in (new, full):
            raise Malformed("zip-end", f"the two end records disagree: {old} and {new}", offset=at)
    if offset + size != at:
        raise Malformed("zip-end", "the directory does not end at its end record", offset=at)
    return total, offset, size


def _central(raw: bytes, count: int, base: int) -> list[_Entry]:
    out, at = [], 0
    for _ in range(count):
        if len(raw) - at < _CENTRAL.size:
            raise Malformed("zip-directory", "the directory ends before its last entry", offset=base + at)
        entry, at = _central_entry(raw, at, base)
        out.append(entry)
    if at != len(raw):
        raise Malformed("zip-directory", f"{len(raw) - at} bytes after the last entry", offset=base + at)
    return out


def _central_entry(raw: bytes, at: int, base: int) -> tuple[_Entry, int]:
    (magic, _, version, flags, method, _, _, crc, stored, size, name_size, extra_size, comment, disk, _, mode, offset) = (
        _CENTRAL.unpack_from(raw, at)
    )  # fmt: skip
    where = base + at
    if magic != b"PK\x01\x02" or comment or disk:
        raise Malformed("zip-directory", "an entry is malformed, or has a comment", offset=where)
    _check_coding(version, flags, method, where)
    end = at + _CENTRAL.size + name_size + extra_size
    if end > len(raw):
        raise Malformed("zip-directory", "an entry leaves the directory", offset=where)
    raw_name = raw[at + _CENTRAL.size : at + _CENTRAL.size + name_size]
    name = _name(raw_name, flags, where)
    kind = stat.S_IFMT(mode >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Malformed("zip-special", f"{name!r} is a link or device", offset=where)
    wide = _extra(raw[end - extra_size : end], where)
    size, stored, offset = _widen(wide, [size, stored, offset], where)
    return _Entry(Member(name, size, stored, crc, method == _DEFLATED, offset), (version, flags, method), raw_name), end


def _check_coding(version: int, flags: int, method: int, where: int) -> None:
    if version > _NEWEST:
        raise Malformed("zip-version", f"a member needs version {version / 10:g} of a reader", offset=where)
    if flags & (_ENCRYPTED | _STRONG | _MASKED):
        raise Malformed("zip-encrypted", "an encrypted member", offset=where)
    if flags & ~_KNOWN_FLAGS:
        raise Malformed("zip-flags", f"flags {flags:#06x}", offset=where)
    if method not in (_STORED, _DEFLATED):
        raise Malformed("zip-method", f"compression method {method} is not read here", offset=where)


def _name(raw: bytes, flags: int, where: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise Malformed("zip-name", f"the name {raw[:80]!r} is not text", offset=where) from error
    check_name(name, "zip-name", where)
    return name


def _extra(raw: bytes, where: int) -> bytes:
    """The zip64 field; any other field must be harmless."""
    at, wide = 0, b""
    while at < len(raw):
        if at + 4 > len(raw):
            raise Malformed("zip-extra", "an extra field is cut short", offset=where)
        kind, size = struct.unpack_from("<2H", raw, at)
        body = raw[at + 4 : at + 4 + size]
        if len(body) != size or (kind != _ZIP64 and kind not in _HARMLESS_EXTRA) or (kind == _ZIP64 and wide):
            raise Malformed("zip-extra", f"extra field {kind:#06x} of {size} bytes", offset=where)
        if kind == _ZIP64:
            wide = body
        at += 4 + size
    return wide


def _widen(wide: bytes, values: list[int], where: int) -> list[int]:
    """Replace 32-bit values that are full by their zip64 values, in order."""
    out = []
    for value in values:
        if value == _FULL and len(wide) >= 8:
            out.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            out.append(value)
    if wide:
        raise Malformed("zip-extra", "the zip64 field holds more than it must", offset=where)
    return out


def _check_names(entries: list[_Entry]) -> None:
    seen: dict[str, str] = {}
    for entry in entries:
        name = entry.member.name
        key = folded(name)
        if key in seen:
            raise Malformed("zip-duplicate", f"two members {seen[key]!r} and {name!r}", offset=entry.member.header_at)
        seen[key] = name


def _check_sizes(entries: list[_Entry], bounds: ModelLimits) -> None:
    total = 0
    for entry in entries:
        member = entry.member
        if not member.deflated and member.size != member.stored:
            raise Malformed("zip-size", f"{member.name!r} is stored in another size", offset=member.header_at)
        if member.size > max(_SMALL, bounds.ratio * member.stored):
            raise OverLimit("ratio", member.size // max(1, member.stored), bounds.ratio, offset=member.header_at)
        total += member.size
    if total > bounds.inflated_bytes:
        raise OverLimit("inflated_bytes", total, bounds.inflated_bytes)


def _local(file: Buffered, entry: _Entry, directory: int) -> tuple[Member, int]:
    """Compare a local header with its central entry; give the member and the first byte after it."""
    member, at = entry.member, entry.member.header_at
    head = _LOCAL.unpack(file.read(at, _LOCAL.size))
    magic, version, flags, method, _, _, crc, stored, size, name_size, extra_size = head
    raw = file.read(at + _LOCAL.size, name_size + extra_size)
    if magic != b"PK\x03\x04" or raw[:name_size] != entry.raw_name or (version, flags, method) != entry.coding:
        raise Malformed("zip-local", f"the local header of {member.name!r} differs from the directory", offset=at)
    size, stored = (
        _widen(_extra(raw[name_size:], at), [size, stored], at) if _FULL in (size, stored) else (size, stored)
    )
    told, known = (crc, stored, size), (member.crc, member.stored, member.size)
    late = bool(flags & _DESCRIPTOR)
    if told != known and not (late and all(a in (0, b) for a, b in zip(told, known, strict=True))):
        raise Malformed("zip-local", f"the local header of {member.name!r} differs from the directory", offset=at)
    data_at = at + _LOCAL.size + len(raw)
    end = data_at + member.stored
    if late:
        end += _descriptor(file, end, known)
    if end > directory:
        raise Malformed("zip-outside", f"{member.name!r} reaches into the directory", offset=at)
    return Member(member.name, member.size, member.stored, member.crc, member.deflated, at, data_at), end


def _descriptor(file: Buffered, at: int, known: tuple[int, int, int]) -> int:
    """Bytes of the data descriptor at `at`, which must repeat what the directory says."""
    for form in ("<4s3I", "<4sI2Q"):
        packed = struct.pack(form, b"PK\x07\x08", *known) if max(known[1:]) <= _FULL or "Q" in form else b""
        if packed and at + len(packed) <= file.size and file.read(at, len(packed)) == packed:
            return len(packed)
    raise Malformed("zip-descriptor", "a data descriptor differs from the directory", offset=at)
