"""What a check of model files is given and what it says about one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from countermark.artefact.declared import NOTHING, Declared
from countermark.errors import StatementRefused
from countermark.finding import Finding, Where, finding_from_json, natural, text
from countermark.formats.limits import Malformed
from countermark.sandbox.task import Source

Answer = Literal["proven", "refused", "unproven", "not model content"]
HEAD = 1 << 12


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file as a check sees it.

    Attributes:
        path: relative, with forward slashes; of a member ``archive!member``. source: its bytes. head: the first 4 KiB of
        them. inside: looks at a file that lies in this one, by path and source; None where they lie too deep already.
        declared: what the model's recipe lets it contain beyond the lists.
    """

    path: str
    source: Source
    head: bytes
    inside: Callable[[str, Source], Look] | None = None
    declared: Declared = NOTHING

    @property
    def extension(self) -> str:
        """Lower case, without the dot; empty where the name has none."""
        name = self.path.rpartition("!")[2].rpartition("/")[2]
        return name.rpartition(".")[2].lower() if "." in name.lstrip(".") else ""


class Check(Protocol):
    """A check of one format: which files are its business, and what it says of one; `_kinds` tells its version."""

    ID: str

    def looks_at(self, file: ModelFile) -> bool:
        """True where the content is this check's business."""
        ...

    def look(self, file: ModelFile) -> Look:
        """What the whole file is; never raises `Malformed`."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes of another file that this one says are its own: relative path, offset, count, who says so where."""

    path: str
    offset: int
    size: int
    tensor: str
    at: int


@dataclass(frozen=True, slots=True)
class Look:
    """What one check says of one file.

    Attributes:
        check: its id. format: of the content. answer: see `Answer`. why: one line for people.
        findings: what is wrong. claims: bytes of other files. counts: facts for people, name to number.
    """

    check: str
    format: str
    answer: Answer
    why: str = ""
    findings: tuple[Finding, ...] = ()
    claims: tuple[Claim, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it crosses the pipe from the confined child."""
        return {
            "check": self.check, "format": self.format, "answer": self.answer, "why": self.why,
            "findings": [f.to_json() for f in self.findings],
            "claims": [[c.path, c.offset, c.size, c.tensor, c.at] for c in self.claims],
            "counts": [list(pair) for pair in self.counts],
        }  # fmt: skip


def refused(check: str, format: str, file: ModelFile, error: Malformed, *, cannot_tell: str = "") -> Look:
    """A reader's refusal as a look: `refused` with a finding, or `unproven` where it merely stopped."""
    if error.answer == "unproven":
        return Look(check, format, "unproven", error.what)
    where = Where(path=file.path, offset=error.offset)
    found = Finding(
        check, error.rule, "high", 1.0, error.what, where, error.why, error.mend or "do not load this file", cannot_tell
    )
    return Look(check, format, "refused", error.what, (found,))


def look_from_json(value: dict[str, Any]) -> Look:
    """Read what a child said, trusting none of it.

    Raises:
        StatementRefused: a field is missing or has another type.
    """
    try:
        answer = value["answer"]
        if answer not in get_args(Answer):
            raise ValueError(f"answer {answer!r}")
        texts = [text(value[name]) for name in ("check", "format", "why")]
        findings = tuple(finding_from_json(f) for f in value["findings"])
        claims = tuple(Claim(text(p), natural(o), natural(s), text(t), natural(a)) for p, o, s, t, a in value["claims"])
        counts = tuple((text(name), natural(number)) for name, number in value["counts"])
    except (KeyError, TypeError, ValueError) as error:
        raise StatementRefused("a confined child answered malformed", why=str(error)) from error
    return Look(texts[0], texts[1], answer, texts[2], findings, claims, counts)
