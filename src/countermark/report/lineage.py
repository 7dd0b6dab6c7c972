"""The lineage drawing: from suppliers to the licensee, as inline SVG that prints and needs no script."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 1180, 250
BOX = (150, 64)


def lineage(evidence: dict[str, Any], admitted: bool) -> Markup:
    """An SVG figure of what came out of what, with the digests that bind each step."""
    rows = sum(d["rows"] for d in evidence["deliveries"] if d["state"] == "admitted")
    came = sum(d["state"] == "admitted" for d in evidence["deliveries"])
    refused = sum(d["state"] == "refused" for d in evidence["deliveries"])
    training, subject = evidence.get("training") or {}, evidence["subject"]
    steps = [
        ("deliveries", f"{came} admitted", f"{refused} refused"),
        ("admitted rows", f"{rows} rows", f"{len(evidence.get('set_aside', []))} set aside"),
        ("training", training.get("hermetic", {}).get("level", "not shown"), _short(training.get("statement", ""))),
        ("model", str(subject["name"])[:18], _short(subject["digest"])),
        ("inspection, trials", f"{len(evidence.get('trials', {}))} trials", _short((evidence.get("inspection") or {}).get("statement", ""))),
        ("verdict", "admitted" if admitted else "refused", "unwitnessed" if not evidence["ledger"]["witnessed"] else ""),
        ("licensee", "verifies offline", ""),
    ]  # fmt: skip
    gap = (WIDTH - len(steps) * BOX[0]) / (len(steps) - 1)
    parts = [_box(i * (BOX[0] + gap), step, last=i == len(steps) - 1, gap=gap) for i, step in enumerate(steps)]
    parts += [_note(1, gap, "screening", _short((evidence.get("screening") or {}).get("statement", "")))]
    parts += [_note(3, gap, "approval", f"{len(evidence.get('approvals', []))} reviewer")]
    return Markup(
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="Lineage from deliveries to the licensee">{parts}</svg>'
    ).format(w=WIDTH, h=HEIGHT, parts=Markup("").join(parts))


def _short(digest: str) -> str:
    return digest[:12]


def _box(x: float, step: tuple[str, str, str], *, last: bool, gap: float) -> Markup:
    title, first, second = step
    y = 130
    arrow = (
        Markup("") if last else Markup('<path class="arrow" d="M{a} {y} h{g}"/>').format(a=x + BOX[0], y=y + 32, g=gap)
    )
    return Markup(
        '<rect class="box" x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>'
        '<text class="t" x="{m}" y="{t}">{title}</text><text x="{m}" y="{a}">{first}</text>'
        '<text class="mono" x="{m}" y="{b}">{second}</text>'
    ).format(x=x, y=y, w=BOX[0], h=BOX[1], m=x + BOX[0] / 2, t=y + 20, a=y + 38, b=y + 55,
             title=escape(title), first=escape(first), second=escape(second)) + arrow  # fmt: skip


def _note(column: int, gap: float, title: str, text: str) -> Markup:
    x = column * (BOX[0] + gap)
    return Markup(
        '<rect class="note" x="{x}" y="30" width="{w}" height="52" rx="8"/><text class="t" x="{m}" y="52">{title}</text>'
        '<text class="mono" x="{m}" y="70">{text}</text><path class="arrow" d="M{m} 82 v48"/>'
    ).format(x=x, w=BOX[0], m=x + BOX[0] / 2, title=escape(title), text=escape(text))
