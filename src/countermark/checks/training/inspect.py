"""Inspect a recipe: its code, notebooks, settings and lock, read in a confined child and never executed.

What cannot be read is `unproven`, which is never clean. Comments change nothing: a rule that does not apply is waived by signature.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from countermark.artefact import recipe as recipes
from countermark.checks.inspected import exit_code_of, findings_of
from countermark.checks.model.files import walk
from countermark.checks.training import lock, notebook, settings
from countermark.checks.training._look import look_at
from countermark.checks.training.recipe_files import RECIPE, is_lock
from countermark.checks.training.rules import RULES
from countermark.errors import StatementRefused, Unusable
from countermark.finding import (
    Failed,
    Finding,
    Found,
    Measure,
    Outcome,
    Passed,
    Skipped,
    Where,
    finding_from_json,
    outcome_to_json,
    text,
)
from countermark.formats.source import Memory
from countermark.sandbox.confinement import Confinement
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import Child

COVERAGE = "training/coverage"
CHECKS: dict[str, int] = {rule.id: rule.version for rule in RULES} | {
    COVERAGE: 1, lock.ID: lock.VERSION, notebook.ID: notebook.VERSION, settings.ID: settings.VERSION,
}  # fmt: skip
"""Check id to version, of everything that an inspection of a recipe reports."""
LIMITS = Limits(memory_bytes=1 << 30, cpu_seconds=120, wall_seconds=300)
MAX_FILE_BYTES, MAX_BYTES, MAX_FILES = 32 << 20, 64 << 20, 5000
"""A file of code larger than that is data: it belongs among the inputs."""
_ANSWERS = ("proven", "refused", "unproven", "not code")
_TASK = "countermark.checks.training._look:look"


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What is known of one file: `answer` is proven, refused, unproven or not code."""

    path: str
    answer: str
    why: str
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """JSON object with every field."""
        return {
            "path": self.path, "answer": self.answer, "why": self.why, "bytes": self.size, "sha256": self.sha256,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecipeInspection:
    """What was found in a recipe; the same files give the same inspection.

    Attributes:
        files: one answer each, sorted by path. checks: check id to outcome. recipe: SHA-256 hex of recipe.toml, or "".
        confinement: what held the child that read them, or None where they were read in this process.
    """

    files: tuple[FileAnswer, ...]
    checks: dict[str, Outcome]
    recipe: str = ""
    confinement: Confinement | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, by check, file and line."""
        return findings_of(self)

    @property
    def exit_code(self) -> int:
        """1 a rule is broken; 3 something could not be read, or nothing was there; else 0."""
        return exit_code_of(self)

    def to_json(self) -> dict[str, Any]:
        """As it stands in an inspection statement; how the child was confined is not part of it."""
        return {
            "checks": {
                name: outcome_to_json(outcome) | {"version": CHECKS[name], "code": code_digest()}
                for name, outcome in self.checks.items()
            },
            "files": [answer.to_json() for answer in self.files],
        }


@cache
def code_digest() -> str:
    """Hex SHA-256 over the source of these checks."""
    digest = hashlib.sha256()
    for place in sorted(Path(__file__).parent.rglob("*.py")):
        name = place.relative_to(Path(__file__).parent).as_posix()
        digest.update(hashlib.sha256(name.encode() + b"\0" + place.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Collected:
    """A recipe's files in memory, exactly as they will be read.

    Attributes:
        files: path to bytes. large: path to size of what is too large for code. odd: links and devices.
        recipe: None where no recipe.toml is there. lock: path of the lock, or "".
    """

    files: dict[str, bytes]
    large: dict[str, int]
    odd: tuple[Finding, ...]
    recipe: recipes.Recipe | None
    lock: str


def collect(path: Path) -> Collected:
    """Read a recipe's files: itself, its code and its lock; where no recipe.toml is there, all.

    Args:
        path: folder, recipe.toml, or one file.

    Raises:
        Unusable: it is not there, or cannot be read. StatementRefused, TreeRefused: its recipe.toml does not hold.
    """
    if not os.path.lexists(path):
        raise Unusable(f"{path} is not there", mend="name an existing file or folder")
    home = path.parent if path.name == RECIPE else path
    recipe = recipes.parse(_bytes(home / RECIPE)) if (home / RECIPE).is_file() else None
    places, odd = _of_recipe(home, recipe) if recipe else walk(path)
    files, large = _read(places)
    locked = (recipe.lock or "") if recipe else next((p for p in files if is_lock(p)), "")
    return Collected(files, large, tuple(odd), recipe, locked)


def inspect_recipe(
    seen: Collected, *, installed: Mapping[str, str] | None = None, confined: bool = True, limits: Limits = LIMITS
) -> RecipeInspection:
    """Inspect a recipe, or code that no recipe names.

    Args:
        installed: package name -> version, of the environment that trained. confined: read in a confined child.
    """
    request = {
        "paths": list(seen.files), "output": seen.recipe.output if seen.recipe else "", "lock": seen.lock,
        "installed": {lock.normalised(name): version for name, version in (installed or {}).items()},
    }  # fmt: skip
    said, confinement, died = _asked(seen.files, request, limits, confined)
    findings = [*_odd(seen.odd), *_no_lock(seen.recipe), *(finding_from_json(f) for f in said["findings"])]
    answers = _answers(seen.files, said["files"], seen.large)
    digest = seen.recipe.digest if seen.recipe else ""
    return RecipeInspection(answers, _outcomes(answers, findings, died), digest, confinement)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from error


def _of_recipe(home: Path, recipe: recipes.Recipe) -> tuple[list[tuple[str, Path]], list[Finding]]:
    """The files that a recipe is made of: itself, its code, its lock."""
    out, odd = {RECIPE: home / RECIPE}, []
    for name in (*recipe.code, *([recipe.lock] if recipe.lock else [])):
        if not os.path.lexists(home / name):
            raise Unusable(
                f"{home / name} is not there", why="the recipe names it", mend="bring it, or mend recipe.toml"
            )
        files, strange = walk(home / name)
        inside = (home / name).is_dir() and not (home / name).is_symlink()
        out |= {f"{name}/{p}" if inside else name: place for p, place in files}
        odd += strange
    return sorted(out.items()), odd


def _read(places: list[tuple[str, Path]]) -> tuple[dict[str, bytes], dict[str, int]]:
    """Bytes of every file that is small enough to be code, and the sizes of the others."""
    files: dict[str, bytes] = {}
    large: dict[str, int] = {}
    total = 0
    for name, place in places:
        size = place.stat().st_size
        total += size
        if size > MAX_FILE_BYTES or total > MAX_BYTES or len(files) >= MAX_FILES:
            large[name] = size
        else:
            files[name] = _bytes(place)
    return files, large


def _asked(
    files: dict[str, bytes], request: dict[str, Any], limits: Limits, confined: bool
) -> tuple[dict[str, Any], Confinement | None, str]:
    """What the reader says, what held it, and how it died, if it did."""
    if not confined:
        return look_at(files, request["output"], request["lock"], request["installed"]), None, ""
    try:
        with Child(limits) as child:
            said = child.ask(_TASK, request, sources=[Memory(data) for data in files.values()]).json
            _checked(said)
            return said, child.confinement, ""
    except (BudgetExceeded, ChildFailed, StatementRefused) as error:
        return {"files": {}, "findings": []}, None, f"{error.what}: {error.why}"


def _checked(said: dict[str, Any]) -> None:
    """
    Raises:
        StatementRefused: a field is missing or has another type.
    """
    try:
        for answer, why in said["files"].values():
            if text(answer) not in _ANSWERS:
                raise ValueError(f"answer {answer!r}")
            text(why)
        for finding in said["findings"]:
            if finding_from_json(finding).check not in CHECKS:
                raise ValueError("a finding of no check")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StatementRefused("a confined child answered malformed", why=str(error)) from error


def _answers(files: dict[str, bytes], said: dict[str, list[str]], large: dict[str, int]) -> tuple[FileAnswer, ...]:
    read = [
        FileAnswer(path, answer, why, len(data), hashlib.sha256(data).hexdigest())
        for path, data in files.items()
        for answer, why in [said.get(path) or ("unproven", "the reader did not come to it")]
    ]
    left = [
        FileAnswer(path, "unproven", "too large for code: bring data as an input", size, "")
        for path, size in large.items()
    ]
    return tuple(sorted((*read, *left), key=lambda a: a.path))


def _odd(found: tuple[Finding, ...]) -> list[Finding]:
    """Links and devices, as a finding of this room."""
    return [
        Finding(
            COVERAGE,
            f.rule,
            f.severity,
            f.confidence,
            f.what,
            f.where,
            "code would be read from elsewhere",
            f.fix,
            f.cannot_tell,
        )
        for f in found
    ]


def _no_lock(recipe: recipes.Recipe | None) -> list[Finding]:
    if recipe is None or recipe.lock:
        return []
    return [Finding(
        lock.ID, "no-lock", "medium", 1.0, "the recipe names no lock", Where(path=RECIPE),
        "the same code with other packages trains another model", '[environment]\nlock = "requirements.lock"',
        "which packages the script needs",
    )]  # fmt: skip


def _outcomes(answers: tuple[FileAnswer, ...], findings: list[Finding], died: str) -> dict[str, Outcome]:
    read = sum(a.answer in ("proven", "refused") for a in answers)
    measures = (Measure("files read", read),)
    out: dict[str, Outcome] = {}
    for check in sorted(CHECKS.keys() - {COVERAGE}):
        mine = tuple(f for f in findings if f.check == check)
        out[check] = Found(mine, measures) if mine else Failed(died) if died else Passed(measures)
    out[COVERAGE] = _coverage(answers, [f for f in findings if f.check == COVERAGE], died)
    return dict(sorted(out.items()))


def _coverage(answers: tuple[FileAnswer, ...], odd: list[Finding], died: str) -> Outcome:
    count = {word: sum(a.answer == word for a in answers) for word in _ANSWERS}
    measures = tuple(Measure(f"files {word}", number) for word, number in count.items())
    if odd:
        return Found(tuple(odd), measures)
    if died:
        return Failed(f"the reader died: {died}", measures)
    if count["unproven"]:
        first = [f"{a.path} ({a.why})" for a in answers if a.answer == "unproven"][:5]
        return Skipped(f"{count['unproven']} files could not be read: {'; '.join(first)}", measures)
    if not count["proven"] and not count["refused"]:
        return Skipped("no code is here", measures)
    return Passed(measures)
