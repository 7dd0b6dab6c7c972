"""`model/pickle`: what a pickle names and calls, told by an abstract machine that builds nothing.

Proven is what names only classes and functions of the lists, each in a listed role with arguments of a listed shape, in a
container whose every part is accounted for.
"""

from __future__ import annotations

from collections.abc import Callable

from countermark.checks.model import _streams
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.checks.model._judge import PickleJudge
from countermark.formats import pickled, torch_layout, zipped
from countermark.formats.inflated import Inflated, kind_of
from countermark.formats.limits import Malformed, ModelLimits
from countermark.sandbox.task import Source

ID = "model/pickle"
VERSION = 2
NAMES: frozenset[str] = frozenset()
_CANNOT_TELL = "what the code would do; it was not run"
_FEW = 5


def looks_at(file: ModelFile) -> bool:
    """A pickle by its opcodes, plain, zipped or compressed."""
    try:
        return bool(pickled.recognise(file.source))
    except Malformed:
        return False


def look(file: ModelFile) -> Look:
    """Follow every stream in it."""
    kind = pickled.recognise(file.source)
    judge = _JUDGES.get(kind.partition(" (")[0], PickleJudge)(file.path)
    try:
        left = _follow(file.source, kind, judge)
    except Malformed as error:
        said = refused(ID, kind, file, error, cannot_tell=_CANNOT_TELL)
        if not judge.findings:
            return said
        return Look(ID, kind, "refused", judge.findings[0].what, (*judge.findings, *said.findings))
    if judge.findings:
        return Look(ID, kind, "refused", judge.findings[0].what, tuple(judge.findings))
    return _answer(kind, judge, left)


def _answer(kind: str, judge: PickleJudge, left: list[str]) -> Look:
    counts = (("names", len(judge.names)), ("names of no list", len(judge.doubts)))
    if judge.doubts or left:
        unknown = f"names {', '.join(list(judge.doubts)[:_FEW])}, which no list has" if judge.doubts else ""
        beside = f"{len(left)} members that are not read: {', '.join(left[:_FEW])}" if left else ""
        return Look(ID, kind, "unproven", "; ".join(filter(None, (unknown, beside))), counts=counts)
    return Look(
        ID, kind, "proven", f"{len(judge.names)} names, all listed; loads without running other code", counts=counts
    )


def _follow(source: Source, kind: str, judge: PickleJudge) -> list[str]:
    """Follow the streams of a file; returns what in it was not read."""
    if kind == "torch (zip)":
        return _zip(source, judge)
    if kind == "zip with pickles":
        return list(zipped.read(source).names)
    if kind == "joblib (zfile)":
        return ["a ZFile of joblib before 0.10"]
    if compressed := kind_of(source.read(0, min(8, source.size))):
        source = Inflated(source, compressed)
    match judge:
        case _streams.TorchJudge():
            _streams.torch_legacy(source, judge)
        case _streams.JoblibJudge():
            _streams.joblib(source, judge)
        case _:
            _streams.plain(source, judge)
    return []


def _zip(source: Source, judge: PickleJudge) -> list[str]:
    archive = zipped.read(source)
    root = torch_layout.root_of(archive)
    if root is None or not isinstance(judge, _streams.TorchJudge):
        return list(archive.names)
    return _streams.torch_zip(source, archive, root, judge, ModelLimits())


_JUDGES: dict[str, Callable[[str], PickleJudge]] = {"torch": _streams.TorchJudge, "joblib": _streams.JoblibJudge}
