"""`training/temporary-name`: a name in a shared folder that somebody else can take first."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_SHARED = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108  (looked for, not written to)


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references("tempfile.mktemp", "os.tempnam", "os.tmpnam"):
        yield Hit(code, node, f"{name} names a file that does not exist yet")
    for code, text in program.nodes(ast.Constant):
        if isinstance(text.value, str) and text.value.startswith(_SHARED):
            yield Hit(code, text, f"a fixed name in a shared folder: {text.value[:60]!r}")


RULE = Rule(
    "training/temporary-name", "low", _find,
    why="another user of the machine can put a file there first, and the run reads it",
    fix="tempfile.TemporaryDirectory()",
    cannot_tell="who else uses the machine",
    bandit=("B108", "B306"),
)  # fmt: skip
