"""Tar archives of plain files, read strictly: links, devices and sparse files are refused, and so is what readers
disagree on.

Sources: POSIX.1-2017, pax (ustar and extended headers); GNU tar manual, "Basic Tar Format" (type L).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from countermark.formats.limits import Malformed, OverLimit
from countermark.formats.member_names import check_name, folded
from countermark.sandbox.task import Source

_BLOCK = 512
_MOST_NAME = 4096
_MOST_PAX = 64 << 10
_MOST_MEMBERS = 50_000_000
_FILE, _FOLDER, _PAX, _PAX_ALL, _LONG_NAME = b"0", b"5", b"x", b"g", b"L"


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file of an archive: name, size in bytes, and where its bytes begin."""

    name: str
    size: int
    data_at: int


def members(source: Source) -> Iterator[Member]:
    """Every regular file, in order.

    Raises:
        Malformed: not a tar, a link, device or sparse file, a wrong checksum, no end, bytes after the end.
        OverLimit: too many members.
    """
    at, count, name, size = 0, 0, "", -1
    while not _is_end(source, at):
        header = source.read(at, _BLOCK)
        kind, stored = _kind(header, at), _number(header[124:136], at, "size")
        if at + _BLOCK + stored > source.size:
            raise Malformed("tar-truncated", f"a member of {stored} bytes does not fit", offset=at)
        if kind == _LONG_NAME:
            name = _long_name(source, at, stored)
        elif kind in (_PAX, _PAX_ALL):
            told = _pax(source, at, stored)
            if kind == _PAX_ALL and told.keys() & {"path", "size"}:
                raise Malformed("tar-global", "a global header names or sizes every file", offset=at)
            name, size = told.get("path", name), _pax_size(told, size, at)
        else:
            stored = size if size >= 0 else stored
            if at + _BLOCK + stored > source.size:
                raise Malformed("tar-truncated", f"a member of {stored} bytes does not fit", offset=at)
            if kind == _FILE:
                yield Member(name or _plain_name(header, at), stored, at + _BLOCK)
            else:
                _check_folder(name or _plain_name(header, at), stored, at)
            name, size = "", -1
        at += _BLOCK + -(-stored // _BLOCK) * _BLOCK
        count += 1
        if count > _MOST_MEMBERS:
            raise OverLimit("members", count, _MOST_MEMBERS, offset=at)
    if name or size >= 0:
        raise Malformed("tar-dangling", "an extended header without its file", offset=at)


def _check_folder(name: str, stored: int, at: int) -> None:
    if stored:
        raise Malformed("tar-folder", "a folder with content", offset=at)
    if name.strip("./") or ".." in name:
        check_name(name.removeprefix("./"), "tar-name", at)


def named(source: Source) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of every regular file, where all names are plain and no two are alike.

    Raises:
        Malformed: as `members`; a name that leaves its folder, or that stands twice.
    """
    seen: dict[str, str] = {}
    for member in members(source):
        name = member.name.removeprefix("./")
        check_name(name, "tar-name", member.data_at)
        key = folded(name)
        if key in seen:
            raise Malformed("tar-duplicate", f"two members {seen[key]!r} and {name!r}", offset=member.data_at)
        seen[key] = name
        yield name, member.data_at, member.size


def _is_end(source: Source, at: int) -> bool:
    """Two blocks of zeros, and nothing but zeros after them."""
    if at + 2 * _BLOCK > source.size:
        raise Malformed("tar-truncated", "the archive has no end", offset=at)
    if any(source.read(at, 2 * _BLOCK)):
        return False
    for piece in range(at, source.size, 1 << 20):
        if any(source.read(piece, min(1 << 20, source.size - piece))):
            raise Malformed("tar-trailing", "bytes after the end of the archive", offset=piece)
    return True


def _kind(header: bytes, at: int) -> bytes:
    told = _number(header[148:156], at, "checksum")
    if sum(header) - sum(header[148:156]) + 8 * ord(" ") != told:
        raise Malformed("tar-checksum", "a header does not have its checksum", offset=at)
    kind = header[156:157]
    if kind in (b"\0", _FILE):
        return _FILE
    if kind not in (_FOLDER, _PAX, _PAX_ALL, _LONG_NAME):
        raise Malformed(
            "tar-special", f"a member of type {kind!r}", offset=at,
            why="links, devices and sparse files could lead outside or never end", mend="archive plain files only",
        )  # fmt: skip
    return kind


def _number(field: bytes, at: int, what: str) -> int:
    if field[0] & 0x80:  # GNU: base 256, for sizes of 8 GiB and more
        value = int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
    else:
        digits = field.strip(b" \0") or b"0"
        if not digits.isdigit() or b"8" in digits or b"9" in digits:
            raise Malformed("tar-number", f"a {what} that is no octal number: {field!r:.40}", offset=at)
        value = int(digits, 8)
    if value >> 62:
        raise Malformed("tar-number", f"a {what} of {value}", offset=at)
    return value


def _text(raw: bytes, at: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed("tar-name", f"a name that is not UTF-8: {raw!r:.120}", offset=at) from error


def _plain_name(header: bytes, at: int) -> str:
    name = _text(header[:100].split(b"\0")[0], at)
    prefix = _text(header[345:500].split(b"\0")[0], at) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _long_name(source: Source, at: int, stored: int) -> str:
    if not 0 < stored <= _MOST_NAME:
        raise Malformed("tar-name", f"a name of {stored} bytes", offset=at)
    return _text(source.read(at + _BLOCK, stored).rstrip(b"\0"), at)


def _pax(source: Source, at: int, stored: int) -> dict[str, str]:
    """Records ``length key=value\\n`` of an extended header; a key stands once."""
    if stored > _MOST_PAX:
        raise OverLimit("pax_bytes", stored, _MOST_PAX, offset=at)
    raw, out = source.read(at + _BLOCK, stored), {}
    while raw:
        digits, space, _ = raw.partition(b" ")
        length = int(digits) if space and digits.isdigit() and len(digits) < 7 else 0
        record = raw[len(digits) + 1 : length]
        key, equals, value = record[:-1].partition(b"=")
        if not len(digits) + 1 < length <= len(raw) or record[-1:] != b"\n" or not equals:
            raise Malformed("tar-pax", "an extended header that is no list of records", offset=at)
        name = _text(key, at)
        if name in out:
            raise Malformed("tar-pax", f"{name!r:.40} stands twice in an extended header", offset=at)
        if name.startswith("GNU.sparse") or name == "linkpath":
            raise Malformed("tar-special", f"an extended header with {name!r:.40}", offset=at)
        out[name] = _text(value, at) if name in ("path", "size") else ""
        raw = raw[length:]
    return out


def _pax_size(told: dict[str, str], before: int, at: int) -> int:
    if "size" not in told:
        return before
    if not told["size"].isdecimal() or len(told["size"]) > 18:
        raise Malformed("tar-pax", f"a size of {told['size']!r:.40}", offset=at)
    return int(told["size"])
