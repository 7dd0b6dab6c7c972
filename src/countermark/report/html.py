"""One self-contained HTML file: no scripts, no requests, dark and light, prints well.

The page forbids itself everything but its own styles and data: pictures (Content-Security-Policy). Escaping is on for
every value, and `plain` takes out of other people's text what escaping lets through.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from countermark import __version__
from countermark.assess.cheat_sheet import GROUPS
from countermark.assess.matrix import ASSETS, PROPERTIES
from countermark.passport.witnesses import UNWITNESSED
from countermark.policy.shape import table, tables, text, texts
from countermark.report import charts, parts
from countermark.report.lineage import lineage
from countermark.report.plain import count, figure, percent, plain, short
from countermark.report.view import Report

MOST_GROUPS = 10
_DATA_URI = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}")


def _shown(value: Any) -> Any:
    """Every value that is printed goes through `plain`, except markup that this package made and numbers."""
    if isinstance(value, Markup | jinja2.Undefined) or type(value) is int:
        return value
    return plain(value, 4000)


def environment() -> jinja2.Environment:
    """The one environment: autoescape on, undefined names are errors."""
    made = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_shown,
        loader=jinja2.FunctionLoader(_template),
    )  # fmt: skip
    made.filters |= {"plain": plain, "short": short, "percent": percent, "figure": figure, "count": count}
    made.filters |= {
        "picture": _picture,
        "ticks": _ticks,
        "width": _width,
        "table": table,
        "tables": tables,
        "texts": texts,
        "txt": text,
    }
    return made


def _picture(uri: str) -> Markup:
    """A data URI that `Report.picture` made; anything else is left out."""
    return Markup(uri) if _DATA_URI.fullmatch(uri) else Markup("")  # noqa: S704 - base64 alone passes


def _ticks(words: str) -> Markup:
    """Text with what stands between backticks set as code; every piece is cleaned and escaped."""
    pieces = plain(words, 4000).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if i % 2 and i < len(pieces) - 1 else escape(piece)
        for i, piece in enumerate(pieces)
    )


def _width(seen: parts.Seen) -> int:
    """Confidence of a finding in whole percent, for the length of a bar."""
    confidence = seen.fields.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        return 0
    return round(100 * min(max(confidence, 0.0), 1.0))


def _template(name: str) -> str:
    return (files("countermark.report") / "templates" / name).read_text("utf-8")


def to_html(report: Report) -> str:
    """Render a report."""
    seen = parts.grouped(report)
    rules, idle = report.rules(), parts.idle(report)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            r=report, e=report.evidence, v=report.verdict, version=__version__, unwitnessed=UNWITNESSED,
            style=Markup(_template("report.css")),  # noqa: S704 - our own file, shipped beside this one
            figures=parts.figures(report), unseen=report.unseen(), weak=_weak(report), lineage=lineage(report), suppliers=parts.suppliers(report),
            findings=seen[:MOST_GROUPS], more=sum(s.others + 1 for s in seen[MOST_GROUPS:]), outcomes={name: o for name, o in report.outcomes().items() if name not in idle}, idle=idle,
            failing=[x for x in rules if x.get("ok") is not True], waived=[x for x in rules if x.get("waived")], rules=rules,
            trials=_trials(report), statements=parts.statements(report), rows=parts.rows(report),
            matrix=_matrix(report), assets=ASSETS, properties=PROPERTIES, sheet=_sheet(report), counts=report.assessment.counts(),
            worth=charts.worth(report.story or {}), story=report.story,
        )
    )  # fmt: skip


def _weak(report: Report) -> list[Any]:
    """Threats that were measured, with nothing good to show for it."""
    return [a for a in report.assessment.matrix if a.state == "not shown" and a.evidence]


def _trials(report: Report) -> list[dict[str, Any]]:
    out = []
    for name, trial in report.stage("trials").items():
        ruling = next((x for x in report.rules() if x.get("id") == name), {})
        picture = charts.curve(table(trial)) or charts.shares(
            tables(table(trial).get("measures")), ("clean accuracy", "robust accuracy")
        )
        out.append({"id": text(name), "said": table(trial), "picture": picture, "ruling": ruling})
    return out


def _matrix(report: Report) -> dict[tuple[str, str], list[Any]]:
    cells: dict[tuple[str, str], list[Any]] = {(a, p): [] for a in ASSETS for p in PROPERTIES}
    for answer in report.assessment.matrix:
        cells[answer.group, answer.tag].append(answer)
    return cells


def _sheet(report: Report) -> list[tuple[str, list[Any]]]:
    return [(group, [a for a in report.assessment.cheat_sheet if a.group == group]) for group in GROUPS]
