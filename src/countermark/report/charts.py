"""Small drawings as inline SVG: bars with intervals, and the extraction curve. No script, no image, prints as drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from countermark.policy.shape import table, tables, text
from countermark.report.plain import percent, plain

_FIDELITY = re.compile(r"fidelity, (?P<form>[^,]{1,60}), (?P<queries>\d{1,9}) queries")


@dataclass(frozen=True, slots=True)
class Bar:
    """A share from 0 to 1, drawn with its interval; tone is a colour class of the page."""

    label: str
    value: float
    tone: str = "accent"
    low: float | None = None
    high: float | None = None


def bars(listed: Sequence[Bar], *, width: int = 520, label: int = 170) -> Markup:
    """Horizontal bars on a common scale from 0 to 100 %."""
    step, room = 26, width - label - 62
    parts = []
    for i, bar in enumerate(listed):
        y, value = i * step + 6, min(max(bar.value, 0.0), 1.0)
        parts.append(
            Markup(
                '<text class="lab" x="{lx}" y="{ty}" text-anchor="end">{label}</text>'
                '<rect class="track" x="{x}" y="{y}" width="{room}" height="14" rx="3"/>'
                '<rect class="fill {tone}" x="{x}" y="{y}" width="{w:.1f}" height="14" rx="3"/>{whisker}'
                '<text class="num" x="{vx}" y="{ty}">{value}</text>'
            ).format(
                lx=label - 10,
                ty=y + 11,
                label=plain(bar.label, 26),
                x=label,
                y=y,
                room=room,
                tone=bar.tone,
                w=max(value * room, 1.5),
                whisker=_whisker(bar, label, y + 7, room),
                vx=label + room + 8,
                value=percent(bar.value),
            )
        )
    return _svg(width, len(listed) * step + 6, "bars", Markup("").join(parts))


def _whisker(bar: Bar, x: int, y: int, room: int) -> Markup:
    if bar.low is None or bar.high is None:
        return Markup("")
    a, b = (x + room * min(max(end, 0.0), 1.0) for end in (bar.low, bar.high))
    return Markup('<path class="whisker" d="M{a:.1f} {y}H{b:.1f}M{a:.1f} {u}v6M{b:.1f} {u}v6"/>').format(
        a=a, b=b, y=y, u=y - 3
    )


def _svg(width: int, height: int, name: str, inside: Markup, title: str = "") -> Markup:
    return Markup('<svg class="chart {n}" viewBox="0 0 {w} {h}" role="img" aria-label="{t}">{inside}</svg>').format(
        n=name, w=width, h=height, t=title or name, inside=inside
    )


def shares(measures: Sequence[dict[str, Any]], names: Sequence[str]) -> Markup:
    """Bars of the named measures, those that are there."""
    known = {text(m.get("name")): m for m in measures}
    listed = [
        Bar(name, value, "accent", _number(known[name].get("low")), _number(known[name].get("high")))
        for name in names
        if name in known and (value := _number(known[name].get("value"))) is not None
    ]
    return bars(listed) if listed else Markup("")


def curve(trial: dict[str, Any]) -> Markup:
    """Fidelity of the copy against the number of queries, one line per form of answer; empty without two points."""
    lines: dict[str, list[tuple[float, float, float, float]]] = {}
    for measure in tables(trial.get("measures")):
        match, value = _FIDELITY.fullmatch(text(measure.get("name"))), _number(measure.get("value"))
        if match and value is not None and int(match["queries"]) > 0:
            low, high = _number(measure.get("low")), _number(measure.get("high"))
            point = (float(match["queries"]), value, value if low is None else low, value if high is None else high)
            lines.setdefault(match["form"], []).append(point)
    shown = {form: sorted(points) for form, points in list(lines.items())[:5]}
    counts = sorted({p[0] for points in shown.values() for p in points})
    return _curve(shown, counts) if len(counts) > 1 else Markup("")


def _curve(lines: dict[str, list[tuple[float, float, float, float]]], counts: list[float]) -> Markup:
    left, right, top, bottom = 44, 300, 12, 170
    span = math.log(counts[-1] / counts[0])

    def at(queries: float, share: float) -> tuple[float, float]:
        return left + (right - left) * math.log(queries / counts[0]) / span, bottom - (bottom - top) * min(
            max(share, 0.0), 1.0
        )

    parts = [_grid(at(counts[0], share), right, percent(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for queries in counts:
        x, _ = at(queries, 0)
        parts.append(
            Markup('<text class="num" x="{x:.1f}" y="188" text-anchor="middle">{q:.0f}</text>').format(x=x, q=queries)
        )
    ends = _spread([at(p[-1][0], p[-1][1])[1] for p in lines.values()])
    for i, ((form, points), end) in enumerate(zip(lines.items(), ends, strict=True)):
        places = [at(p[0], p[1]) for p in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        rods = "".join(f"M{at(p[0], p[2])[0]:.1f} {at(p[0], p[2])[1]:.1f}V{at(p[0], p[3])[1]:.1f}" for p in points)
        parts.append(
            Markup(
                '<path class="rod" d="{rods}"/><path class="line l{i}" d="{path}"/><text class="lab" x="{x}" y="{y:.1f}">{form}</text>'
            ).format(rods=rods, i=i, path=path, x=right + 12, y=end + 4, form=plain(form, 30))
        )
    parts.append(
        Markup('<text class="num" x="{x}" y="206" text-anchor="middle">queries</text>').format(x=(left + right) / 2)
    )
    return _svg(520, 212, "curve", Markup("").join(parts), "agreement of the best copy by number of queries")


def _grid(place: tuple[float, float], right: float, label: str) -> Markup:
    x, y = place
    return Markup(
        '<path class="grid" d="M{x} {y:.1f}H{r}"/><text class="num" x="{lx}" y="{ly:.1f}" text-anchor="end">{label}</text>'
    ).format(x=x, y=y, r=right, lx=x - 8, ly=y + 4, label=label)


def _spread(heights: list[float], least: float = 15.0) -> list[float]:
    """Heights of labels moved apart so that none covers another; order is kept."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    out = list(heights)
    for above, here in pairwise(order):
        out[here] = max(out[here], out[above] + least)
    return out


def _number(value: Any) -> float | None:
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        else None
    )


def worth(story: dict[str, Any]) -> list[tuple[str, Markup]]:
    """Per training: its name, and bars of accuracy and attack success."""
    out = []
    for name, measured in table(story.get("worth")).items():
        top1, attack = _number(table(measured).get("top1")), _number(table(measured).get("attack_success"))
        if top1 is not None and attack is not None:
            listed = [Bar("top-1 accuracy", top1), Bar("attack success", attack, "bad")]
            out.append((text(name), bars(listed, width=560, label=120)))
    return out
