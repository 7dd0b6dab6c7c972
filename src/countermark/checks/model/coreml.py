"""`model/coreml`: Core ML files, recognised by name; the kind of model is read, and nothing more.

Source: `Model.proto` of Core ML Tools 8: the kind is the one field of number 200 or more.
"""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile, refused
from countermark.finding import Finding, Where
from countermark.formats.cursor import Cursor
from countermark.formats.limits import Malformed

ID = "model/coreml"
_KINDS = {
    502: "an ML program",
    500: "a neural network",
    200: "a pipeline",
    555: "a custom model",
    556: "a linked model",
}
_REACHING = {555: "it is a class of the application that loads it", 556: "it is another file, found by its name"}


def looks_at(file: ModelFile) -> bool:
    """By its name, where the version stands first."""
    return file.extension == "mlmodel" and file.head[:1] == b"\x08"


def look(file: ModelFile) -> Look:
    """Walk the outermost fields."""
    try:
        kind, at = _kind(Cursor(file.source))
    except Malformed as error:
        return refused(ID, "coreml", file, error)
    if kind in _REACHING:
        found = Finding(
            ID, "coreml-kind", "high", 1.0, f"{_KINDS[kind]}", Where(path=file.path, offset=at), _REACHING[kind],
            "export the model as an ML program", "whether the class or the file is there",
        )  # fmt: skip
        return Look(ID, "coreml", "refused", found.what, (found,))
    why = f"{_KINDS.get(kind, f'a model of kind {kind}')} of Core ML; its layers are not read here; convert to ONNX"
    return Look(ID, "coreml", "unproven", why)


def _kind(cursor: Cursor) -> tuple[int, int]:
    kind = where = 0
    while cursor.left:
        at, tag = cursor.at, _number(cursor)
        if tag >> 3 >= 200:
            if kind:
                raise Malformed("coreml-twice", "two models in one", offset=at, why="readers disagree")
            kind, where = tag >> 3, at
        if tag & 7 == 2:
            cursor.skip(_number(cursor))
        elif tag & 7 == 0:
            _number(cursor)
        else:
            raise Malformed("coreml-wire", f"wire type {tag & 7}", offset=at)
    return kind, where


def _number(cursor: Cursor) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = cursor.number(1)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise Malformed("coreml-wire", "a number without end", offset=cursor.at)
