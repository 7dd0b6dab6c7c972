"""Messages of HDF5 object headers: what of them says how large something is and where it lies.

Source: HDF5 File Format Specification 3.0, section IV.A.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from countermark.formats.cursor import Cursor
from countermark.formats.limits import Malformed, Unaccounted

UNDEFINED = (1 << 64) - 1
_LARGEST = 1 << 62
_TIME, _STRING, _COMPOUND, _REFERENCE, _VARIABLE, _ARRAY = 2, 3, 6, 7, 9, 10
_BUILT_IN = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
_KNOWN_LIBRARIES = {4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}


@dataclass(frozen=True, slots=True)
class Datatype:
    """Bytes of one element; whether it is text, or a reference into a global heap."""

    size: int
    text: bool
    variable: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a dataset's bytes lie.

    Attributes:
        kind: ``compact``, ``contiguous`` or ``chunked``. at: byte in the file, or `UNDEFINED`. size: bytes of it.
        axes: of a chunk, with the one of the element's bytes.
    """

    kind: str
    at: int
    size: int
    axes: int = 0


def wrong(rule: str, what: str, at: int, why: str = "") -> Malformed:
    """A refusal of this format."""
    return Malformed(f"hdf5-{rule}", what, offset=at, why=why)


def unread(what: str, at: int) -> Unaccounted:
    """Something that is not read here."""
    return Unaccounted("hdf5-unread", f"{what} is not read here", offset=at)


def datatype(cursor: Cursor) -> Datatype:
    """A datatype message; only its first eight bytes say what matters here, save for what is nested."""
    at = cursor.at
    head, bits, size = cursor.number(1), cursor.number(3), cursor.number(4)
    kind, version = head & 15, head >> 4
    if not 1 <= version <= 4 or not size:
        raise wrong("datatype", f"datatype version {version} of {size} bytes", at)
    if kind in (_COMPOUND, _ARRAY):
        raise unread("a compound or array datatype", at)
    if kind in (_REFERENCE, _TIME) or kind > _ARRAY:
        raise unread(f"datatype class {kind}", at)
    if kind == _VARIABLE:
        if size != 16:
            raise wrong("datatype", f"a variable length of {size} bytes", at)
        if bits & 15 != 1:
            raise unread("a sequence of variable length", at)
    return Datatype(size, kind in (_STRING, _VARIABLE), kind == _VARIABLE)


def dataspace(cursor: Cursor) -> int:
    """A dataspace message: how many elements."""
    at = cursor.at
    version, axes, flags = cursor.number(1), cursor.number(1), cursor.number(1)
    if version not in (1, 2) or axes > 32 or flags > 3:
        raise wrong("dataspace", f"dataspace version {version}, {axes} axes, flags {flags}", at)
    kind = cursor.number(1) if version == 2 else cursor.number(5) * 0 + (1 if axes else 0)
    shape = [cursor.number(8) for _ in range(axes)]
    cursor.skip(8 * axes * (flags & 1))
    if kind == 2:
        return 0
    if any(n > _LARGEST for n in shape) or prod(shape) > _LARGEST:
        raise wrong("overflow", f"a shape of {shape}", at, "a reader that multiplies in 64 bits allocates too little")
    return prod(shape)


def layout(cursor: Cursor) -> Layout:
    """A data layout message."""
    at = cursor.at
    version, kind = cursor.number(1), cursor.number(1)
    if kind == 3 and version >= 4:
        raise wrong("virtual", "a virtual dataset", at, "its numbers lie in other files")
    if version not in (3, 4) or kind > 2 or (version == 4 and kind == 2):
        raise unread(f"data layout version {version} class {kind}", at)
    if kind == 0:
        size = cursor.number(2)
        cursor.skip(size)
        return Layout("compact", cursor.at - size, size)
    if kind == 1:
        return Layout("contiguous", cursor.number(8), cursor.number(8))
    axes, tree = cursor.number(1), cursor.number(8)
    if not 2 <= axes <= 33:
        raise wrong("layout", f"chunks of {axes - 1} axes", at)
    return Layout("chunked", tree, prod(cursor.number(4) for _ in range(axes)), axes)


def filters(cursor: Cursor) -> tuple[str, ...]:
    """A filter pipeline message: names of its filters, all of them built into HDF5.

    Raises:
        Malformed: a filter that needs a library. Unaccounted: one that some builds have.
    """
    at, names = cursor.at, []
    version, count = cursor.number(1), cursor.number(1)
    if version not in (1, 2) or count > 32:
        raise wrong("filter", f"filter pipeline version {version} of {count} filters", at)
    cursor.skip(6 if version == 1 else 0)
    for _ in range(count):
        number = cursor.number(2)
        length = cursor.number(2) if version == 1 or number >= 256 else 0
        cursor.skip(2)
        values = cursor.number(2)
        cursor.skip(length + (-length % 8 if version == 1 else 0) + 4 * (values + (values & 1 if version == 1 else 0)))
        if number in _KNOWN_LIBRARIES:
            raise unread(f"the filter {_KNOWN_LIBRARIES[number]}", at)
        if number not in _BUILT_IN:
            raise wrong("filter", f"filter {number}", at, "HDF5 loads a library for it when the data is read")
        names.append(_BUILT_IN[number])
    return tuple(names)


def link(cursor: Cursor) -> tuple[str, int]:
    """A link message: name and address of an object of the same file.

    Raises:
        Malformed: an external link. Unaccounted: another one that is not hard.
    """
    at = cursor.at
    version, flags = cursor.number(1), cursor.number(1)
    if version != 1 or flags > 31:
        raise wrong("link", f"link version {version}, flags {flags}", at)
    kind = cursor.number(1) if flags & 8 else 0
    cursor.skip((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = text(cursor.take(cursor.number(1 << (flags & 3))), at)
    if kind == 64:
        raise wrong("external-link", f"{name[:80]!r} is a link into another file", at, "a loader opens that file too")
    if kind:
        raise unread(f"a link of kind {kind}", at)
    return name, cursor.number(8)


def text(raw: bytes, at: int) -> str:
    """UTF-8 without NUL.

    Raises:
        Malformed: it is none.
    """
    try:
        value = raw.decode()
    except UnicodeDecodeError as error:
        raise wrong("text", "a name that is not UTF-8", at) from error
    if not value or "\0" in value:
        raise wrong("text", "a name that is empty or holds NUL", at)
    return value
