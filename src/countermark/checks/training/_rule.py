"""What a rule about training code is, and what it says of one place."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from countermark.checks.training._program import Code, Program
from countermark.finding import Finding, Severity, Where


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that breaks a rule: the file, the piece of syntax, and what it does there in one line."""

    code: Code
    node: ast.AST
    what: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: ``training/NAME``. version: raised whenever it finds other things than before. severity: how bad it is if true.
        find: all places of a program that break it. why: what could happen. fix: the mend. cannot_tell: what it does not see.
        bandit: ids of bandit's rules about the same thing.
    """

    id: str
    severity: Severity
    find: Callable[[Program], Iterable[Hit]]
    why: str
    fix: str
    cannot_tell: str
    bandit: tuple[str, ...] = ()
    version: int = 1

    def findings(self, program: Program) -> list[Finding]:
        """All findings, in the order of files and lines."""
        hits = sorted(self.find(program), key=lambda h: (h.code.path, _line(h.node), h.what))
        return [self._finding(hit) for hit in hits]

    def _finding(self, hit: Hit) -> Finding:
        line = _line(hit.node)
        seen = hit.code.lines[line - 1] if 0 < line <= len(hit.code.lines) else f"line {line}"
        return Finding(
            self.id, self.id.partition("/")[2], self.severity, 0.9, f"{hit.what} ({seen})",
            Where(path=hit.code.path, line=line), self.why, self.fix, self.cannot_tell,
        )  # fmt: skip


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 1))
