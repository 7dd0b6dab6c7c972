"""GGUF 2 and 3: settings, a table of tensors, and tensors that fill the rest with zero padding between them.

Source: `docs/gguf.md` of ggml; where that leaves room, what `gguf.cpp` of llama.cpp accepts. Little endian only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from countermark.formats._ggml_types import BLOCKS
from countermark.formats.cursor import Cursor
from countermark.formats.limits import Malformed, ModelLimits, OverLimit, Unaccounted
from countermark.formats.source import Buffered
from countermark.sandbox.task import Source

_WIDTH = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_U32, _BOOL, _STRING, _ARRAY = 4, 7, 8, 9
_LARGEST = (1 << 63) - 1
_KEY_BYTES, _NAME_BYTES, _AXES = 65535, 127, 4
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One entry: name, ggml type, shape (fastest axis first), and where its bytes lie in the file."""

    name: str
    kind: int
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(slots=True)
class GgufFacts:
    """What the whole file is made of.

    Attributes:
        version: 2 or 3. keys: of the settings, in file order, with the type of each. templates: key to chat template,
            and where it stands. tensors: in file order. data_at: first byte of tensors. padding: zero bytes.
    """

    version: int
    keys: dict[str, int] = field(default_factory=dict)
    templates: dict[str, tuple[str, int]] = field(default_factory=dict)
    tensors: list[GgufTensor] = field(default_factory=list)
    data_at: int = 0
    padding: int = 0


def announces(head: bytes) -> bool:
    """True where the magic number stands first."""
    return head[:4] == b"GGUF"


def read(source: Source, limits: ModelLimits | None = None) -> GgufFacts:
    """Account for every byte of the file.

    Raises:
        Malformed: sizes that overflow, disagree or reach outside; names twice; bytes that belong to nothing.
        Unaccounted: a version, byte order or type that is not read here. OverLimit: very many entries or tokens.
    """
    return _Reader(source, limits or ModelLimits()).read()


class _Reader:
    def __init__(self, source: Source, limits: ModelLimits) -> None:
        self._file = Buffered(source)
        self._at = Cursor(self._file)
        self._limits = limits
        self._align = 32
        self._texts = 0

    def read(self) -> GgufFacts:
        at = self._at
        facts = GgufFacts(self._version())
        tensors, keys = at.number(8), at.number(8)
        for count, least, name in ((tensors, 24, "tensors"), (keys, 13, "settings")):
            if count * least > at.left:
                raise Malformed("gguf-count", f"{count} {name} in {at.left} bytes", offset=8)
            if count > self._limits.tensors:
                raise OverLimit("tensors", count, self._limits.tensors, offset=8)
        for _ in range(keys):
            self._setting(facts)
        table = [self._tensor() for _ in range(tensors)]
        self._lay(facts, table)
        return facts

    def _version(self) -> int:
        self._at.skip(4)
        version = self._at.number(4)
        if version not in (2, 3):
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            what = "big endian" if swapped in (1, 2, 3) else f"version {version}"
            raise Unaccounted("gguf-version", f"GGUF of {what} is not read here", offset=4)
        return version

    def _text(self, most: int, what: str) -> str:
        begin, size = self._at.at, self._at.number(8)
        if size > most or size > self._at.left:
            raise Malformed("gguf-length", f"{what} of {size} bytes", offset=begin, why="lengths that run over")
        try:
            return self._at.take(size).decode()
        except UnicodeDecodeError as error:
            raise Malformed("gguf-text", f"{what} is not UTF-8", offset=begin) from error

    def _setting(self, facts: GgufFacts) -> None:
        begin = self._at.at
        key = self._text(_KEY_BYTES, "a key")
        if not key or not key.isprintable() or key in facts.keys:
            raise Malformed("gguf-key", f"the key {key[:80]!r} is empty, not printable, or stands twice", offset=begin)
        kind = facts.keys[key] = self._at.number(4)
        where = self._at.at
        if key == "general.alignment":
            self._align = self._alignment(kind, where)
        elif "chat_template" in key and kind == _STRING:
            facts.templates[key] = (self._text(self._limits.header_bytes, "a chat template"), where)
        elif key == "tokenizer.chat_template":
            raise Malformed("gguf-template", f"the chat template has type {kind}", offset=where)
        else:
            self._value(kind)

    def _alignment(self, kind: int, where: int) -> int:
        align = self._at.number(4) if kind == _U32 else 0
        if align < 8 or align & (align - 1) or align > 1 << 20:
            raise Malformed("gguf-alignment", f"alignment {align} of type {kind}", offset=where)
        return align

    def _value(self, kind: int) -> None:
        where = self._at.at
        if kind == _STRING:
            self._skip_text(where)
        elif kind == _ARRAY:
            self._array()
        elif kind in _WIDTH:
            self._plain(kind, 1)
        else:
            raise Unaccounted("gguf-type", f"a value of type {kind}", offset=where)

    def _skip_text(self, where: int) -> None:
        self._texts += 1
        if self._texts > self._limits.messages:
            raise OverLimit("texts", self._texts, self._limits.messages, offset=where)
        size = self._at.number(8)
        if size > self._at.left:
            raise Malformed("gguf-length", f"a text of {size} bytes where {self._at.left} are left", offset=where)
        self._at.skip(size)

    def _array(self) -> None:
        where = self._at.at
        kind, count = self._at.number(4), self._at.number(8)
        if kind == _STRING:
            if count * 8 > self._at.left:
                raise Malformed("gguf-length", f"{count} texts in {self._at.left} bytes", offset=where)
            for _ in range(count):
                self._skip_text(self._at.at)
        elif kind in _WIDTH:
            self._plain(kind, count)
        else:
            raise Unaccounted("gguf-type", f"an array of type {kind}", offset=where)

    def _plain(self, kind: int, count: int) -> None:
        begin, size = self._at.at, count * _WIDTH[kind]
        if size > self._at.left:
            raise Malformed("gguf-length", f"{count} numbers where {self._at.left} bytes are left", offset=begin)
        self._at.skip(size)
        if kind == _BOOL:
            for at in range(begin, begin + size, _PIECE):
                if self._file.read(at, min(_PIECE, begin + size - at)).strip(b"\0\1"):
                    raise Malformed("gguf-bool", "a truth value that is neither 0 nor 1", offset=at)

    def _tensor(self) -> tuple[str, int, tuple[int, ...], int, int, int]:
        """Name, type, shape, offset within the data, bytes, and where the entry stands."""
        begin = self._at.at
        name = self._text(_NAME_BYTES, "a tensor's name")
        axes = self._at.number(4)
        if axes > _AXES:
            raise Malformed("gguf-shape", f"tensor {name!r} has {axes} axes", offset=begin)
        shape = tuple(self._at.number(8) for _ in range(axes))
        kind, offset = self._at.number(4), self._at.number(8)
        if any(n > _LARGEST for n in shape) or prod(shape) > _LARGEST:
            raise Malformed(
                "gguf-overflow", f"tensor {name!r} of shape {shape} overflows 63 bits", offset=begin,
                why="a reader that multiplies in 64 bits allocates too little (CVE-2026-33298)",
            )  # fmt: skip
        if kind not in BLOCKS:
            raise Unaccounted("gguf-type", f"tensor {name!r} has ggml type {kind}", offset=begin)
        elements, width = BLOCKS[kind]
        if shape and shape[0] % elements:
            raise Malformed("gguf-block", f"tensor {name!r}: rows of {shape[0]} in blocks of {elements}", offset=begin)
        if prod(shape) % elements:
            raise Malformed("gguf-block", f"tensor {name!r} is no whole number of blocks", offset=begin)
        size = prod(shape) // elements * width
        if size > _LARGEST:
            raise Malformed("gguf-overflow", f"tensor {name!r} of {size} bytes overflows 63 bits", offset=begin)
        return name, kind, shape, offset, size, begin

    def _lay(self, facts: GgufFacts, table: list[tuple[str, int, tuple[int, ...], int, int, int]]) -> None:
        """Put the tensors one after another; what is between them must be zero padding up to the alignment."""
        at = self._at.at
        base = facts.data_at = self._round(at) if table else at
        if not table and base < self._file.size <= self._round(at):
            base = self._file.size
        facts.padding += self._zeros(at, min(base, self._file.size))
        names: set[str] = set()
        at = base
        for name, kind, shape, offset, size, where in sorted(table, key=lambda entry: (entry[3], entry[4])):
            if name in names:
                raise Malformed("gguf-name", f"tensor {name!r} stands twice", offset=where)
            names.add(name)
            begin = base + offset
            expected = base + self._round(at - base)
            if begin != expected:
                word = "overlaps the one before" if begin < expected else "leaves a gap"
                raise Malformed("gguf-cover", f"tensor {name!r} at byte {begin} {word}: {expected}", offset=where)
            if begin + size > self._file.size:
                raise Malformed(
                    "gguf-outside", f"tensor {name!r} ends at {begin + size} of {self._file.size}", offset=where
                )
            facts.padding += self._zeros(at, begin)
            facts.tensors.append(GgufTensor(name, kind, shape, begin, begin + size))
            at = begin + size
        if self._file.size > base + self._round(at - base):
            raise Malformed("gguf-tail", f"{self._file.size - at} bytes after the last tensor", offset=at)
        facts.padding += self._zeros(at, self._file.size)

    def _round(self, at: int) -> int:
        return -(-at // self._align) * self._align

    def _zeros(self, begin: int, end: int) -> int:
        """Bytes of padding, all of them zero; at most one alignment."""
        if end > begin and any(self._file.read(begin, end - begin)):
            raise Malformed("gguf-padding", "padding that is not zero", offset=begin)
        return max(0, end - begin)
