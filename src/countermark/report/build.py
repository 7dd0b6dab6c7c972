"""From a desk to a report, and to its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from countermark import canonical
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.report import assessed, exhibits
from countermark.report.html import to_html
from countermark.report.markdown import to_markdown
from countermark.report.sarif import to_sarif
from countermark.report.view import Report


def build(desk: Desk, model: Path, policy: bytes, *, story: dict[str, Any] | None = None) -> Report:
    """The report on a model, as the ledger's keeper sees it.

    Raises:
        Refusal: evidence or policy is malformed. TrustRefused: this party keeps no ledger.
    """
    judged, assessment = assessed(desk, model, policy)
    evidence = judged.gathered.evidence
    return Report(evidence, judged.verdict.to_json(), assessment, exhibits(desk, evidence), story)


def write(
    report: Report, html: Path, *, json: Path | None = None, sarif: Path | None = None, markdown: Path | None = None
) -> Path:
    """Write the HTML file and, where named, the JSON, SARIF and Markdown forms."""
    html.write_text(to_html(report), "utf-8")
    if json:
        json.write_bytes(canonical.to_bytes(report.to_json()))
    if sarif:
        sarif.write_bytes(canonical.to_bytes(to_sarif(report)))
    if markdown:
        markdown.write_text(to_markdown(report), "utf-8")
    return html
