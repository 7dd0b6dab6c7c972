"""Runs in the confined child: reads all files of a recipe, because a seed in one settles the others."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from countermark.checks.training import lock, notebook, settings
from countermark.checks.training._program import Code, Program, parse
from countermark.checks.training.rules import RULES
from countermark.finding import Finding
from countermark.formats.limits import Malformed
from countermark.sandbox.task import Answer, Job, task

CODE, NOTEBOOKS = frozenset({"py", "pyw"}), frozenset({"ipynb"})
_READ_ONLY = frozenset({"md", "rst", "txt", "license", "gitignore", "gitattributes", "csv", "png", "svg", "jpg", "pdf"})


@dataclass(slots=True)
class _Seen:
    """What was made of the files so far: path to (answer, why), and the rest of what is said."""

    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    code: list[Code] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lock: lock.Lock | None = None


@task
def look(job: Job) -> Answer:
    """Look at a recipe. Request: ``paths``, one for each source; ``output``, ``lock``, ``installed``."""
    sources = {p: s.read(0, s.size) for p, s in zip(job.request["paths"], job.sources, strict=True)}
    return Answer(look_at(sources, job.request["output"], job.request["lock"], job.request["installed"]))


def look_at(files: dict[str, bytes], output: str, locked: str, installed: dict[str, str]) -> dict[str, Any]:
    """Look at a recipe's files in this process.

    Args:
        output: folder that the script may write, or "". locked: path of the lock, or "". installed: as in `lock.differing`.

    Returns:
        JSON object: ``files``, path to [answer, why]; ``findings``.
    """
    seen = _Seen()
    for path, data in files.items():
        try:
            seen.answers[path] = _one(seen, path, data, path == locked)
        except Malformed as error:
            seen.answers[path] = ("unproven", error.what)
    program = Program(tuple(seen.code), output)
    findings = [*seen.findings, *(f for rule in RULES for f in rule.findings(program)), *_locked(seen, installed)]
    for finding in findings:
        seen.answers[finding.where.path] = ("refused", finding.what)
    return {"files": {p: list(a) for p, a in seen.answers.items()}, "findings": [f.to_json() for f in findings]}


def _one(seen: _Seen, path: str, data: bytes, is_lock: bool) -> tuple[str, str]:
    extension = path.rpartition("/")[2].rpartition(".")[2].lower()
    if is_lock:
        seen.lock = lock.read(path, data)
        seen.findings += seen.lock.findings
        return "proven", f"{len(seen.lock.pins)} packages pinned"
    if extension in CODE:
        seen.code.append(parse(path, _decoded(data)))
        return "proven", "read as Python"
    if extension in NOTEBOOKS:
        code, findings = notebook.read(path, data)
        seen.code.append(code)
        seen.findings += findings
        return "proven", "read as a notebook"
    if extension in settings.EXTENSIONS:
        seen.findings += settings.read(path, data)
        return "proven", "read as settings"
    if extension in _READ_ONLY:
        return "not code", "nothing runs it"
    return "unproven", f"no reader here for .{extension[:20]}"


def _decoded(data: bytes) -> str:
    """Source text by PEP 263: UTF-8, or as its first lines declare.

    Raises:
        Malformed: another encoding, in which other text may hide.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Encoded("encoding", f"no UTF-8 (byte {error.start})") from error


class _Encoded(Malformed):
    """Text in an encoding that is not read here."""

    answer = "unproven"


def _locked(seen: _Seen, installed: dict[str, str]) -> Iterable[Finding]:
    if seen.lock is None:
        return ()
    own = {part.removesuffix(".py") for path in seen.answers for part in path.split("/")}
    found = [*lock.unlocked(seen.lock, _imports(seen.code), own)]
    return [*found, *lock.differing(seen.lock, installed)] if installed else found


def _imports(code: Iterable[Code]) -> list[tuple[str, str, int]]:
    out = []
    for one in code:
        for node in one.nodes:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            out += [(name.partition(".")[0], one.path, node.lineno) for name in names if isinstance(node, ast.stmt)]
    return out
