"""`model/keras`: a Keras 3 archive: a configuration of listed classes, weights in HDF5, and files that a layer keeps."""

from __future__ import annotations

from countermark.checks.model import _streams
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.checks.model.hdf5 import configuration
from countermark.finding import Finding
from countermark.formats import json_text, zipped
from countermark.formats.limits import Malformed

ID = "model/keras"
_CONFIG, _METADATA = "config.json", "metadata.json"
_WEIGHTS = ("model.weights.h5", "model.weights.npz", "model.weights.json")


def looks_at(file: ModelFile) -> bool:
    """A zip with a configuration and weights at its root."""
    names = member_names(file)
    return _CONFIG in names and bool(names.intersection((_METADATA, *_WEIGHTS)))


def member_names(file: ModelFile) -> frozenset[str]:
    """Names in a zip that can be read in one way only; none for anything else."""
    if file.head[:4] != b"PK\x03\x04":
        return frozenset()
    try:
        return frozenset(zipped.read(file.source).names)
    except Malformed:
        return frozenset()  # the check of archives says what is wrong with it


def look(file: ModelFile) -> Look:
    """Account for every member."""
    findings: list[Finding] = []
    doubts: list[str] = []
    try:
        for member in zipped.read(file.source).members:
            if not member.name.endswith("/"):
                _member(file, member, findings, doubts)
    except Malformed as error:
        said = refused(ID, "keras zip", file, error)
        findings += said.findings
        doubts.append(said.why)
    if findings:
        return Look(ID, "keras zip", "refused", findings[0].what, tuple(findings))
    if doubts:
        return Look(ID, "keras zip", "unproven", "; ".join(doubts[:3]))
    return Look(ID, "keras zip", "proven", "a configuration of listed classes; every member accounted for")


def _member(file: ModelFile, member: zipped.Member, findings: list[Finding], doubts: list[str]) -> None:
    path = f"{file.path}!{member.name}"
    source = _streams.content(file.source, member)
    if member.name == _CONFIG:
        found, unknown = configuration(ID, path, source.read(0, source.size), 0)
        findings += found
        doubts += unknown
    elif member.name == _METADATA:
        json_text.parse(source.read(0, source.size), "keras-json", member.header_at)
    elif file.inside is None:
        doubts.append(f"{member.name}: too deep")
    else:
        said = file.inside(path, source)
        findings += said.findings
        if said.answer == "unproven" or said.claims:
            doubts.append(f"{member.name}: {said.why}")
