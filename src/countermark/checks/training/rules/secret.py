"""`training/secret`: keys and passwords in code reach whoever gets the recipe."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from countermark.checks.training._program import Code, Program
from countermark.checks.training._rule import Hit, Rule

_SHAPES = {
    "an AWS key": r"(?:AKIA|ASIA)[0-9A-Z]{16}", "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}", "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{36,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----", "a Slack token": r"xox[abprs]-[A-Za-z0-9-]{10,}",
    "a Google key": r"AIza[0-9A-Za-z_-]{35}", "an OpenAI key": r"sk-(?:proj-)?[A-Za-z0-9_-]{32,}", "a password in an address": r"://[^/\s:@]+:[^/\s:@]{3,}@",
}  # fmt: skip
_PATTERNS = {what: re.compile(shape) for what, shape in _SHAPES.items()}
_NAMES = re.compile(r"(?i)(^|_)(password|passwd|pwd|secret|api_?key|auth_?token|access_?key|token)$")
_PLACEHOLDERS = re.compile(
    r"(?i)^$|^[<{$%].*|.*(example|changeme|your|xxx|dummy|placeholder|none|todo).*|^(tok|test|auto|bearer|basic)$"
)


def _find(program: Program) -> Iterator[Hit]:
    for code, text in program.nodes(ast.Constant):
        seen = text.value[: 1 << 14] if isinstance(text.value, str) else ""
        kind = next((what for what, shape in _PATTERNS.items() if shape.search(seen)), None)
        if kind:
            yield Hit(code, text, f"{kind} stands in the code")
    for code, given in program.nodes(ast.Assign, ast.keyword):
        yield from _named(code, given)


def _named(code: Code, node: ast.AST) -> Iterator[Hit]:
    """``password = "..."``, as a variable or as a parameter."""
    pairs: list[tuple[str, ast.expr]] = []
    if isinstance(node, ast.Assign):
        pairs = [(t.id, node.value) for t in node.targets if isinstance(t, ast.Name)]
    elif isinstance(node, ast.keyword) and node.arg:
        pairs = [(node.arg, node.value)]
    for name, value in pairs:
        text = value.value if isinstance(value, ast.Constant) else None
        if (
            isinstance(text, str)
            and len(text) >= 8
            and _NAMES.search(name)
            and not _PLACEHOLDERS.match(text)
            and " " not in text
        ):
            yield Hit(code, node, f"{name} is written out")


RULE = Rule(
    "training/secret", "high", _find,
    why="a recipe travels to reviewers and auditors, and its digest stays in the ledger: the secret cannot be called back",
    fix="a hermetic run needs no secret; change this one, it is known now",
    cannot_tell="secrets without a known shape or a telling name",
    bandit=("B105", "B106", "B107"),
)  # fmt: skip
