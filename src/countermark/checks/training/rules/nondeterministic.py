"""`training/nondeterministic`: settings that let the same seed give other numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import ABSENT, Program
from countermark.checks.training._rule import Hit, Rule

_FLAGS = {"torch.backends.cudnn.benchmark": True, "torch.backends.cudnn.deterministic": False}


def _find(program: Program) -> Iterator[Hit]:
    for code, node in program.nodes(ast.Assign):
        for target in node.targets:
            bad = next((_FLAGS[n] for n in code.names.of(target) if n in _FLAGS), None)
            if bad is not None and code.names.value(node.value) is bad:
                yield Hit(code, node, f"{ast.unparse(target)} = {bad}")
    for call in program.calls("torch.use_deterministic_algorithms"):
        if call.value("mode", 0) is False:
            yield Hit(call.code, call.node, "torch.use_deterministic_algorithms(False)")
    for call in program.calls("torch.utils.data.DataLoader"):
        workers = call.value("num_workers", 5)
        if (
            isinstance(workers, int)
            and workers > 0
            and call.value("worker_init_fn", 9) is ABSENT
            and call.value("generator") is ABSENT
        ):
            yield Hit(call.code, call.node, "DataLoader workers without a generator or worker_init_fn")


RULE = Rule(
    "training/nondeterministic", "low", _find,
    why="a second run differs a little, and then nobody can tell chance from a changed model",
    fix="torch.use_deterministic_algorithms(True), a seeded generator for loaders",
    cannot_tell="which kernels the machine's libraries choose",
)  # fmt: skip
