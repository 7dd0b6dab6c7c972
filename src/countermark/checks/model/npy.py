"""`model/npy`: arrays, alone or in a strict zip; where elements are objects, the pickle that holds them is followed."""

from __future__ import annotations

from countermark.checks.model import _streams
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.checks.model._judge import PickleJudge
from countermark.finding import Finding
from countermark.formats import npy, zipped
from countermark.formats.limits import Malformed
from countermark.formats.source import Memory
from countermark.sandbox.task import Source

ID = "model/npy"


def looks_at(file: ModelFile) -> bool:
    """The magic of an array, or a zip whose first member is one."""
    named = file.head[30 : 30 + int.from_bytes(file.head[26:28], "little")] if file.head[:2] == b"PK" else b""
    return file.head.startswith(npy.MAGIC) or named.endswith(b".npy")


def look(file: ModelFile) -> Look:
    """Account for every byte; members of an .npz are inflated in pieces and their CRC compared."""
    zip_file = file.head[:2] == b"PK" or (file.extension == "npz" and not file.head.startswith(npy.MAGIC))
    kind, judges = "npz" if zip_file else "npy", list[PickleJudge]()
    try:
        arrays = _members(file, judges) if zip_file else [_array(file, file.source, file.path, judges)]
    except Malformed as error:
        said = refused(ID, kind, file, error)
        found = _findings(judges)
        return Look(ID, kind, "refused", found[0].what, (*found, *said.findings)) if found else said
    if found := _findings(judges):
        return Look(ID, kind, "refused", found[0].what, found)
    doubts = sorted({name for judge in judges for name in judge.doubts})
    total = sum(array.data_bytes for array in arrays)
    said_of_objects = f", {len(judges)} of them of objects" if judges else ""
    return Look(
        ID, kind, "unproven" if doubts else "proven",
        f"names {', '.join(doubts[:5])}, which no list has" if doubts
        else f"{len(arrays)} arrays, {total} bytes{said_of_objects}",
        counts=(("tensors", len(arrays)), ("parameter bytes", total)),
    )  # fmt: skip


def _members(file: ModelFile, judges: list[PickleJudge]) -> list[npy.NpyFacts]:
    archive = zipped.read(file.source)
    arrays = npy.read_npz(file.source, archive=archive).arrays
    for member in archive.members:
        if arrays[member.name].objects:
            inside = Memory(_streams.inflated(file.source, member))
            _array(file, inside, f"{file.path}!{member.name}", judges)
    return list(arrays.values())


def _array(file: ModelFile, source: Source, path: str, judges: list[PickleJudge]) -> npy.NpyFacts:
    facts = npy.read_npy(source)
    if facts.objects:
        judge = PickleJudge(path)
        judge.declared = file.declared.pairs()
        judges.append(judge)
        _streams.plain(source, judge, facts.header_bytes)
    return facts


def _findings(judges: list[PickleJudge]) -> tuple[Finding, ...]:
    return tuple(finding for judge in judges for finding in judge.findings)
