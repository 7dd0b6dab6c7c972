"""The lineage drawing: from the suppliers' deliveries to the licensee, as inline SVG that prints and needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from countermark.policy.shape import table, tables, text, texts
from countermark.report.parts import Supplier, rows, suppliers
from countermark.report.plain import count, plain, short
from countermark.report.view import Report

WIDTH, HEIGHT = 1160, 330
MOST_SQUARES = 144
_TOP, _MIDDLE, _BOTTOM = 18, 124, 236
_HIGH, _LOW = 84, 62


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the drawing: place, tone, and up to three lines."""

    x: int
    y: int
    width: int
    lines: tuple[str, ...]
    tone: str = ""
    height: int = _LOW

    @property
    def middle(self) -> float:
        """Half of its height, as seen from the page."""
        return self.y + self.height / 2

    @property
    def centre(self) -> float:
        """Half of its width, as seen from the page."""
        return self.x + self.width / 2

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.x + self.width


def lineage(report: Report) -> Markup:
    """What came out of what, with the first digits of the digests that bind each step."""
    listed = suppliers(report)
    boxes = _boxes(report)
    data, aside, screening, training, model, looked, tried, verdict, approval, policy, plant = boxes
    paths = [
        f"M208 {data.middle}H{data.x - 4}",
        *(
            f"M{a.right} {a.middle}H{b.x - 4}"
            for a, b in ((data, training), (training, model), (model, verdict), (verdict, plant))
        ),
        f"M{screening.centre} {screening.y + screening.height}V{data.y - 4}",
        f"M{data.centre} {data.y + data.height}V{aside.y - 4}",
        f"M{model.centre} {model.y}V{looked.y + looked.height + 4}",
        f"M{model.centre} {model.y + model.height}V{tried.y - 4}",
        f"M{looked.right} {looked.middle + 12}H{verdict.x + 14}V{verdict.y - 4}",
        f"M{tried.right} {tried.middle - 12}H{verdict.x + 14}V{verdict.y + verdict.height + 4}",
        f"M{approval.centre} {approval.y + approval.height}V{verdict.y - 4}",
        f"M{policy.centre} {policy.y}V{verdict.y + verdict.height + 4}",
    ]
    arrows = Markup("").join(Markup('<path class="arrow" d="{}" marker-end="url(#tip)"/>').format(p) for p in paths)
    return Markup(
        '<svg class="lineage" viewBox="0 0 {w} {h}" role="img" aria-labelledby="lineage-title"><title id="lineage-title">'
        "{title}</title><defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
        'orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>{squares}{arrows}{boxes}</svg>'
    ).format(w=WIDTH, h=HEIGHT, title=_title(report), squares=_squares(listed), arrows=arrows,
             boxes=Markup("").join(_box(b) for b in boxes))  # fmt: skip


def _title(report: Report) -> str:
    came = rows(report)
    return (
        f"{came.delivered} rows delivered, {came.aside} set aside, one model trained from the rest: {report.headline}"
    )


def _boxes(report: Report) -> tuple[Box, ...]:
    came, training, subject = rows(report), report.stage("training"), report.subject
    screening, inspection, trials = report.stage("screening"), report.stage("inspection"), report.stage("trials")
    named = len(tables(screening.get("named")))
    level = text(table(training.get("hermetic")).get("level")) or "not shown"
    proven = sum(f.get("answer") == "proven" for f in tables(inspection.get("files")))
    ended = sum(table(t).get("completed") is True for t in trials.values())
    approvals = [short(a.get("statement")) for a in tables(report.evidence.get("approvals"))]
    policy = table(report.verdict.get("policy"))
    return (
        Box(258, _MIDDLE, 158, ("Admitted data", f"{count(came.kept)} rows", f"of {count(came.delivered)} delivered"), "", _HIGH),
        Box(258, _BOTTOM + 10, 158, ("Set aside", f"{count(came.aside)} rows", f"{named} {'supplier' if named == 1 else 'suppliers'} named"), "warn" if came.aside else "soft"),
        Box(258, _TOP, 158, ("Screening", f"{len(table(screening.get('checks')))} checks", _or(screening)), _tone(screening)),
        Box(462, _MIDDLE, 158, ("Training", level if level.startswith("not") else f"hermetic: {level}", _or(training)), _hermetic(level), _HIGH),
        Box(666, _MIDDLE, 150, ("Model", text(subject.get("name")), short(subject.get("digest"))), "", _HIGH),
        Box(666, _TOP, 150, ("Inspection", f"{proven} {'file' if proven == 1 else 'files'} proven", _or(inspection)), _tone(inspection)),
        Box(666, _BOTTOM + 10, 150, ("Trials", f"{ended} of {len(trials)} ended", _trial(trials)), _tone(trials)),
        Box(866, _MIDDLE, 138, ("Verdict", report.headline.split(",")[0], "" if report.witnessed else "unwitnessed"),
            "good strong" if report.admitted else "bad strong", _HIGH),
        Box(888, _TOP, 128, ("Approval", f"by {_by(report)}", *approvals[:1]) if approvals else ("Approval", "nobody approved"),
            "" if approvals else "bad"),
        Box(888, _BOTTOM + 10, 128, ("Policy", text(policy.get("name")), short(policy.get("digest")))),
        Box(1036, _MIDDLE, 120, ("Licensee", *_licensee(report)), "soft", _HIGH),
    )  # fmt: skip


def _or(item: dict[str, object]) -> str:
    return short(item.get("statement")) if item else "nobody did it"


def _trial(trials: dict[str, object]) -> str:
    return next((short(table(t).get("statement")) for t in trials.values()), "nobody did it")


def _tone(item: dict[str, object]) -> str:
    return "" if item else "bad"


def _hermetic(level: str) -> str:
    return {"not shown": "bad", "not hermetic": "warn"}.get(level, "")


def _by(report: Report) -> str:
    return ", ".join(sorted({text(a.get("signer")) for a in tables(report.evidence.get("approvals"))}))


def _licensee(report: Report) -> tuple[str, str]:
    named = [
        text(p.get("id")) for p in tables(report.stage("project").get("parties")) if "licensee" in texts(p.get("roles"))
    ]
    return (
        named[0] if len(named) == 1 else f"{len(named)} named",
        "verifies offline" if report.admitted else "gets no papers",
    )


def _box(box: Box) -> Markup:
    title, *rest = box.lines
    fits = max(6, int((box.width - 16) / 6.4))
    first = box.y + (22 if box.height == _LOW else 34)
    lines = Markup("").join(
        Markup('<text class="{c}" x="{x}" y="{y}">{t}</text>').format(
            c="mono" if _digits(line) else "", x=box.centre, y=first + 16 * (i + 1), t=_cut(line, fits)
        )
        for i, line in enumerate(rest)
        if line
    )
    return Markup(
        '<g class="box {tone}"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="9"/>'
        '<text class="head" x="{c}" y="{ty}">{title}</text>{lines}</g>'
    ).format(
        tone=box.tone, x=box.x, y=box.y, w=box.width, h=box.height, c=box.centre, ty=first, title=title, lines=lines
    )


def _cut(line: str, most: int) -> str:
    """What fits into a box; an ellipsis where there was more."""
    shown = plain(line, most + 1)
    return shown if len(line) <= most else shown[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _digits(line: str) -> bool:
    return len(line) == 12 and not set(line) - set("0123456789abcdef")


def _squares(listed: Sequence[Supplier]) -> Markup:
    """One square per delivery that was admitted, and one cross per delivery that was refused."""
    came = sorted((s for s in listed if s.state == "admitted"), key=lambda s: s.name)
    refused = [s for s in listed if s.state == "refused"]
    columns = 6 if len(came) <= 36 else 9 if len(came) <= 81 else 12
    side = 150 / columns
    drawn = Markup("").join(
        Markup('<rect class="sq {tone}" x="{x:.1f}" y="{y:.1f}" width="{s:.1f}" height="{s:.1f}" rx="3"><title>{t}</title></rect>').format(
            tone="bad" if s.named else "ok", x=24 + i % columns * side, y=74 + i // columns * side, s=side - 6,
            t=f"{plain(s.name, 60)}: {s.rows} rows" + (f", {s.aside} set aside" if s.aside else ""),
        )
        for i, s in enumerate(came[:MOST_SQUARES])
    )  # fmt: skip
    crosses = Markup("").join(
        Markup('<path class="cross" d="M{x} 274l13 13m0 -13l-13 13"><title>{t}</title></path>').format(
            x=24 + i * 25, t=f"{plain(s.name, 60)}: {plain('; '.join(s.reasons), 120)}"
        )
        for i, s in enumerate(refused[:6])
    )
    return Markup(
        '<text class="head left" x="24" y="38">{n} deliveries</text><text class="left" x="24" y="56">each signed by its supplier</text>{drawn}'
        '<path class="door" d="M196 62V262"/>{crosses}<text class="left" x="24" y="312">{refused} refused at the door</text>'
    ).format(n=len(came), drawn=drawn, crosses=crosses, refused=len(refused))
