"""Judges a TorchScript archive: its classes may stand in its pickles, its code may use listed operators."""

from __future__ import annotations

import re
from functools import cache

from countermark.checks.model import _names
from countermark.checks.model._streams import inflated, plain
from countermark.checks.model._torch import TorchJudge, held, torch_zip
from countermark.formats import torchscript, zipped
from countermark.formats.pickle.values import Name
from countermark.formats.source import Memory
from countermark.sandbox.task import Source

_OWN = re.compile(r"__torch__(?:\.[A-Za-z_]\w*)*")
_CODE, _DEBUG = re.compile(r"code/__torch__(?:/\w+)*\.py"), re.compile(r"code/__torch__(?:/\w+)*\.py\.debug_pkl")
_PICKLES = ("constants", "traced_inputs")
_PART = re.compile(rf"(?:{'|'.join(_PICKLES)})(?:\.pkl|/[0-9]{{1,9}})")
_OWN_CLASS = _names.Entry(frozenset({"newobj", "build", "reduce", "reference"}), "any", "torchscript")
_FILES = {
    "aten::save": "writes a file", "aten::from_file": "maps a file",
    "prim::PythonOp": "calls Python", "prim::IgnoredPythonOp": "calls Python",
    "prim::rpc_async": "calls another machine", "prim::rpc_sync": "calls another machine",
    "prim::rpc_remote": "calls another machine",
}  # fmt: skip
_REFUSED_METHODS = {".save", ".from_file"}
_BUILTINS = frozenset(
    [
        "abs",
        "all",
        "annotate",
        "any",
        "bool",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "format",
        "getattr",
        "hasattr",
        "hash",
        "hex",
        "int",
        "isinstance",
        "len",
        "list",
        "max",
        "min",
        "oct",
        "ord",
        "pow",
        "print",
        "range",
        "reversed",
        "round",
        "sorted",
        "str",
        "sum",
        "tuple",
        "uninitialized",
        "unchecked_cast",
        "zip",
        "device",
    ]
)
"""Functions that the compiler of TorchScript knows by their plain name."""


class TorchScriptJudge(TorchJudge):
    """Knows the classes that an archive's own code defines: its loader makes them, no module of that name is imported.

    Attributes:
        unlisted: operators of no list, with the first place of each.
    """

    def __init__(self, path: str, inside: str = "") -> None:
        super().__init__(path, inside)
        self.unlisted: dict[str, str] = {}

    def name(self, module: str, qualname: str, at: int) -> Name:
        """As `PickleJudge.name`; classes under ``__torch__`` are the archive's own."""
        if _OWN.fullmatch(module) and qualname.isidentifier():
            self.names.setdefault(f"{module}.{qualname}", set())
            return Name(module, qualname, at, _OWN_CLASS)
        return super().name(module, qualname, at)

    def code(self, member: str, source: bytes, at: int) -> None:
        """Compare the operators of one file with the lists.

        Raises:
            Malformed: as `torchscript.uses`.
        """
        for use in torchscript.uses(source):
            if why := _FILES.get(use.name):
                self.refuse("operator", f"{member}, line {use.line}: {use.name} {why}", at, "CVE-2025-32434")
            elif use.name in _REFUSED_METHODS:
                self.refuse(
                    "operator", f"{member}, line {use.line}: calls {use.name[1:]} of a value", at, "CVE-2025-32434"
                )
            elif not (use.name.startswith(".") or use.name in _BUILTINS or use.name in _operators()):
                self.unlisted.setdefault(use.name, f"{member}, line {use.line}")


def follow_archive(source: Source, archive: zipped.Archive, root: str, judge: TorchScriptJudge) -> list[str]:
    """An archive with ``constants.pkl``: its pickles, its storages and its code; returns members that are no part of it.

    Raises:
        Malformed: as `torch_zip` and `torchscript.uses`.
    """
    left, members = [], {m.name[len(root) :]: m for m in archive.members if m.name.startswith(root)}
    for full in sorted(torch_zip(source, archive, root, judge)):
        name = full[len(root) :] if full.startswith(root) else ""
        if _CODE.fullmatch(name):
            judge.code(name, inflated(source, members[name]), members[name].header_at)
        elif _DEBUG.fullmatch(name):
            plain(Memory(inflated(source, members[name])), judge)
        elif not _PART.fullmatch(name):
            left.append(full)
    for part in _PICKLES:
        left += _part(source, members, part, root, judge)
    return left


def _part(
    source: Source, members: dict[str, zipped.Member], part: str, root: str, judge: TorchScriptJudge
) -> list[str]:
    """One pickle beside ``data.pkl``, with storages of its own; those of traced inputs are written empty."""
    storages = {name.rpartition("/")[2]: m for name, m in members.items() if name.startswith(f"{part}/")}
    judge.storages = {}
    if pickle := members.get(f"{part}.pkl"):
        plain(Memory(inflated(source, pickle)), judge)
    empty = {key for key, member in storages.items() if not member.size and part == "traced_inputs"}
    named = {key: storage for key, storage in judge.storages.items() if key not in empty}
    return held({key: m for key, m in storages.items() if key not in empty}, named, f"{root}{part}/")


@cache
def _operators() -> frozenset[str]:
    return frozenset("::".join(row) for row in _names.rows("torchscript.names"))
