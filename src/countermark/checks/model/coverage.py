"""`model/coverage`: what no other check accounts for: formats known but not read, text, pictures, the rest."""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile
from countermark.errors import FormatRefused
from countermark.formats import image

ID = "model/coverage"
_UNREAD = (
    (b"7z\xbc\xaf\x27\x1c", 0, "7z"), (b"\x28\xb5\x2f\xfd", 0, "zstd"),
)  # fmt: skip
_TEXT_BYTES = 16 << 20
_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13, 27}


def looks_at(file: ModelFile) -> bool:
    """Everything; asked last."""
    return file.source.size >= 0


def look(file: ModelFile) -> Look:
    """Name it; nothing that is named here is proven."""
    if file.source.size == 0:
        return Look(ID, "empty", "not model content", "an empty file")
    for magic, at, name in _UNREAD:
        if file.head[at : at + len(magic)] == magic:
            return Look(ID, name, "unproven", f"{name} is recognised and not read here; convert to safetensors or ONNX")
    if image.content_format(file.head):
        return _picture(file)
    if _is_text(file):
        return Look(ID, "text", "not model content", "text")
    return Look(
        ID, "unknown", "unproven", f"the first bytes {file.head[:8].hex()} belong to no format that is read here"
    )


def _picture(file: ModelFile) -> Look:
    kind = image.content_format(file.head)
    try:
        facts = image.sniff(file.source.read(0, file.source.size))
    except FormatRefused as error:
        return Look(ID, kind, "unproven", f"a damaged picture: {error.what}")
    if facts.trailing:
        return Look(ID, kind, "unproven", f"a picture with {facts.trailing} bytes after its end")
    return Look(ID, kind, "not model content", f"a picture of {facts.width} x {facts.height}")


def _is_text(file: ModelFile) -> bool:
    if file.source.size > _TEXT_BYTES:
        return False
    data = file.source.read(0, file.source.size)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not _CONTROLS.intersection(data)
