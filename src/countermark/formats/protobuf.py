"""A bounded walk over protobuf wire format: where each field lies, and that every byte belongs to one.

Source: protobuf.dev, "Encoding". Groups are refused; nothing is copied that is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from countermark.formats._onnx_schema import MESSAGES, SCALARS, FieldType
from countermark.formats.limits import Malformed, OverLimit, Unaccounted
from countermark.formats.source import Buffered

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE = {"varint": _VARINT, "fixed64": _FIXED64, "fixed32": _FIXED32}
_WIDTH = {_FIXED64: 8, _FIXED32: 4}
_PIECE = 1 << 20
_TEXT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        name: as in the schema. type: scalar or message. begin, end: its content, without tag and length.
        value: of a single varint or fixed number, little endian and unsigned; 0 for others.
        packed: many numbers in one length-delimited field.
    """

    name: str
    type: str
    begin: int
    end: int
    value: int = 0
    packed: bool = False

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return self.end - self.begin


class Walker:
    """Reads messages of one file within its budgets."""

    def __init__(
        self, file: Buffered, messages: int, schema: dict[str, dict[int, FieldType]] = MESSAGES, prefix: str = "onnx"
    ) -> None:
        """Begin.

        Args:
            file: what is read. messages: how many at most. schema: fields of each message. prefix: of its rules.
        """
        self._file, self._schema, self._prefix = file, schema, prefix
        self._left = self._limit = messages

    def fields(self, message: str, begin: int, end: int) -> Iterator[Field]:
        """Fields of a message in file order.

        Raises:
            Unaccounted: a field that the schema does not have. OverLimit: too many messages.
            Malformed: the wire format is broken, or a field that may not repeat does.
        """
        self._left -= 1
        if self._left < 0:
            raise OverLimit("messages", self._limit, self._limit, offset=begin)
        schema, at, once = self._schema[message], begin, set()
        while at < end:
            tag, after = self._varint(at, end)
            number, wire = tag >> 3, tag & 7
            kind = schema.get(number)
            if kind is None:
                raise Unaccounted(
                    f"{self._prefix}-unknown-field", f"field {number} of {message} is not known", offset=at
                )
            if not kind.repeated and number in once:
                raise Malformed(
                    f"{self._prefix}-twice", f"{message}.{kind.name} stands twice", offset=at, why="readers disagree"
                )
            once.add(number)
            field = self._field(kind, wire, after, end)
            yield field
            at = field.end

    def account(self, message: str, begin: int, end: int, depth: int) -> None:
        """Walk a message whose content means nothing here, so that its bytes are accounted for.

        Raises:
            OverLimit: nested deeper than `depth`. Others as `fields`.
        """
        if depth <= 0:
            raise OverLimit("depth", 1, 0, offset=begin)
        for field in self.fields(message, begin, end):
            if field.type not in SCALARS:
                self.account(field.type, field.begin, field.end, depth - 1)
            elif field.type == "string":
                self.text(field)

    def text(self, field: Field) -> str:
        """A string field.

        Raises:
            OverLimit: longer than 16 MiB. Malformed: not UTF-8.
        """
        if field.size > _TEXT_BYTES:
            raise OverLimit("text_bytes", field.size, _TEXT_BYTES, offset=field.begin)
        try:
            return self._file.read(field.begin, field.size).decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"{self._prefix}-text", f"{field.name} is not UTF-8", offset=field.begin) from error

    def numbers(self, field: Field) -> list[int]:
        """All varints of a field, packed or single."""
        if not field.packed:
            return [field.value]
        out, at = [], field.begin
        while at < field.end:
            value, at = self._varint(at, field.end)
            out.append(value)
        return out

    def count(self, field: Field) -> int:
        """How many numbers a field holds, without building them."""
        if not field.packed:
            return 1
        if field.type != "varint":
            return field.size // _WIDTH[_WIRE[field.type]]
        total, last = 0, 0
        for at in range(field.begin, field.end, _PIECE):
            piece = self._file.read(at, min(_PIECE, field.end - at))
            total += len(piece.translate(None, bytes(range(0x80, 0x100))))
            last = piece[-1]
        if last >= 0x80:
            raise Malformed(f"{self._prefix}-varint", f"{field.name} ends inside a number", offset=field.end)
        return total

    def _field(self, kind: FieldType, wire: int, at: int, end: int) -> Field:
        expected = _WIRE.get(kind.type, _BYTES)
        packable = kind.repeated and expected != _BYTES
        if wire != expected and not (packable and wire == _BYTES):
            raise Malformed(f"{self._prefix}-wire", f"{kind.name} has wire type {wire}", offset=at)
        if wire == _VARINT:
            value, after = self._varint(at, end)
            return Field(kind.name, kind.type, at, after, value)
        if wire in _WIDTH:
            after = self._inside(at, _WIDTH[wire], end)
            return Field(kind.name, kind.type, at, after, int.from_bytes(self._file.read(at, after - at), "little"))
        size, start = self._varint(at, end)
        field = Field(kind.name, kind.type, start, self._inside(start, size, end), packed=packable)
        if packable and expected != _VARINT and field.size % _WIDTH[expected]:
            raise Malformed(f"{self._prefix}-packed", f"{kind.name} ends inside a number", offset=start)
        return field

    def _inside(self, at: int, size: int, end: int) -> int:
        if at + size > end:
            raise Malformed(f"{self._prefix}-length", f"{size} bytes where {end - at} are left", offset=at)
        return at + size

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        piece = self._file.read(at, min(10, end - at))
        value = 0
        for index, byte in enumerate(piece):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return value, at + index + 1
        raise Malformed(f"{self._prefix}-varint", "a number is longer than it may be, or cut short", offset=at)
