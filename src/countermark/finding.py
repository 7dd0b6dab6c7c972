"""What a check or trial may say, including the two ways of not knowing.

A check finds, a trial measures; only policy judges. `Skipped` and `Failed` are never "clean".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from countermark.errors import StatementRefused

Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with its unit and, where known, its 95 % interval.

    Attributes:
        name: what was measured, in the field's words, e.g. ``"top-1 accuracy"``.
        value: finite number.
        unit: ``"1"`` for ratios and counts without a unit.
        low, high: bounds of the interval, or None where none was computed.
    """

    name: str
    value: float
    unit: str = "1"
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object; absent bounds are left out.

        Raises:
            StatementRefused: the value is not finite, which JSON cannot carry.
        """
        if not math.isfinite(self.value):
            raise StatementRefused(f"measure {self.name!r} is not finite", mend="report it as Skipped")
        out: dict[str, Any] = {"name": self.name, "value": self.value, "unit": self.unit}
        if self.low is not None and self.high is not None:
            out |= {"low": self.low, "high": self.high}
        return out


@dataclass(frozen=True, slots=True)
class Where:
    """The place a finding speaks of; empty fields do not apply.

    Attributes:
        path: file, relative to the artefact's root.
        rows: row ids (``delivery digest prefix/path`` in a dataset).
        supplier, label: a supplier and a class of the dataset.
        offset: byte offset inside the file. line: line of a text, from 1.
    """

    path: str = ""
    rows: tuple[str, ...] = ()
    supplier: str = ""
    label: str = ""
    offset: int | None = None
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object without the fields that do not apply."""
        out: dict[str, Any] = {}
        for name in ("path", "supplier", "label"):
            if getattr(self, name):
                out[name] = getattr(self, name)
        if self.rows:
            out["rows"] = list(self.rows)
        if self.offset is not None:
            out["offset"] = self.offset
        if self.line is not None:
            out["line"] = self.line
        return out

    def __str__(self) -> str:
        parts = [p for p in (self.path, self.supplier, self.label) if p]
        if self.rows:
            parts.append(f"{len(self.rows)} rows")
        if self.offset is not None:
            parts.append(f"byte {self.offset}")
        if self.line is not None:
            parts.append(f"line {self.line}")
        return " / ".join(parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check saw. Severity is not confidence; both are shown.

    Attributes:
        check: id of the check, ``"data/label-errors"``.
        rule: short name of the rule inside the check, ``"swapped-label"``.
        severity: how bad it is if true.
        confidence: probability that it is true as the check sees it, 0 to 1.
        what: one line. why: the evidence. fix: the mend. cannot_tell: what this does not show.
        exhibits: SHA-256 hex digests of small PNG pictures kept for people.
    """

    check: str
    rule: str
    severity: Severity
    confidence: float
    what: str
    where: Where = field(default_factory=Where)
    why: str = ""
    fix: str = ""
    cannot_tell: str = ""
    exhibits: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON object with every field, in a fixed set of keys."""
        return {
            "check": self.check, "rule": self.rule, "severity": self.severity, "confidence": self.confidence,
            "what": self.what, "where": self.where.to_json(), "why": self.why, "fix": self.fix,
            "cannotTell": self.cannot_tell, "exhibits": list(self.exhibits),
        }  # fmt: skip


def alike(check: str, rule: str, severity: str, *where: str) -> tuple[str, ...]:
    """What findings have in common that are shown as one group: grave ones share their place, all others their check and rule.

    Args:
        where: supplier, class, path.
    """
    return (check, rule, *where) if severity in ("high", "critical") else (check, rule)


def finding_from_json(value: dict[str, Any]) -> Finding:
    """Read a finding about a file as a confined child said it, trusting none of it; other places than files are dropped.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or has another type.
    """
    if value["severity"] not in SEVERITIES:
        raise ValueError(f"severity {value['severity']!r}")
    where = value["where"]
    offset, line = (None if where.get(name) is None else natural(where[name]) for name in ("offset", "line"))
    place = Where(path=text(where.get("path", "")), offset=offset, line=line)
    texts = [text(value[name]) for name in ("check", "rule", "what", "why", "fix", "cannotTell")]
    severity = cast(Severity, value["severity"])
    return Finding(
        texts[0], texts[1], severity, float(value["confidence"]), texts[2], place, texts[3], texts[4], texts[5]
    )


def text(value: object) -> str:
    """The value, which must be text.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def natural(value: object) -> int:
    """The value, which must be a number from 0.

    Raises:
        TypeError: it is not.
    """
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is no natural number")
    return value


@dataclass(frozen=True, slots=True)
class Passed:
    """The check looked and found nothing.

    Attributes:
        left_out: what it did not look at, a line each, for the page that says so.
    """

    measures: tuple[Measure, ...] = ()
    left_out: tuple[str, ...] = ()
    word: Literal["passed"] = "passed"


@dataclass(frozen=True, slots=True)
class Found:
    """The check looked and found something; `left_out` as in `Passed`."""

    findings: tuple[Finding, ...]
    measures: tuple[Measure, ...] = ()
    left_out: tuple[str, ...] = ()
    word: Literal["found"] = "found"


@dataclass(frozen=True, slots=True)
class Skipped:
    """The check could not look, for a reason that is nobody's fault."""

    reason: str
    measures: tuple[Measure, ...] = ()
    word: Literal["skipped"] = "skipped"


@dataclass(frozen=True, slots=True)
class Failed:
    """The check broke while looking."""

    error: str
    measures: tuple[Measure, ...] = ()
    word: Literal["failed"] = "failed"


Outcome = Passed | Found | Skipped | Failed


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """JSON object of an outcome, as it stands in a statement's predicate."""
    out: dict[str, Any] = {"outcome": outcome.word, "measures": [m.to_json() for m in outcome.measures]}
    if isinstance(outcome, Passed | Found) and outcome.left_out:
        out["leftOut"] = list(outcome.left_out)
    match outcome:
        case Found():
            out["findings"] = [f.to_json() for f in outcome.findings]
        case Skipped():
            out["reason"] = outcome.reason
        case Failed():
            out["error"] = outcome.error
        case Passed():
            pass
    return out
