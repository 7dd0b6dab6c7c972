"""`model/pickle`: what a pickle names and calls, told by an abstract machine that builds nothing.

Proven is what names only classes and functions of the lists, each in a listed role with arguments of a listed shape, in a
container whose every part is accounted for.
"""

from __future__ import annotations

from countermark.checks.model import _joblib, _torch, _torchscript
from countermark.checks.model._check import Look, ModelFile, refused
from countermark.checks.model._judge import PickleJudge
from countermark.checks.model._streams import content
from countermark.formats import pickled, torch_layout, zipped
from countermark.formats.inflated import Inflated, kind_of, zfile
from countermark.formats.limits import Malformed
from countermark.sandbox.task import Source

ID = "model/pickle"
_CANNOT_TELL = "what the code would do; it was not run"
_FEW = 5


def looks_at(file: ModelFile) -> bool:
    """A pickle by its opcodes, plain or compressed, or a torch archive."""
    try:
        return bool(pickled.recognise(file.source))
    except Malformed:
        return False


def look(file: ModelFile) -> Look:
    """Follow every stream in it."""
    kind = pickled.recognise(file.source) or "pickle"
    archive = root = None
    if kind == "torch (zip)":
        try:
            archive = zipped.read(file.source)
        except Malformed as error:
            return refused(ID, kind, file, error, cannot_tell=_CANNOT_TELL)
        root = torch_layout.root_of(archive)
        kind = "torchscript" if f"{root}constants.pkl" in archive.names else kind
    judge = _judge(kind, file.path)
    judge.declared = file.declared.pairs()
    try:
        left = list(archive.names) if archive and root is None else _follow(file.source, judge, archive, root or "")
        beside = _beside(file, archive, left) if archive else []
    except Malformed as error:
        return _cut_short(file, kind, judge, error)
    kind = _with_arrays(kind, judge)
    findings = (*judge.findings, *(finding for _, said in beside for finding in said.findings))
    if findings:
        return Look(ID, kind, "refused", findings[0].what, findings)
    return _answer(kind, judge, [name for name, said in beside if said.answer == "unproven"] if archive else left)


def _with_arrays(kind: str, judge: PickleJudge) -> str:
    """Joblib's own layout shows where its first array does, which may lie far behind the beginning of the file."""
    if not isinstance(judge, _joblib.JoblibJudge) or not judge.wrapped or kind.startswith("joblib"):
        return kind
    return f"joblib ({kind.partition(' ')[0]})" if " " in kind else "joblib"


def _beside(file: ModelFile, archive: zipped.Archive, left: list[str]) -> list[tuple[str, Look]]:
    """Members that are no part of the layout, looked at as files of their own."""
    out = []
    for member in archive.members:
        if member.name in left and file.inside is not None:
            out.append((member.name, file.inside(f"{file.path}!{member.name}", content(file.source, member))))
        elif member.name in left:
            out.append((member.name, Look(ID, "member", "unproven")))
    return out


def _judge(kind: str, path: str) -> PickleJudge:
    if kind == "torchscript":
        return _torchscript.TorchScriptJudge(path)
    if kind.startswith("torch"):
        return _torch.TorchJudge(path)
    return _joblib.JoblibJudge(path)


def _cut_short(file: ModelFile, kind: str, judge: PickleJudge, error: Malformed) -> Look:
    """What was found before a stream broke stays found."""
    said = refused(ID, kind, file, error, cannot_tell=_CANNOT_TELL)
    if not judge.findings:
        return said
    return Look(ID, kind, "refused", judge.findings[0].what, (*judge.findings, *said.findings))


def _follow(source: Source, judge: PickleJudge, archive: zipped.Archive | None, root: str) -> list[str]:
    """Follow the streams of a file; returns what in it was not read."""
    if archive is not None and isinstance(judge, _torchscript.TorchScriptJudge):
        return _torchscript.follow_archive(source, archive, root, judge)
    if archive is not None and isinstance(judge, _torch.TorchJudge):
        return _torch.torch_zip(source, archive, root, judge)
    head = source.read(0, min(8, source.size))
    if head[:2] == b"ZF":
        source = zfile(source)
    elif compressed := kind_of(head):
        source = Inflated(source, compressed)
    if isinstance(judge, _torch.TorchJudge):
        _torch.torch_legacy(source, judge)
    elif isinstance(judge, _joblib.JoblibJudge):
        _joblib.follow_all(source, judge)
    return []


def _answer(kind: str, judge: PickleJudge, left: list[str]) -> Look:
    counts = (("names", len(judge.names)), ("names of no list", len(judge.doubts)))
    operators = judge.unlisted if isinstance(judge, _torchscript.TorchScriptJudge) else {}
    beside = judge.beside if isinstance(judge, _joblib.JoblibJudge) else []
    reasons = [
        f"names {', '.join(list(judge.doubts)[:_FEW])}, which no list has" if judge.doubts else "",
        f"uses the operators {', '.join(list(operators)[:_FEW])}, which no list has" if operators else "",
        f"reads {len(beside)} arrays from files beside it: {', '.join(beside[:_FEW])}" if beside else "",
        f"{len(left)} members that are not read: {', '.join(sorted(left)[:_FEW])}" if left else "",
    ]
    if any(reasons):
        return Look(ID, kind, "unproven", "; ".join(filter(None, reasons)), counts=counts)
    by_recipe = f" or declared by its recipe ({', '.join(sorted(judge.by_recipe)[:_FEW])})" if judge.by_recipe else ""
    why = f"{len(judge.names)} names, all listed{by_recipe}; loads without running other code"
    return Look(ID, kind, "proven", why, counts=counts)
