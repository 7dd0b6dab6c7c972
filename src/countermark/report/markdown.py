"""A short report in Markdown, for a merge request or a release note: verdict first, then what was not looked at."""

from __future__ import annotations

import re

from countermark.passport.witnesses import UNWITNESSED
from countermark.policy.shape import table, tables, text
from countermark.report.parts import figures, grouped
from countermark.report.plain import plain, short
from countermark.report.view import Report

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&:@$^=])")


def to_markdown(report: Report) -> str:
    """CommonMark with pipe tables; other people's text cannot become markup."""
    lines = [f"# {report.headline}", ""]
    lines += [f"Model `{_code(report.subject.get('name'))}`, tree digest `{_code(report.subject.get('digest'))}`."]
    lines += [] if report.witnessed else ["", f"**{UNWITNESSED}**"]
    lines += ["", *(f"- {_safe(number)} {_safe(label)}" for number, label, _ in figures(report))]
    lines += ["", "## What was not looked at", "", *(f"- {_safe(u)}" for u in report.not_looked_at())]
    lines += _failing(report) + _findings(report) + _rules(report) + _sheet(report)
    ledger = report.stage("ledger")
    lines += [
        "",
        f"Ledger `{_code(ledger.get('origin'))}`, {_safe(ledger.get('size'))} entries, root `{_code(ledger.get('root'))}`.",
    ]
    return "\n".join(lines) + "\n"


def _safe(value: object) -> str:
    return _MARKS.sub(r"\\\1", plain(value))


def _code(value: object) -> str:
    return plain(value).replace("`", "'")


def _failing(report: Report) -> list[str]:
    failing = [r for r in report.rules() if r.get("ok") is not True]
    told = [f"- `{_code(r.get('id'))}`: {_safe(r.get('missing'))}. Fix: {_safe(r.get('mend'))}" for r in failing]
    return ["", "## Why it is refused", "", *told] if told else []


def _findings(report: Report) -> list[str]:
    lines = ["", "## Findings", ""]
    groups = grouped(report)
    for seen in groups[:10]:
        said = seen.fields
        lines.append(
            f"- **{_safe(said.get('severity'))}**, confidence {_safe(said.get('confidence'))}: {_safe(said.get('what'))}"
        )
        if seen.settled:
            lines.append(f"  ({_safe(seen.settled)})")
        if seen.others:
            lines.append(f"  (and {seen.others} more like it)")
    if len(groups) > 10:
        lines.append(f"- and {sum(s.others + 1 for s in groups[10:])} more findings of other groups")
    return lines if len(lines) > 3 else [*lines, "No check found anything."]


def _rules(report: Report) -> list[str]:
    out = ["", "## Rules", "", "| rule | asset | | evidence |", "|---|---|---|---|"]
    for rule in report.rules():
        waived = table(rule.get("waived"))
        word = (
            f"waived by {_safe(waived.get('party'))} until {_safe(waived.get('until'))}"
            if waived
            else ("holds" if rule.get("ok") is True else "fails")
        )
        evidence = [e for e in (rule.get("evidence") or []) if isinstance(e, str)]
        shown = ", ".join(f"`{_code(short(e))}`" for e in evidence[:2]) + (
            f" and {len(evidence) - 2} more" if len(evidence) > 2 else ""
        )
        out.append(f"| {_safe(rule.get('id'))} | {_safe(rule.get('asset'))} | {word} | {shown} |")
    return out


def _sheet(report: Report) -> list[str]:
    counted = ", ".join(f"{n} {state}" for state, n in report.assessment.counts().items())
    trials = [f"- {_safe(text(name))}: " + ", ".join(f"{_safe(m.get('name'))} {_safe(m.get('value'))}" for m in tables(table(t).get("measures"))[:3])
              for name, t in report.stage("trials").items()]  # fmt: skip
    return ["", "## Trials", "", *(trials or ["No trial was run."]), "", f"Cheat sheet: {counted}."]
