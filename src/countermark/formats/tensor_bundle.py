"""The index of a TensorFlow checkpoint: a sorted table of names, and where the bytes of each tensor lie in which data file.

Source: `tensorflow/core/util/tensor_bundle` and `core/lib/io/table_format.txt` (LevelDB's table). Blocks are not compressed, as
TensorFlow writes them; others are unproven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from countermark.formats._tensorflow_schema import MESSAGES
from countermark.formats.cursor import Cursor
from countermark.formats.limits import Malformed, ModelLimits, OverLimit, Unaccounted
from countermark.formats.protobuf import Walker
from countermark.formats.source import Buffered, Memory
from countermark.sandbox.task import Source

MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_MOST_BLOCK = 16 << 20


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """Bytes of one tensor: its name, number of the data file, offset and size there, where the index says so."""

    name: str
    shard: int
    offset: int
    size: int
    at: int


@dataclass(slots=True)
class BundleFacts:
    """What the index says: how many data files there are, and every tensor."""

    shards: int = 0
    entries: list[BundleEntry] = field(default_factory=list)


def announces(source: Source) -> bool:
    """True where the last eight bytes are a table's."""
    return source.size >= _FOOTER and source.read(source.size - 8, 8) == MAGIC


def read(source: Source, limits: ModelLimits | None = None) -> BundleFacts:
    """Account for every byte.

    Raises:
        Malformed: blocks that do not follow one another, names that do not rise, entries that are none.
        Unaccounted: compressed blocks, or an unknown field. OverLimit: very many entries.
    """
    bounds, file = limits or ModelLimits(), Buffered(source)
    footer = Cursor(file, file.size - _FOOTER)
    meta, index = _handle(footer), _handle(footer)
    facts, at = BundleFacts(), 0
    handles = [_handle(Cursor(Memory(value))) for _, value, _ in _block(file, index)]
    for handle in (*handles, meta, index):
        if handle[0] != at:
            raise Malformed("bundle-cover", f"a block begins at {handle[0]}, not {at}", offset=at)
        at += handle[1] + 5
    if at != file.size - _FOOTER or any(True for _ in _block(file, meta)):
        raise Malformed("bundle-cover", f"{file.size - _FOOTER - at} bytes before the footer, or a filter", offset=at)
    last: bytes | None = None
    for handle in handles:
        for key, value, where in _block(file, handle):
            if last is not None and key <= last:
                raise Malformed("bundle-order", "names that do not rise", offset=where)
            last = key
            _entry(facts, key, value, where, bounds)
    return facts


def _handle(cursor: Cursor) -> tuple[int, int]:
    return _number(cursor), _number(cursor)


def _number(cursor: Cursor) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = cursor.number(1)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise Malformed("bundle-number", "a number without end", offset=cursor.at)


def _block(file: Buffered, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, value and place of every entry of a block."""
    at, size = handle
    if size > _MOST_BLOCK:
        raise OverLimit("block bytes", size, _MOST_BLOCK, offset=at)
    if at + size + 5 > file.size or size < 4:
        raise Malformed("bundle-outside", f"a block of {size} bytes at {at}", offset=at)
    if file.read(at + size, 1) != b"\0":
        raise Unaccounted("bundle-compressed", "a compressed block is not read here", offset=at)
    restarts = int.from_bytes(file.read(at + size - 4, 4), "little")
    if restarts * 4 + 4 > size:
        raise Malformed("bundle-block", f"{restarts} restarts in {size} bytes", offset=at)
    cursor, key = Cursor(file, at, at + size - 4 - 4 * restarts), b""
    while cursor.left:
        shared, fresh, length = _number(cursor), _number(cursor), _number(cursor)
        where = cursor.at
        if shared > len(key):
            raise Malformed("bundle-block", "a name that shares more than there is", offset=where)
        key = key[:shared] + cursor.take(fresh)
        if len(key) > 1 << 16:
            raise OverLimit("name bytes", len(key), 1 << 16, offset=where)
        yield key, cursor.take(length), where


def _entry(facts: BundleFacts, key: bytes, value: bytes, at: int, bounds: ModelLimits) -> None:
    message = "BundleEntryProto" if key else "BundleHeaderProto"
    walk, numbers = Walker(Buffered(Memory(value)), 1 << 10, MESSAGES, "bundle"), dict[str, int]()
    for item in walk.fields(message, 0, len(value)):
        numbers[item.name] = item.value
        if item.name in ("shape", "slices", "version"):
            walk.account(item.type, item.begin, item.end, 8)
    if not key:
        facts.shards = numbers.get("num_shards", 0)
        if numbers.get("endianness"):
            raise Unaccounted("bundle-endian", "big endian is not read here", offset=at)
        return
    if len(facts.entries) >= bounds.tensors:
        raise OverLimit("tensors", len(facts.entries) + 1, bounds.tensors, offset=at)
    shard = numbers.get("shard_id", 0)
    if shard >= facts.shards:
        raise Malformed("bundle-shard", f"data file {shard} of {facts.shards}", offset=at)
    name = key.decode("utf-8", "backslashreplace")[:200]
    facts.entries.append(BundleEntry(name, shard, numbers.get("offset", 0), numbers.get("size", 0), at))
