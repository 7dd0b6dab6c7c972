"""SARIF 2.1.0 (OASIS): findings and failed rules, for code-scanning views."""

from __future__ import annotations

from typing import Any

from countermark import __version__
from countermark.report.view import Report, plain

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "none"}


def to_sarif(report: Report) -> dict[str, Any]:
    """One run: a result per finding, and one per rule of the policy that fails."""
    results = [_finding(f) for f in report.findings()] + [_rule(r) for r in report.verdict["rules"] if not r["ok"]]
    rules = sorted({str(r["ruleId"]) for r in results})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Countermark", "version": __version__, "rules": [{"id": r} for r in rules],
                    }
                },
                "results": results,
            }
        ],
    }  # fmt: skip


def _finding(finding: dict[str, Any]) -> dict[str, Any]:
    where = finding.get("where", {})
    places = (
        [where["path"]]
        if where.get("path")
        else where.get("rows", [])[:20] or [where.get("supplier") or "training data"]
    )
    return {
        "ruleId": f"{finding['check']}/{finding['rule']}",
        "level": LEVELS[finding["severity"]],
        "message": {
            "text": plain(
                f"{finding['what']}. why: {finding['why']} fix: {finding['fix']} cannot tell: {finding['cannotTell']}"
            )
        },
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(p)}}} for p in places],
        "properties": {"severity": finding["severity"], "confidence": finding["confidence"]},
    }


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "ruleId": f"policy/{rule['id']}",
        "level": "error",
        "message": {"text": plain(f"{rule['why']}. missing: {rule['missing']} fix: {rule['mend']}")},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": "model"}}}],
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(plain(path))
