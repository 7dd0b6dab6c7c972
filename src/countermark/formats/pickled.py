"""Recognise pickles and what wraps them, without ever loading one.

Source: `pickletools` for the opcodes' argument forms; layouts as written by torch.save, joblib.dump.
Loading a pickle runs whatever it names, so recognition is all that is needed to refuse it.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator

from countermark.formats import inflated, lz4, zipped
from countermark.formats.limits import Malformed, ModelLimits
from countermark.formats.pickle import unmarked
from countermark.formats.source import Buffered, Memory
from countermark.sandbox.task import Source

PEEK = 1 << 16
_MAX_OPCODES = 1 << 14
_MANY = 32
_LINE = 2048
_PIECE = 2 * _LINE + 16
_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
_FIXED = {
    b"K": 1, b"M": 2, b"J": 4, b"G": 8, b"q": 1, b"r": 4, b"h": 1, b"j": 4, b"\x80": 1, b"\x95": 8,
    b"\x82": 1, b"\x83": 2, b"\x84": 4,
}  # fmt: skip
_COUNTED = {
    b"T": 4, b"U": 1, b"X": 4, b"\x8c": 1, b"\x8d": 8, b"B": 4, b"C": 1, b"\x8e": 8, b"\x96": 8, b"\x8a": 1, b"\x8b": 4,
}  # fmt: skip
_LINES = {b"F": 1, b"I": 1, b"L": 1, b"S": 1, b"V": 1, b"c": 2, b"i": 2, b"p": 1, b"g": 1, b"P": 1}
_BARE = frozenset(
    bytes([b]) for b in b"(.0123NQRabdolstu)e]}" + bytes([0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8F, *range(0x90, 0x95)])
) | {b"\x97", b"\x98"}
_NAMING = frozenset({b"c", b"i", b"\x93"})
_DOTTED, _NUMBER, _INDEX = rb"[A-Za-z_][\w.]*", rb"[-+0-9.eEnaifxXL]{1,400}", rb"[0-9]{1,10}"
_ARGUMENT = {
    b"F": _NUMBER, b"I": _NUMBER, b"L": _NUMBER, b"S": rb"(['\"]).*\1", b"V": rb".*", b"c": _DOTTED, b"i": _DOTTED,
    b"p": _INDEX, b"g": _INDEX, b"P": rb".+",
}  # fmt: skip
_GLOBAL = re.compile(rb"c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n")
_WRAPPED: tuple[tuple[str, bytes, Callable[[bytes], bytes]], ...] = (
    ("gzip", b"\x1f\x8b\x08", lambda data: zlib.decompressobj(31).decompress(data, PEEK)),
    ("zlib", b"\x78", lambda data: zlib.decompressobj(15).decompress(data, PEEK)),
    ("bz2", b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data, PEEK)),
    ("xz", b"\xfd7zXZ\x00", lambda data: lzma.LZMADecompressor(memlimit=inflated.DICTIONARY).decompress(data, PEEK)),
    ("lz4", lz4.MAGIC, lambda data: b"".join(_lz4_blocks(data))),
    (
        "lzma",
        b"\x5d\x00\x00",
        lambda data: lzma.LZMADecompressor(lzma.FORMAT_ALONE, inflated.DICTIONARY).decompress(data, PEEK),
    ),
)
_BLOCKS = {"bz2": 1 << 20, "lz4": 5 << 20}
"""Bytes that hold a whole block, before which nothing comes out."""


def _lz4_blocks(data: bytes) -> Iterator[bytes]:
    """What whole blocks of the beginning of a frame give."""
    frame = lz4.Frame()
    yield frame.decompress(data)
    while not (frame.eof or frame.needs_input):
        yield frame.decompress(b"")


def recognise(source: Source) -> str:
    """Name what holds a pickle here, or an empty string.

    Returns:
        ``"pickle"``, ``"torch (legacy)"``, ``"torch (zip)"``, ``"joblib"``,
        ``"gzip pickle"`` and so on.
    """
    head = source.read(0, min(PEEK, source.size))
    whole = len(head) == source.size
    if head[:1] == b"\x80" and _TORCH_MAGIC in head[2:20]:
        return "torch (legacy)"
    if is_pickle(head, whole=whole):
        return "joblib" if b"NumpyArrayWrapper" in head or b"NDArrayWrapper" in head else "pickle"
    if head[:2] == b"PK":
        return _in_zip(source)
    if head[:2] == b"ZF":
        return "joblib (zfile)"
    for name, magic, inflate in _WRAPPED:
        if head.startswith(magic):
            if name in _BLOCKS:
                head = source.read(0, min(_BLOCKS[name], source.size))
            return _wrapped(name, head, inflate)
    return "pickle" if unmarked.runs(source) else ""


def is_pickle(data: bytes, *, whole: bool) -> bool:
    """True where the opcodes of a pickle can be followed from the first byte.

    Args:
        data: the file or its first bytes. whole: whether the file ends with `data`.
    """
    marked = data[:1] == b"\x80" and len(data) > 2 and data[1] <= 5
    count, ended, named, at = _follow(Memory(data))
    if marked:
        return count >= 2 or bool(_GLOBAL.search(data[:256]))
    # Without the mark of protocol 2, text can look like opcodes: ask for a name, or for a perfect end.
    reached = ended >= 0 or (not whole and at >= len(data))
    return (named and count >= 2 and reached) or (count >= 2 and whole and ended == len(data))


def can_be_followed(source: Source) -> bool:
    """True where opcodes lead through a whole file to a name, or on and on: what no file of numbers does.

    Asked of formats whose first bytes are free enough to hide a jump.
    """
    count, _, named, _ = _follow(Buffered(source))
    return named or count >= _MANY


def _follow(file: Source) -> tuple[int, int, bool, int]:
    """Opcodes followed, the byte after STOP or -1, whether one names something, and how far it went."""
    at = count = 0
    named = False
    while at < file.size and count < _MAX_OPCODES:
        piece = file.read(at, min(_PIECE, file.size - at))
        code, size = piece[:1], _size(piece)
        if size == 0:
            break
        count += 1
        named = named or code in _NAMING
        at += size
        if code == b".":
            return count, at, named, at
    return count, -1, named, at if count < _MAX_OPCODES else file.size


def _size(piece: bytes) -> int:
    """Bytes of the opcode that `piece` starts with and its argument; 0 where it is none or its line does not end."""
    code = piece[:1]
    if code in _BARE:
        return 1
    if code in _FIXED:
        return 1 + _FIXED[code]
    if code in _COUNTED:
        width = _COUNTED[code]
        return 1 + width + int.from_bytes(piece[1 : 1 + width], "little")
    at = 1
    for _ in range(_LINES.get(code, 0)):
        end = piece.find(b"\n", at, at + _LINE)
        if end < 0 or re.fullmatch(_ARGUMENT[code], piece[at:end]) is None:
            return 0
        at = end + 1
    return at if code in _LINES else 0


def _in_zip(source: Source) -> str:
    """A zip with ``data.pkl`` in it is torch's, or calls itself so; other zips are looked at member by member."""
    try:
        archive = zipped.read(source, ModelLimits(members=1 << 16))
    except Malformed:
        tail = source.read(max(0, source.size - PEEK), min(PEEK, source.size))
        return "torch (zip)" if b"data.pkl" in tail else ""
    names = (name.rpartition("/")[2] for name in archive.names)
    return "torch (zip)" if "data.pkl" in names else ""


def _wrapped(name: str, head: bytes, inflate: Callable[[bytes], bytes]) -> str:
    try:
        inside = inflate(head)
    except (zlib.error, OSError, ValueError, EOFError, lzma.LZMAError):
        return ""
    if not is_pickle(inside, whole=False):
        return ""
    return f"joblib ({name})" if b"NumpyArrayWrapper" in inside else f"{name} pickle"
