"""`model/hdf5`: groups and numbers of the file itself, and a Keras configuration that names listed classes only."""

from __future__ import annotations

import re

from countermark.checks.model import _keras
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.finding import Finding, Where
from countermark.formats import hdf5, json_text
from countermark.formats.limits import Malformed
from countermark.formats.source import Memory
from countermark.sandbox.task import Source

ID = "model/hdf5"
_CONFIGURATIONS = ("@model_config", "@training_config")
_HOLDS_CODE = re.compile(rb'"class_name"\s*:\s*"(Lambda|TFSMLayer|TorchModuleWrapper|JaxLayer|FlaxLayer|__lambda__)"')
_PIECE, _OVERLAP, _MOST_SEARCHED = 4 << 20, 256, 1 << 30
_PICKLED = re.compile(rb"\x80[\x02-\x05]|[c(](?s:.*)\.\Z")


def looks_at(file: ModelFile) -> bool:
    """The signature."""
    return hdf5.announces(file.head)


def look(file: ModelFile) -> Look:
    """Account for every byte, and look at what attributes name."""
    try:
        facts = hdf5.read(file.source)
    except Malformed as error:
        said = refused(ID, "hdf5", file, error, cannot_tell="what the other file holds")
        hidden = _search(file.source) if said.answer == "unproven" else None
        return said if hidden is None else _holds_code(file, *hidden)
    return _texts(file, facts) or _account(facts)


def _account(facts: hdf5.Hdf5Facts) -> Look:
    counts = (("groups", facts.groups), ("datasets", facts.datasets), ("parameter bytes", facts.data_bytes))
    if facts.filled:
        why = f"{facts.filled} bytes belong to nothing, from byte {facts.filled_at} on; write the file anew"
        return Look(ID, "hdf5", "unproven", why, counts=counts)
    why = f"{facts.datasets} datasets, {facts.data_bytes} bytes, {facts.free} bytes of zeros that belong to nothing"
    return Look(ID, "hdf5", "proven", why, counts=counts)


def _texts(file: ModelFile, facts: hdf5.Hdf5Facts) -> Look | None:
    """What attributes and datasets of texts say: configurations, pickles, the marks of PyTables."""
    findings: list[Finding] = []
    doubts: list[str] = []
    for path, values in facts.texts.items():
        if path.endswith("@PYTABLES_FORMAT_VERSION"):
            doubts.append("written by PyTables, which unpickles attributes")
        for text, at in values:
            if path.endswith(_CONFIGURATIONS):
                found, unknown = configuration(ID, file.path, text, at)
                findings += found
                doubts += unknown
            elif _PICKLED.match(text) and file.inside is None:
                doubts.append(f"{path}: too deep")
            elif _PICKLED.match(text) and file.inside is not None:
                inner = file.inside(f"{file.path}!{path}", Memory(text))
                findings += inner.findings
                doubts += [f"{path}: {inner.why}"] if inner.answer == "unproven" and "pickle" in inner.format else []
    if findings:
        return Look(ID, "hdf5", "refused", findings[0].what, tuple(findings))
    if doubts:
        return Look(ID, "hdf5", "unproven", "; ".join(doubts[:3]))
    return None


def configuration(check: str, path: str, text: bytes, at: int) -> tuple[list[Finding], list[str]]:
    """What a Keras configuration does that it may not, and what of it no list has.

    Args:
        check: who says so. path: the file. text: JSON. at: byte where it stands.
    """
    try:
        judged = _keras.judge(json_text.parse(text, "keras-json", at))
    except Malformed as error:
        return list(refused(check, "keras", ModelFile(path, Memory(b""), b""), error).findings), [error.what]
    findings = [
        Finding(
            check, rule, "high", 1.0, what, Where(path=path, offset=at + max(0, text.find(word.encode()))), why,
            "build the model in code of the recipe, and load weights alone", "what the code does; it was not run",
        )
        for rule, (what, why, word) in judged.refusals.items()
    ]  # fmt: skip
    return findings, [f"names {name}, which no list has" for name in judged.doubts]


def _search(source: Source) -> tuple[str, int] | None:
    """A class that holds code, named anywhere in a file that could not be walked."""
    for at in range(0, min(source.size, _MOST_SEARCHED), _PIECE):
        found = _HOLDS_CODE.search(source.read(at, min(_PIECE + _OVERLAP, source.size - at)))
        if found:
            return found[1].decode(), at + found.start()
    return None


def _holds_code(file: ModelFile, name: str, at: int) -> Look:
    found = Finding(
        ID, "keras-class", "high", 0.9, f"the class {name} is named", Where(path=file.path, offset=at),
        why="loading it runs code that the file holds or that lies elsewhere", fix="load weights alone",
        cannot_tell="whether a loader reaches this text: the file's structure is not read here",
    )  # fmt: skip
    return Look(ID, "hdf5", "refused", found.what, (found,))
