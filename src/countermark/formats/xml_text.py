"""XML without its dangers: no document type, no entity, no reference to anything outside; one pass over expat.

Source: XML 1.0, sections 2.8 and 4; a document type is where every external reference and every expansion is declared.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from countermark.formats.limits import Malformed, OverLimit
from countermark.sandbox.task import Source

_PIECE = 1 << 20
MOST_BYTES = 256 << 20
MOST_ELEMENTS = 4 << 20
MOST_DEPTH = 64

Element = Callable[[tuple[str, ...], dict[str, str], int], None]
"""Called with the path of local names, the attributes and the place of each element that opens."""


def walk(source: Source, element: Element) -> None:
    """Parse a whole document.

    Args:
        element: is told of every element. Names come without namespace.

    Raises:
        Malformed: a document type, an entity, an inclusion, or not well formed. OverLimit: too large, too deep, too many elements.
    """
    if source.size > MOST_BYTES:
        raise OverLimit("text bytes", source.size, MOST_BYTES)
    _Walk(element).run(source)


class _Walk:
    def __init__(self, element: Element) -> None:
        self._element = element
        self._path: list[str] = []
        self._count = 0
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._external
        parser.ProcessingInstructionHandler = self._instruction
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def run(self, source: Source) -> None:
        try:
            for at in range(0, source.size, _PIECE):
                self._parser.Parse(source.read(at, min(_PIECE, source.size - at)), False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            what = f"not well formed: {expat.errors.messages.get(error.code, 'unknown')}"
            raise Malformed("xml-form", what, offset=max(0, self._parser.ErrorByteIndex)) from error
        except (UnicodeError, LookupError) as error:
            raise Malformed("xml-form", "an encoding that is none", offset=0) from error

    def _wrong(self, rule: str, what: str, why: str) -> Malformed:
        return Malformed(rule, what, offset=max(0, self._parser.CurrentByteIndex), why=why)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if space == "http://www.w3.org/2001/XInclude":
            raise self._wrong("xml-include", "an inclusion", "a reader opens that file or address")
        self._path.append(local)
        self._count += 1
        if len(self._path) > MOST_DEPTH:
            raise OverLimit("depth", len(self._path), MOST_DEPTH, offset=self._parser.CurrentByteIndex)
        if self._count > MOST_ELEMENTS:
            raise OverLimit("elements", self._count, MOST_ELEMENTS, offset=self._parser.CurrentByteIndex)
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        self._element(tuple(self._path), plain, self._parser.CurrentByteIndex)

    def _end(self, name: str) -> None:
        self._path.pop()

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        raise self._wrong("xml-doctype", "a document type", "it declares entities that expand or read files (XXE)")

    def _entity(self, *declaration: object) -> None:
        raise self._wrong("xml-entity", "an entity", "it expands or reads files (XXE)")

    def _external(self, *reference: object) -> int:
        raise self._wrong("xml-entity", "an external entity", "it reads files or addresses (XXE)")

    def _instruction(self, target: str, data: str) -> None:
        raise self._wrong("xml-instruction", f"an instruction for {target[:40]!r}", "a reader may open what it names")
