"""Inspect model files: every file answered, every check an outcome, the same bytes hashed that were read.

Safe by proof: a file is `proven` only where a reader has accounted for every byte of it. A limit, an
unread format or a dead child is `unproven`, which is never clean and never an accusation.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from countermark.artefact.declared import NOTHING, Declared
from countermark.checks.inspected import exit_code_of, findings_of
from countermark.checks.model import external_data
from countermark.checks.model import files as plain
from countermark.checks.model._check import Answer, Look, look_from_json
from countermark.checks.model._kinds import CHECKS, FORMAT_NAME, LAST
from countermark.checks.model._names import digests
from countermark.errors import FormatRefused, StatementRefused, Unusable
from countermark.finding import Failed, Finding, Found, Measure, Outcome, Passed, Skipped, outcome_to_json
from countermark.formats import source as windows
from countermark.formats.source import FileSource
from countermark.sandbox.confinement import Confinement
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.task import Source

_EVERY_FILE = (plain.ID, FORMAT_NAME.id)
_TASK = "countermark.checks.model._look:look"
LIMITS = Limits(memory_bytes=512 << 20, cpu_seconds=60, wall_seconds=300)
"""Budget of one file by default."""


class InspectedFile(Source, Protocol):
    """Bytes of one file, with what only the file system knows.

    Attributes:
        links: hard links to it. sha256: hex digest of exactly the bytes that `read` gives.
    """

    @property
    def links(self) -> int:
        """Hard links to it."""
        ...

    @property
    def sha256(self) -> str:
        """Hex digest of its bytes."""
        ...


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What is known of one file.

    Attributes:
        path: relative, forward slashes. format: of the content. answer: see `Answer`. why: one line.
        size: bytes. sha256: hex digest of the bytes that were inspected.
    """

    path: str
    format: str
    answer: Answer
    why: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """JSON object with every field."""
        return {
            "path": self.path, "format": self.format, "answer": self.answer, "why": self.why, "bytes": self.size,
            "sha256": self.sha256,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in all files; the same files give the same inspection.

    Attributes:
        files: one answer each, sorted by path. checks: check id to outcome. confinement: what held the
            child that read them, or None where they were read in this process.
    """

    files: tuple[FileAnswer, ...]
    checks: dict[str, Outcome]
    confinement: Confinement | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, by check and path."""
        return findings_of(self)

    @property
    def exit_code(self) -> int:
        """1 something is refused; 3 something could not be proven, or nothing was there to prove; else 0."""
        return exit_code_of(self)

    def to_json(self) -> dict[str, Any]:
        """As it stands in an inspection statement; how the child was confined is not part of it."""
        return {
            "checks": {
                name: outcome_to_json(outcome) | {"version": CHECKS[name], "code": code_digest()}
                for name, outcome in self.checks.items()
            },
            "files": [answer.to_json() for answer in self.files],
            "lists": digests(),
        }


@cache
def code_digest() -> str:
    """Hex SHA-256 over the source of these checks, of the readers they use, and of the lists of names."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(windows.__file__).parent):
        for place in sorted((*folder.rglob("*.py"), *folder.rglob("*.names"))):
            name = place.relative_to(folder).as_posix().encode()
            digest.update(hashlib.sha256(name + b"\0" + place.read_bytes()).digest())
    return digest.hexdigest()


Progress = Callable[[int, int], None]
"""Told (files done, bytes done)."""


def inspect_path(
    path: Path, *, limits: Limits = LIMITS, confined: bool = True, progress: Progress | None = None
) -> Inspection:
    """Inspect a file, or every file of a folder.

    Each file is read and hashed once; windows that a reader asks for later must hash as they did then.

    Raises:
        Unusable: it is not there, or cannot be read.
    """
    if not os.path.lexists(path):
        raise Unusable(f"{path} is not there", mend="name an existing file or folder")
    found, odd = plain.walk(path)
    return inspect_files(_opened(found, progress), limits=limits, confined=confined, odd=odd)


def inspect_files(
    files: Iterable[tuple[str, InspectedFile]],
    *,
    limits: Limits = LIMITS,
    confined: bool = True,
    odd: Iterable[Finding] = (),
    declared: Declared = NOTHING,
) -> Inspection:
    """Inspect files that somebody else has opened.

    Args:
        files: relative path with forward slashes, and its bytes; a source must stay readable to the end.
        limits: budget of one file. confined: read them in a confined child, not in this process.
        odd: findings about entries that are no files. declared: by the model's recipe, whose signature the caller verified.
    """
    inspector = _Inspector(limits, confined, declared)
    seen: dict[str, tuple[InspectedFile, Look]] = {}
    try:
        for path, source in files:
            seen[path] = (source, inspector.look(path, source))
    finally:
        inspector.close()
    settled = external_data.settle({path: (source, source.links, look) for path, (source, look) in seen.items()})
    looks = [settled[path] for path in sorted(settled)]
    answers = tuple(
        FileAnswer(path, look.format, look.answer, look.why, seen[path][0].size, seen[path][0].sha256)
        for path, look in sorted(settled.items())
    )
    return Inspection(answers, _outcomes(answers, looks, tuple(odd), inspector.died), inspector.confinement)


class _Inspector:
    """One child for all files; a file that kills it costs only itself."""

    def __init__(self, limits: Limits, confined: bool, declared: Declared) -> None:
        self._declared = declared
        self._limits = limits
        self._confined = confined
        self._child: Child | None = None
        self.confinement: Confinement | None = None
        self.died: list[str] = []

    def look(self, path: str, source: Source) -> Look:
        if not self._confined:
            from countermark.checks.model._look import look_at

            return look_at(path, source, declared=self._declared)
        if self._child is None or not self._child.alive:
            self.close()
            self._child = Child(self._limits)
            self.confinement = self._child.confinement
        request = {"path": path, "declared": self._declared.to_json()}
        try:
            return look_from_json(self._child.ask(_TASK, request, sources=[source]).json)
        except (BudgetExceeded, FormatRefused) as error:
            return Look(LAST.id, "unknown", "unproven", error.what)
        except (ChildFailed, StatementRefused) as error:
            self.close()
            self.died.append(path)
            return Look(LAST.id, "unknown", "unproven", f"{error.what}: {error.why}")

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _outcomes(
    answers: tuple[FileAnswer, ...], looks: list[Look], odd: tuple[Finding, ...], died: list[str]
) -> dict[str, Outcome]:
    findings = [*odd, *(finding for look in looks for finding in look.findings)]
    out: dict[str, Outcome] = {}
    for check in sorted(CHECKS.keys() - {LAST.id}):
        mine = tuple(f for f in findings if f.check == check)
        pairs = list(zip(answers, looks, strict=True))
        own = pairs if check in _EVERY_FILE else [pair for pair in pairs if pair[1].check == check]
        measures = (
            Measure("files", len(own)),
            Measure("bytes accounted for", sum(a.size for a, _ in own if a.answer == "proven"), "B"),
        )
        out[check] = Found(mine, measures) if mine else Passed(measures)
    out[LAST.id] = _coverage(answers, died)
    return dict(sorted(out.items()))


def _coverage(answers: tuple[FileAnswer, ...], died: list[str]) -> Outcome:
    count = {
        word: sum(a.answer == word for a in answers) for word in ("proven", "refused", "unproven", "not model content")
    }
    measures = tuple(Measure(f"files {word}", number) for word, number in count.items())
    if died:
        return Failed(f"the reader died on {', '.join(died[:5])}", measures)
    if count["unproven"]:
        first = [f"{a.path} ({a.why})" for a in answers if a.answer == "unproven"][:5]
        return Skipped(f"{count['unproven']} files could not be proven: {'; '.join(first)}", measures)
    if not count["proven"] and not count["refused"]:
        return Skipped("no model file is here", measures)
    return Passed(measures)


def _opened(found: list[tuple[str, Path]], progress: Progress | None) -> Iterator[tuple[str, FileSource]]:
    size = 0
    for done, (relative, place) in enumerate(found):

        def read(window: bytes, done: int = done) -> None:
            nonlocal size
            size += len(window)
            if progress:
                progress(done, size)

        source = FileSource(place, read)
        yield relative, source
        source.release()
