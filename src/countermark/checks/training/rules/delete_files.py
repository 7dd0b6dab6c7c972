"""`training/delete-files`: a run does not remove what it did not make."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_NAMES = (
    "shutil.rmtree",
    "os.remove",
    "os.unlink",
    "os.rmdir",
    "os.removedirs",
    "*.unlink",
    "*.rmdir",
    "os.truncate",
    "send2trash.send2trash",
)


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls(*_NAMES):
        yield Hit(call.code, call.node, f"{call.shown} removes files")


RULE = Rule(
    "training/delete-files", "low", _find,
    why="evidence can be removed by the run that it is about",
    fix="leave files alone; the stage of a run is thrown away as a whole",
    cannot_tell="which files, and whether the run made them",
)  # fmt: skip
