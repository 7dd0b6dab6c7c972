"""`model/archive`: zip, tar and compressed files that are no model format: every member is looked at as a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.model import _streams
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.formats import tar, zipped
from countermark.formats.inflated import Inflated, kind_of
from countermark.formats.limits import Malformed, OverLimit
from countermark.formats.polyglot import ends_as_zip
from countermark.formats.source import Memory, Slice
from countermark.sandbox.task import Source

ID = "model/archive"
MOST_MEMBERS = 1 << 14
MOST_INFLATED = 128 << 20
"""Bytes of one compressed file that is looked into, kept in memory twice for a moment."""
_MOST_FINDINGS = 100


def looks_at(file: ModelFile) -> bool:
    """A zip, whatever stands before it; a tar; a compressed stream."""
    return bool(_kind(file))


def look(file: ModelFile) -> Look:
    """Look at every member; the worst answer is that of the file."""
    kind = _kind(file)
    if file.inside is None:
        return Look(ID, kind, "unproven", "archives within archives, too deep")
    looks: list[tuple[str, Look]] = []
    try:
        for name, source in _members(file.source, kind):
            if len(looks) == MOST_MEMBERS:
                raise OverLimit("members", len(looks) + 1, MOST_MEMBERS)
            looks.append((name, file.inside(f"{file.path}!{name}", source)))
    except Malformed as error:
        said = refused(ID, kind, file, error)
        return _summed(kind, [*looks, ("", said)]) if looks else said
    return _summed(_named(kind, looks), looks)


def _named(kind: str, looks: list[tuple[str, Look]]) -> str:
    """Keras zips are told apart by what lies in them; whether their layers are harmless is not told here."""
    names = {name for name, _ in looks}
    return "keras zip" if kind == "zip" and "config.json" in names and any(n.endswith(".h5") for n in names) else kind


def _kind(file: ModelFile) -> str:
    if file.head[257:262] == b"ustar":
        return "tar"
    if file.head[:2] == b"PK" or (file.head[:1] not in (b"{", b"<") and ends_as_zip(file.source) is not None):
        return "zip"
    return kind_of(file.head)


def _members(source: Source, kind: str) -> Iterator[tuple[str, Source]]:
    if kind == "zip":
        for member in zipped.read(source).members:
            if not member.name.endswith("/"):
                yield member.name, _streams.content(source, member)
    elif kind == "tar":
        for name, at, size in tar.named(source):
            yield name, Slice(source, at, size)
    else:
        inflated = Inflated(source, kind)
        if inflated.size > MOST_INFLATED:
            raise OverLimit("inflated bytes", inflated.size, MOST_INFLATED)
        yield "", Memory(inflated.read(0, inflated.size))


def _summed(kind: str, looks: list[tuple[str, Look]]) -> Look:
    findings = tuple(finding for _, said in looks for finding in said.findings)[:_MOST_FINDINGS]
    answers = {said.answer for _, said in looks}
    if "refused" in answers:
        first = next(said for _, said in looks if said.answer == "refused")
        return Look(ID, kind, "refused", first.why, findings)
    if "unproven" in answers or any(said.claims for _, said in looks):
        name, first = next(pair for pair in looks if pair[1].answer == "unproven" or pair[1].claims)
        return Look(ID, kind, "unproven", f"{name or 'the content'}: {first.why}")
    if "proven" not in answers:
        return Look(ID, kind, "not model content", f"{len(looks)} members, none of them a model's")
    return Look(ID, kind, "proven", f"{len(looks)} members, all accounted for")
