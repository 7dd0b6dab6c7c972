"""SARIF 2.1.0 (OASIS): findings and failed rules for code-scanning viewers and CI.

Severity maps to `level`; confidence stands apart as `rank` (section 3.27.25). What was set aside is a suppressed
result (section 3.27.23), what could not look is a notification (section 3.20.21), never a missing line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from countermark import __version__
from countermark.finding import Finding
from countermark.policy.shape import text
from countermark.report.parts import Seen, findings
from countermark.report.plain import plain
from countermark.report.view import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
MOST_LOCATIONS = 100
_LONG = 2000


def to_sarif(report: Report) -> dict[str, Any]:
    """One SARIF log with one run."""
    seen = findings(report)
    failing = [r for r in report.rules() if r.get("ok") is not True]
    results = [result(f) for f in seen] + [_rule(r) for r in failing]
    rules = {_id(f): f"What {_id(f)} found" for f in seen} | {
        f"policy/{text(r.get('id'))}": text(r.get("why")) for r in failing
    }
    about = {"headline": report.headline, "model": text(report.subject.get("digest"))}
    return _log(results, rules, _invocation(report), about)


def findings_to_sarif(found: Iterable[Finding], not_looked_at: Iterable[str], *, failed: bool) -> dict[str, Any]:
    """One SARIF log of an inspection that no report stands around.

    Args:
        not_looked_at: one line for each thing that was not. failed: whether a check broke while looking.
    """
    seen = [Seen(f.to_json(), f.where.to_json(), (), (), 0) for f in found]
    rules = {_id(s): s.fields["why"] or f"What {_id(s)} found" for s in seen}
    return _log([result(s) for s in seen], rules, _looked(not_looked_at, failed=failed), {})


def _log(
    results: list[dict[str, Any]], rules: dict[str, str], invocation: dict[str, Any], about: dict[str, str]
) -> dict[str, Any]:
    """A log with one run; each result gets the index of its rule."""
    order = sorted(rules)
    for one in results:
        one["ruleIndex"] = order.index(one["ruleId"])
    driver = {
        "name": "Countermark", "version": __version__, "semanticVersion": __version__,
        "rules": [{"id": rule, "shortDescription": _message(rules[rule])} for rule in order],
    }  # fmt: skip
    run: dict[str, Any] = {
        "tool": {"driver": driver}, "invocations": [invocation], "results": results,
        "columnKind": "unicodeCodePoints", "properties": about,
    }  # fmt: skip
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _id(seen: Seen) -> str:
    return f"{text(seen.fields.get('check')) or 'unknown'}/{text(seen.fields.get('rule')) or 'unknown'}"


def _message(*parts: str) -> dict[str, str]:
    return {"text": plain(" ".join(p for p in parts if p), _LONG) or "no words were given"}


def result(seen: Seen) -> dict[str, Any]:
    """One finding as a SARIF result."""
    said = seen.fields
    severity = text(said.get("severity"))
    out: dict[str, Any] = {
        "ruleId": _id(seen),
        "level": LEVELS.get(severity, "error"),
        "message": _message(*(_sentence(said.get(k)) for k in ("what", "why", "fix"))),
        "locations": _locations(seen),
        "partialFingerprints": {"countermark/v1": _fingerprint(seen)},
        "properties": {
            "severity": severity,
            "cannotTell": plain(said.get("cannotTell") or "", _LONG),
            "rows": len(seen.rows),
        },
    }
    confidence = said.get("confidence")
    if isinstance(confidence, int | float) and 0 <= confidence <= 1:
        out["rank"] = round(100.0 * confidence, 1)
    if seen.rows and not seen.left:
        why = "every row that this finding names was set aside, or given another class, by a signed statement"
        out["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return out


def _sentence(value: Any) -> str:
    words = text(value).strip()
    return words if not words or words[-1] in ".!?" else f"{words}."


def _locations(seen: Seen) -> list[dict[str, Any]]:
    """Files of the rows, at most a hundred; then supplier and class as logical places."""
    paths = [text(seen.where.get("path"))] if seen.where.get("path") else list(seen.rows[:MOST_LOCATIONS])
    logical = [
        {"name": plain(seen.where[kind]), "kind": word}
        for kind, word in (("supplier", "member"), ("label", "type"))
        if text(seen.where.get(kind))
    ]
    region = _region(seen.where)
    out: list[dict[str, Any]] = [
        {"physicalLocation": {"artifactLocation": {"uri": _uri(p)}} | ({"region": region} if region else {})}
        for p in paths
    ]
    if not logical:
        return out
    if not out:
        return [{"logicalLocations": logical}]
    return [place | {"logicalLocations": logical} for place in out]


def _region(where: dict[str, Any]) -> dict[str, int]:
    """A line from 1 (section 3.30.5) or a byte from 0 (section 3.30.11) of a file; empty where none is told."""
    line, offset = where.get("line"), where.get("offset")
    if type(line) is int and line > 0:
        return {"startLine": line}
    return {"byteOffset": offset} if type(offset) is int and offset >= 0 else {}


def _uri(path: str) -> str:
    """A relative URI reference (RFC 3986): every byte that is not plain is percent-encoded, colons too."""
    return quote(path.encode("utf-8", "replace"), safe="/-._~")


def _fingerprint(seen: Seen) -> str:
    """The same finding on the same place has the same fingerprint, whatever its wording."""
    place = [_id(seen), *(text(seen.where.get(k)) for k in ("path", "supplier", "label")), *seen.rows]
    return hashlib.sha256("\0".join(place).encode("utf-8", "replace")).hexdigest()


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    name = text(rule.get("id"))
    return {
        "ruleId": f"policy/{name}",
        "level": "error",
        "message": _message(*(_sentence(rule.get(k)) for k in ("missing", "why", "mend"))),
        "locations": [{"logicalLocations": [{"name": plain(name), "kind": "module"}]}],
        "partialFingerprints": {
            "countermark/v1": hashlib.sha256(f"policy/{name}".encode("utf-8", "replace")).hexdigest()
        },
        "properties": {"asset": text(rule.get("asset")), "reason": text(rule.get("reason")) or "error"},
    }


def _invocation(report: Report) -> dict[str, Any]:
    broken = any(o.get("outcome") == "failed" for o in report.outcomes().values())
    return _looked(report.not_looked_at(), failed=broken)


def _looked(not_looked_at: Iterable[str], *, failed: bool) -> dict[str, Any]:
    return {
        "executionSuccessful": not failed,
        "toolExecutionNotifications": [
            {"level": "warning", "message": _message("not looked at:", said)} for said in not_looked_at
        ],
    }
