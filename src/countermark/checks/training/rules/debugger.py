"""`training/debugger`: a door left open."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_NAMES = ("builtins.breakpoint", "pdb.set_trace", "pdb.post_mortem", "ipdb.*", "debugpy.*", "pydevd.*", "pydevd_pycharm.*", "rpdb.*", "remote_pdb.*", "pudb.*",
          "IPython.embed", "IPython.start_ipython", "builtins.input", "ray.util.rpdb.*", "web_pdb.*")  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_NAMES):
        yield Hit(code, node, f"{name.removeprefix('builtins.')} waits for a person")


RULE = Rule(
    "training/debugger", "low", _find,
    why="a run that a person steers is not the recipe's; some debuggers listen on the network",
    fix="remove it",
    cannot_tell="whether it is reached",
)  # fmt: skip
