"""Runs in the confined child: find the check whose business a file is, and let it look."""

from __future__ import annotations

from functools import partial

from countermark.artefact.declared import NOTHING, Declared
from countermark.checks.model import format_name
from countermark.checks.model._check import HEAD, Check, Look, ModelFile
from countermark.checks.model._kinds import BY_CONTENT, LAST
from countermark.formats.source import Buffered
from countermark.sandbox.task import Answer, Job, Source, task

DEEPEST = 4


@task
def look(job: Job) -> Answer:
    """Look at one file. Request: ``path``, ``declared``. Source: the file."""
    declared = Declared.from_json(job.request["declared"])
    return Answer(look_at(job.request["path"], job.sources[0], declared=declared).to_json())


def look_at(path: str, source: Source, depth: int = 0, declared: Declared = NOTHING) -> Look:
    """Look at one file in this process.

    Args:
        path: relative, forward slashes. source: its bytes. depth: of archives within archives that it lies in.
        declared: what the model's recipe lets it contain beyond the lists.
    """
    buffered = Buffered(source)
    inside = partial(look_at, depth=depth + 1, declared=declared) if depth < DEEPEST else None
    file = ModelFile(path, buffered, buffered.read(0, min(HEAD, buffered.size)), inside, declared)
    said = _by_content(file).look(file)
    if said.format == "unknown" and said.check != LAST.id:
        said = LAST.load().look(file)  # a check that found a file to be none of its business
    if said.format in ("unknown", "text"):
        by_name = next((kind for kind in BY_CONTENT if file.extension in kind.extensions), None)
        said = by_name.load().look(file) if by_name else said
    return _with_name(file, said)


def _by_content(file: ModelFile) -> Check:
    checks = (kind.load() for kind in BY_CONTENT if kind.may(file))
    return next(check for check in checks if check.looks_at(file))


def _with_name(file: ModelFile, said: Look) -> Look:
    """Add what the name claims falsely, and what else the bytes are."""
    lies = format_name.compare(file, said.format)
    if said.answer == "proven":
        lies += format_name.second_meaning(file, said.format)
    if not lies:
        return said
    return Look(
        said.check,
        said.format,
        "refused",
        f"{lies[0].what}; {said.why}",
        (*said.findings, *lies),
        said.claims,
        said.counts,
    )
