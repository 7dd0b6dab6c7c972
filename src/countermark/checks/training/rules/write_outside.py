"""`training/write-outside`: a run writes into its output folder and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath

from countermark.checks.training._constants import Value
from countermark.checks.training._program import ABSENT, Call, Code, Program
from countermark.checks.training._rule import Hit, Rule

_FIRST = ("torch.save", "numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.savetxt", "os.mkdir", "os.makedirs", "onnx.save",
          "onnx.save_model", "*.write_text", "*.write_bytes", "*.to_csv", "*.to_parquet", "*.savefig", "*.save_pretrained")  # fmt: skip
_PLACES = {"torch.save": 1, "onnx.save": 1, "onnx.save_model": 1, "joblib.dump": 1, "shutil.copy": 1, "shutil.copyfile": 1, "shutil.copy2": 1,
           "shutil.copytree": 1, "shutil.move": 1, "os.rename": 1, "os.replace": 1, "os.symlink": 1, "os.link": 1}  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls("builtins.open", "gzip.open", "bz2.open", "lzma.open", "os.open"):
        mode = call.value("mode", 1)
        if isinstance(mode, str) and set(mode) & set("wax+"):
            yield from _judged(program, call, call.value("file", 0))
    for call in program.calls(*_FIRST, *_PLACES):
        if call.name.endswith((".write_text", ".write_bytes")):
            yield from _judged(program, call, _path(call.code, call.node.func))
        else:
            yield from _judged(program, call, call.value("path", _PLACES.get(call.name, 0)))


def _path(code: Code, method: ast.expr) -> Value:
    """The text of ``Path("...")`` in front of a method."""
    owner = method.value if isinstance(method, ast.Attribute) else None
    made = (
        isinstance(owner, ast.Call) and owner.args and code.names.of(owner.func) & {"pathlib.Path", "pathlib.PosixPath"}
    )
    return code.names.value(owner.args[0]) if made and isinstance(owner, ast.Call) else ABSENT


def _judged(program: Program, call: Call, path: Value) -> Iterator[Hit]:
    if isinstance(path, str) and (why := _outside(path, program.output)):
        yield Hit(call.code, call.node, f"{call.shown} writes {path[:80]!r}: {why}")


def _outside(path: str, output: str) -> str:
    place = PurePosixPath(path)
    if place.is_absolute() or PureWindowsPath(path).is_absolute():
        return "an absolute path"
    if path.startswith("~") or ".." in place.parts:
        return "outside the recipe's folder"
    return f"not in {output}/" if output and not place.is_relative_to(output) else ""


RULE = Rule(
    "training/write-outside", "medium", _find,
    why="what lies outside the output folder is neither digested nor signed, and outlives the run",
    fix="write below the output folder that the recipe names",
    cannot_tell="paths that are computed; the sandbox refuses them at run time",
    bandit=("B108",),
)  # fmt: skip
