"""HDF5 as h5py writes it by default: groups, datasets and attributes, walked without the HDF5 library.

Source: HDF5 File Format Specification 3.0. Read: superblocks 0 to 3, object headers 1 and 2, symbol tables, compact links, contiguous,
compact and chunked data with a version 1 tree, global heaps. Everything that the newest files may hold beside is unproven.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from countermark.formats import _hdf5_messages as messages
from countermark.formats._hdf5_extents import Extents
from countermark.formats._hdf5_messages import UNDEFINED, unread, wrong
from countermark.formats.cursor import Cursor
from countermark.formats.limits import ModelLimits, OverLimit
from countermark.formats.source import Buffered
from countermark.sandbox.task import Source

MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST_TEXT = 32 << 20
_MOST_ELEMENTS = 1 << 20
_NIL, _SPACE, _LINK_INFO, _TYPE, _OLD_FILL, _FILL, _LINK, _EXTERNAL, _LAYOUT = 0, 1, 2, 3, 4, 5, 6, 7, 8
_GROUP_INFO, _FILTERS, _ATTRIBUTE, _COMMENT, _OLD_TIME, _MORE, _TABLE, _TIME, _ATTRIBUTES, _REFERENCES = (
    10, 11, 12, 13, 14, 16, 17, 18, 21, 22,
)  # fmt: skip
_PLAIN = {_NIL, _OLD_FILL, _FILL, _GROUP_INFO, _COMMENT, _OLD_TIME, _TIME, _REFERENCES}


@dataclass(slots=True)
class Hdf5Facts:
    """What the file is made of.

    Attributes:
        groups, datasets: how many. data_bytes: stored in datasets. texts: path of an attribute or of a dataset of texts,
            ``a/b@name``, to its bytes and where they stand, texts one after another. free: bytes that belong to nothing.
            filled: how many of those are not zero. filled_at: the first one.
    """

    groups: int = 0
    datasets: int = 0
    data_bytes: int = 0
    texts: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    free: int = 0
    filled: int = 0
    filled_at: int | None = None


@dataclass(slots=True)
class _Object:
    """Messages of one object header, as far as they matter."""

    space: int | None = None
    type: messages.Datatype | None = None
    layout: messages.Layout | None = None
    filters: tuple[str, ...] = ()
    table: tuple[int, int] | None = None
    links: list[tuple[str, int]] = field(default_factory=list)


def announces(head: bytes) -> bool:
    """True where the signature stands first."""
    return head.startswith(MAGIC)


def read(source: Source, limits: ModelLimits | None = None) -> Hdf5Facts:
    """Walk the whole file.

    Raises:
        Malformed: links and data of other files, filters that need a library, sizes that disagree, bytes of two owners.
        Unaccounted: structures that are not read here. OverLimit: very many objects, or texts.
    """
    return _Reader(source, limits or ModelLimits()).read()


class _Reader:
    def __init__(self, source: Source, limits: ModelLimits) -> None:
        self._file = Buffered(source)
        self._limits = limits
        self._owned = Extents(self._file, 4 * limits.tensors)
        self._facts = Hdf5Facts()
        self._objects: set[int] = set()
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self._leaf, self._inner, self._chunk = 4, 16, 32
        self._text_bytes = 0

    def read(self) -> Hdf5Facts:
        root = self._superblock()
        todo = [("", root)]
        while todo:
            path, at = todo.pop()
            for name, child in self._object(path, at):
                if child in self._objects:
                    raise unread("an object with two names", child)
                self._objects.add(child)
                todo.append((f"{path}/{name}" if path else name, child))
            if len(self._objects) > self._limits.tensors:
                raise OverLimit("tensors", len(self._objects), self._limits.tensors, offset=at)
        self._facts.free, self._facts.filled, self._facts.filled_at = self._owned.settle()
        return self._facts

    def _superblock(self) -> int:
        cursor = Cursor(self._file, 8)
        version = cursor.number(1)
        if version > 3:
            raise unread(f"superblock version {version}", 8)
        if version >= 2:
            widths, _ = cursor.take(2), cursor.number(1)
        else:
            cursor.skip(4)
            widths = cursor.take(2)
            cursor.skip(1)
            self._leaf, self._inner = cursor.number(2), cursor.number(2)
            cursor.skip(4)
            self._chunk = cursor.number(4) & 0xFFFF if version == 1 else 32
        if widths != b"\x08\x08" or not (self._leaf and self._inner and self._chunk):
            raise unread(f"addresses of {widths.hex()} bytes", 13)
        base, extra, end, last = (cursor.number(8) for _ in range(4))
        if base or extra != UNDEFINED or (version < 2 and last != UNDEFINED):
            raise unread("a base address, an extension or a driver", cursor.at - 32)
        if end != self._file.size:
            raise wrong("end", f"the file says that it ends at {end}, and ends at {self._file.size}", cursor.at - 16)
        if version < 2:
            cursor.skip(8)
            last = cursor.number(8)
            cursor.skip(24)
        else:
            cursor.skip(4)
        self._owned.claim(0, cursor.at, "the superblock")
        self._objects.add(last)
        return last

    def _object(self, path: str, at: int) -> list[tuple[str, int]]:
        """Read an object header; gives the links of a group."""
        seen = _Object()
        blocks = self._header(at)
        for begin, end, version, flags in blocks:
            cursor = Cursor(self._file, begin, end)
            head = 8 if version == 1 else 6 if flags & 4 else 4
            while cursor.left >= head:
                where = cursor.at
                kind, size, shared = (
                    (cursor.number(2), cursor.number(2), cursor.number(4) & 0xFF) if version == 1
                    else (cursor.number(1), cursor.number(2), cursor.number(head - 3) & 0xFF)
                )  # fmt: skip
                cursor.skip(size)
                if kind == _MORE:
                    blocks.append(
                        self._more(Cursor(self._file, cursor.at - size, cursor.at), version, flags, len(blocks))
                    )
                else:
                    self._message(path, seen, kind, shared, Cursor(self._file, cursor.at - size, cursor.at), where)
        return self._settle(path, seen, at)

    def _header(self, at: int) -> list[tuple[int, int, int, int]]:
        """First block of messages: begin, end, version, flags."""
        cursor = Cursor(self._file, min(at, self._file.size))
        if cursor.left >= 4 and self._file.read(at, 4) == b"OHDR":
            cursor.skip(4)
            version, flags = cursor.number(1), cursor.number(1)
            if version != 2:
                raise unread(f"object header version {version}", at)
            cursor.skip((16 if flags & 32 else 0) + (4 if flags & 16 else 0))
            size = cursor.number(1 << (flags & 3))
            self._owned.claim(at, cursor.at - at + size + 4, "an object header")
            return [(cursor.at, cursor.at + size, 2, flags)]
        if cursor.number(1) != 1:
            raise wrong("header", "no object header where one must be", at)
        cursor.skip(7)
        size = cursor.number(4)
        self._owned.claim(at, 16 + size, "an object header")
        return [(at + 16, at + 16 + size, 1, 0)]

    def _more(self, cursor: Cursor, version: int, flags: int, blocks: int) -> tuple[int, int, int, int]:
        at, size = cursor.number(8), cursor.number(8)
        if blocks > 1 << 12:
            raise OverLimit("blocks", blocks, 1 << 12, offset=at)
        self._owned.claim(at, size, "a continued header")
        if version == 1:
            return at, at + size, 1, 0
        if size < 8 or self._file.read(at, 4) != b"OCHK":
            raise wrong("header", "no continued header where one must be", at)
        return at + 4, at + size - 4, 2, flags

    def _message(self, path: str, seen: _Object, kind: int, flags: int, cursor: Cursor, at: int) -> None:
        if kind in _PLAIN:
            return
        if flags & 2:
            raise unread("a shared message", at)
        if kind == _EXTERNAL:
            raise wrong(
                "external-data", f"the data of {path[:80]!r} lies in other files", at, "a loader opens them too"
            )
        if kind == _SPACE:
            seen.space = messages.dataspace(cursor)
        elif kind == _TYPE:
            seen.type = messages.datatype(cursor)
        elif kind == _LAYOUT:
            seen.layout = messages.layout(cursor)
        elif kind == _FILTERS:
            seen.filters = messages.filters(cursor)
        elif kind == _LINK:
            seen.links.append(messages.link(cursor))
        elif kind == _TABLE:
            seen.table = (cursor.number(8), cursor.number(8))
        elif kind == _ATTRIBUTE:
            self._attribute(path, cursor)
        elif kind in (_LINK_INFO, _ATTRIBUTES):
            self._dense(cursor, at, 8 if kind == _LINK_INFO else 2)
        else:
            raise unread(f"a message of type {kind}", at)

    def _dense(self, cursor: Cursor, at: int, index: int) -> None:
        cursor.skip(1)
        cursor.skip(index if cursor.number(1) & 1 else 0)
        if cursor.number(8) != UNDEFINED:
            raise unread("links or attributes in a fractal heap", at)

    def _attribute(self, path: str, cursor: Cursor) -> None:
        at = cursor.at
        version, flags = cursor.number(1), cursor.number(1)
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise unread(f"attribute version {version}, flags {flags}", at)
        sizes = [cursor.number(2) for _ in range(3)]
        cursor.skip(1 if version == 3 else 0)
        parts = []
        for size in sizes:
            begin = cursor.at
            cursor.skip(size + (-size % 8 if version == 1 else 0))
            parts.append(Cursor(self._file, begin, begin + size))
        name = messages.text(parts[0].take(sizes[0]).rstrip(b"\0"), at)
        kind, count = messages.datatype(parts[1]), messages.dataspace(parts[2])
        if kind.size * count > cursor.left:
            raise wrong("attribute", f"{path}@{name[:80]}: {count} values in {cursor.left} bytes", at)
        self._texts(f"{path}@{name}", kind, count, cursor.at)

    def _texts(self, path: str, kind: messages.Datatype, count: int, at: int) -> None:
        """Keep texts, and look up those of variable length in their heap."""
        if not kind.text:
            return
        self._text_bytes += count * max(kind.size, 16)
        if count > _MOST_ELEMENTS or self._text_bytes > _MOST_TEXT:
            raise OverLimit("text bytes", self._text_bytes, _MOST_TEXT, offset=at)
        out = self._facts.texts.setdefault(path, [])
        for number in range(count):
            begin = at + number * kind.size
            if kind.variable:
                cursor = Cursor(self._file, begin, begin + 16)
                out.append(self._heap_text(cursor.number(4), cursor.number(8), cursor.number(4), begin))
            else:
                out.append((self._file.read(begin, kind.size).rstrip(b"\0"), begin))

    def _heap_text(self, size: int, heap: int, index: int, at: int) -> tuple[bytes, int]:
        if not size and not index:
            return b"", at
        if heap not in self._heaps:
            self._heaps[heap] = self._heap(heap)
        begin, held = self._heaps[heap].get(index, (0, -1))
        if size > held:
            raise wrong("heap", f"text {index} of a heap has {held} bytes, not {size}", at)
        self._text_bytes += size
        if self._text_bytes > _MOST_TEXT:
            raise OverLimit("text bytes", self._text_bytes, _MOST_TEXT, offset=at)
        return self._file.read(begin, size), begin

    def _heap(self, at: int) -> dict[int, tuple[int, int]]:
        """A global heap: index to place and size."""
        cursor = Cursor(self._file, min(at, self._file.size))
        if cursor.take(4) != b"GCOL" or cursor.number(1) != 1:
            raise wrong("heap", "no global heap where one must be", at)
        cursor.skip(3)
        size, out = cursor.number(8), dict[int, tuple[int, int]]()
        self._owned.claim(at, size, "a global heap")
        cursor = Cursor(self._file, at + 16, at + max(16, size))
        while cursor.left >= 16:
            index = cursor.number(2)
            cursor.skip(6)
            length = cursor.number(8)
            if not index:
                break
            if index in out:
                raise wrong("heap", f"text {index} stands twice", cursor.at)
            out[index] = (cursor.at, length)
            cursor.skip(length + -length % 8)
        return out

    def _settle(self, path: str, seen: _Object, at: int) -> list[tuple[str, int]]:
        if seen.layout is None:
            self._facts.groups += 1
            links = seen.links + (self._table(*seen.table) if seen.table else [])
            if len({name for name, _ in links}) != len(links):
                raise wrong("link", f"a name stands twice in {path[:80]!r}", at)
            return links
        if seen.space is None or seen.type is None:
            raise wrong("dataset", f"{path[:80]!r} has no type or no shape", at)
        self._facts.datasets += 1
        needed = seen.space * seen.type.size
        if seen.layout.kind == "chunked":
            self._chunks(seen.layout)
        elif seen.layout.at != UNDEFINED:
            self._plain_data(path, seen.layout, needed, at)
            self._texts(path, seen.type, seen.space, seen.layout.at)
        if seen.type.variable and (seen.layout.kind == "chunked"):
            raise unread("texts of variable length in chunks", at)
        return []

    def _plain_data(self, path: str, layout: messages.Layout, needed: int, at: int) -> None:
        if layout.size < needed or (layout.size != needed and layout.kind == "contiguous"):
            raise wrong("size", f"{path[:80]!r}: {layout.size} bytes where type and shape need {needed}", at)
        self._facts.data_bytes += layout.size
        if layout.kind == "contiguous":
            self._owned.claim(layout.at, layout.size, f"the data of {path[:80]!r}")

    def _chunks(self, layout: messages.Layout) -> None:
        key = 8 + 8 * layout.axes
        todo = [(layout.at, -1)] if layout.at != UNDEFINED else []
        while todo:
            at, level = todo.pop()
            cursor, found, used = self._node(at, 1, level, key, self._chunk)
            for _ in range(used):
                size = cursor.number(4)
                cursor.skip(key - 4)
                child = cursor.number(8)
                if found:
                    todo.append((child, found - 1))
                else:
                    self._owned.claim(child, size, "a chunk")
                    self._facts.data_bytes += size

    def _node(self, at: int, kind: int, level: int, key: int, fan: int) -> tuple[Cursor, int, int]:
        """A node of a version 1 tree: a cursor at its first key, its level, how many children it has."""
        size = 24 + (2 * fan + 1) * key + 2 * fan * 8
        self._owned.claim(at, size, "a tree")
        cursor = Cursor(self._file, at, at + size)
        magic, found, depth, used = cursor.take(4), cursor.number(1), cursor.number(1), cursor.number(2)
        if magic != b"TREE" or found != kind or used > 2 * fan or depth > 32 or (level >= 0 and depth != level):
            raise wrong("tree", "no tree of this kind where one must be", at)
        cursor.skip(16)
        return cursor, depth, used

    def _table(self, tree: int, heap: int) -> list[tuple[str, int]]:
        """Links of an old group: a tree of tables, whose names lie in a local heap."""
        cursor = Cursor(self._file, min(heap, self._file.size))
        if cursor.take(4) != b"HEAP" or cursor.number(1) != 0:
            raise wrong("heap", "no local heap where one must be", heap)
        cursor.skip(3)
        size, _, names = cursor.number(8), cursor.number(8), cursor.number(8)
        self._owned.claim(heap, 32, "a local heap")
        self._owned.claim(names, size, "names")
        out: list[tuple[str, int]] = []
        todo = [(tree, -1)]
        while todo:
            at, level = todo.pop()
            node, depth, used = self._node(at, 0, level, 8, self._inner)
            for _ in range(used):
                node.skip(8)
                child = node.number(8)
                if depth:
                    todo.append((child, depth - 1))
                else:
                    out += self._symbols(child, names, size)
        return out

    def _symbols(self, at: int, names: int, size: int) -> list[tuple[str, int]]:
        width = 8 + 80 * self._leaf
        self._owned.claim(at, width, "a symbol table")
        cursor, out = Cursor(self._file, at, at + width), []
        if cursor.take(4) != b"SNOD" or cursor.number(1) != 1:
            raise wrong("table", "no symbol table where one must be", at)
        cursor.skip(1)
        for _ in range(cursor.number(2)):
            place, child, kind = cursor.number(8), cursor.number(8), cursor.number(4)
            cursor.skip(20)
            if kind == 2:
                raise unread("a soft link", cursor.at - 40)
            if place >= size:
                raise wrong("table", f"a name at {place} of {size}", cursor.at - 40)
            raw = self._file.read(names + place, min(size - place, 4096))
            name, ended, _ = raw.partition(b"\0")
            if not ended:
                raise wrong("table", "a name without end", names + place)
            out.append((messages.text(name, names + place), child))
        return out
