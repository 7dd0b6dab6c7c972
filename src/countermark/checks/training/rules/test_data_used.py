"""`training/test-data-used`: a model that has seen its exam."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program
from countermark.checks.training._rule import Hit, Rule

_FITTERS = frozenset({"fit", "partial_fit", "fit_transform", "train_on_batch", "fit_predict"})


def _find(program: Program) -> Iterator[Hit]:
    for code, node in program.nodes(ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _FITTERS:
            name = _test_name(code, node.args)
            if name:
                yield Hit(code, node, f"{node.func.attr}({name}): test data is trained on")


def _test_name(code: Code, arguments: list[ast.expr]) -> str:
    for argument in arguments[:2]:
        text = argument.id if isinstance(argument, ast.Name) else ""
        words = text.lower().split("_")
        if text.lower() in ("xtest", "ytest") or (
            ("test" in words or "holdout" in words) and not {"train", "trainval"} & set(words)
        ):
            return text
    return ""


RULE = Rule(
    "training/test-data-used", "medium", _find,
    why="its accuracy says nothing then, and the release rests on it",
    fix="fit on the training rows only",
    cannot_tell="data under other names; `data/duplicates` compares the rows",
)  # fmt: skip
