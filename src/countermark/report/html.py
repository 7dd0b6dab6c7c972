"""One self-contained HTML file: no scripts, no requests, dark and light, prints well."""

from __future__ import annotations

from importlib.resources import files

import jinja2

from countermark import __version__
from countermark.assess.questions import ASSETS, THREATS
from countermark.report.lineage import lineage
from countermark.report.view import UNWITNESSED, Report, plain

MOST_FINDINGS = 10


def to_html(report: Report) -> str:
    """Render a report. Everything that another party wrote is escaped and cut."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["plain"] = plain
    template = environment.from_string((files("countermark.report") / "report.html.j2").read_text("utf-8"))
    findings = report.findings()
    return template.render(
        r=report, e=report.evidence, v=report.verdict, findings=findings[:MOST_FINDINGS],
        more=max(0, len(findings) - MOST_FINDINGS), missing=report.not_looked_at(), unwitnessed=UNWITNESSED,
        lineage=lineage(report.evidence, report.admitted), assets=ASSETS, threats=THREATS,
        cell={(c.asset, c.threat): c for c in report.assessment.cells}, version=__version__,
        named={n["supplier"] for n in (report.evidence.get("screening") or {}).get("named", [])},
    )  # fmt: skip
