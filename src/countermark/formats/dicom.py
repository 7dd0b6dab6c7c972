"""DICOM files: what they tell beside their pixels, and the same files without it; pydicom runs in a confined child."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Any, Self

from countermark.formats.identifiers import KINDS, Identifier, Told
from countermark.formats.strip import Stripped
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child, Reply

_MODULE = "countermark.formats._dicom_task"
MOST_BYTES = 512 << 20


def is_dicom(data: bytes) -> bool:
    """Whether a file has the prefix of PS3.10, section 7.1; files without it are not taken for DICOM."""
    return data[128:132] == b"DICM"


class Dicom:
    """Keeps one confined child for many files; a context manager.

    UIDs are replaced by a keyed hash with a salt that lives as long as this object: references between the files that one
    object stripped still hold, and nobody can compute an old UID's new one.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits(memory_bytes=3 << 30, blob_bytes=MOST_BYTES)
        self._salt = secrets.token_hex(32)
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._child is not None:
            self._child.close()

    def look(self, data: bytes) -> Told:
        """Identifiers of one file by PS3.15 Annex E; what the pixels show is named as not looked at.

        Raises:
            MissingExtra: pydicom is absent. FormatRefused: it does not parse within bounds. ChildFailed: the parser died.
        """
        return _told(self._ask("look", {}, data))

    def strip(self, data: bytes) -> Stripped:
        """One file after the basic profile; its pixels stay as they are.

        Raises:
            As `look`; FormatRefused also where the file says that text is burned into its pixels.
        """
        reply = self._ask("strip", {"salt": self._salt}, data)
        if len(reply.arrays) != 1:
            raise ChildFailed("the child answered without a file")
        return Stripped(bytes(reply.arrays[0].data), _told(reply).identifiers, _told(reply).unread)

    def _ask(self, name: str, request: dict[str, Any], data: bytes) -> Reply:
        if self._child is None or not self._child.alive:
            if self._child is not None:
                self._child.close()
            self._child = Child(self._limits)
        return self._child.ask(f"{_MODULE}:{name}", request, [data])


def _told(reply: Reply) -> Told:
    match reply.json:
        case {"identifiers": list(listed), "unread": list(unread)} if all(isinstance(line, str) for line in unread):
            return Told(tuple(map(_identifier, listed)), 1, tuple(line[:200] for line in unread))
    raise ChildFailed("the child answered malformed")


def _identifier(value: object) -> Identifier:
    match value:
        case [str(kind), str(name)] if kind in KINDS:
            return Identifier(kind, name[:120], 0)
    raise ChildFailed("the child answered malformed")
