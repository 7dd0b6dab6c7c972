"""Review: what people look at after a screening: contact sheet, CSV, letters to suppliers.

A contact sheet shows rows as `shown_rows` makes them, never a supplier's own bytes. A letter holds only the rows of
the supplier it is addressed to.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from countermark import dsse
from countermark.canonical import Fields
from countermark.errors import NothingToVerify, Unusable
from countermark.lifecycle import book, entitled, letters, rows
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.rows import Row
from countermark.lifecycle.shown_rows import shown
from countermark.passport.slip import Slip
from countermark.statement.predicates.checked import SCREENING, Checked
from countermark.statement.predicates.rows import LETTER, Letter
from countermark.statement.statement import Statement

MOST_ROWS = 2000
ASKS = "Please look at these rows, correct them, and deliver the corrected folder with `countermark deliver DIR --replace`."


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row that a screening would set aside, and what was seen.

    Attributes:
        seen: what each finding says of it, and who disputes that. checks: those that name it.
        stands: how quarantine and the newest decision left it: ``set aside``, ``accepted``, ``relabelled to CLASS``; empty where nobody said.
    """

    row: Row
    seen: str
    checks: tuple[str, ...] = ()
    stands: str = ""


def newest_screening(desk: Desk) -> tuple[Slip, Checked]:
    """The newest screening statement that counts.

    Raises:
        NothingToVerify: nothing was screened yet.
    """
    shown = entitled.standing(book.entered(desk, SCREENING), desk.trust(), desk.now())
    if not shown:
        raise NothingToVerify("nothing was screened yet", mend="`countermark screen`")
    return shown[-1].slip, Checked.from_json(shown[-1].statement.predicate)


def newest_about(desk: Desk, dataset: str) -> dict[str, Any] | None:
    """The newest screening statement's digest, its seed, and whether it looked at these very rows; None where there is none.

    Args:
        dataset: tree digest of rows.
    """
    try:
        slip, said = newest_screening(desk)
    except NothingToVerify:
        return None
    return {"statement": slip.envelope.digest, "seed": said.facts.get("seed"), "same_rows": subject(slip) == dataset}


def subject(slip: Slip) -> str:
    """Tree digest of the training data that a screening looked at."""
    return Statement.from_bytes(slip.envelope.payload).digest


def suspects(desk: Desk) -> list[Suspect]:
    """Flagged rows of the newest screening, by supplier and path, each with the findings that name it."""
    _, said = newest_screening(desk)
    seen: dict[str, list[str]] = {}
    checks: dict[str, list[str]] = {}
    for outcome in said.checks.values():
        for finding in outcome.get("findings", []):
            for row_id in finding["where"].get("rows", []):
                seen.setdefault(row_id, []).append(f"{finding['check']}: {finding['what']}")
                checks.setdefault(row_id, []).append(finding["check"])
    flagged = Fields(said.facts, "screening facts").texts("flagged")
    listed = rows.listed(desk)
    by_id, chosen = {row.id: row for row in listed}, rows.select(desk, listed)
    for row_id, answer in letters.disputed(desk).items():
        seen.setdefault(row_id, []).append(f"disputed by {answer.supplier}: {answer.says}")
    out = [
        Suspect(
            by_id[i],
            _placed(by_id[i], seen.get(i, ["flagged"])),
            tuple(dict.fromkeys(checks.get(i, ()))),
            _stands(i, chosen),
        )
        for i in flagged
        if i in by_id
    ]
    return sorted(out, key=lambda s: (s.row.supplier, s.row.entry.path))


def findings(desk: Desk) -> list[str]:
    """What the newest screening found of rows, each said once, in the order of the statement."""
    _, said = newest_screening(desk)
    return [
        f"{finding['check']}: {finding['what']}"
        for outcome in said.checks.values()
        for finding in outcome.get("findings", [])
        if finding["where"].get("rows")
    ]


def _stands(row_id: str, chosen: rows.Selection) -> str:
    if row_id in chosen.aside:
        return "set aside"
    if row_id in chosen.relabelled:
        return f"relabelled to {chosen.relabelled[row_id]}"
    return "accepted" if row_id in chosen.accepted else ""


def worst_first(listed: Sequence[Suspect]) -> list[Suspect]:
    """By supplier, rows that more checks name before others."""
    return sorted(listed, key=lambda s: (s.row.supplier, -len(s.checks), s.row.entry.path))


def _placed(row: Row, seen: Sequence[str]) -> str:
    """What was seen; of a row inside a table or shard after the place where its supplier finds it."""
    return (f"{row.place}: " if row.shard else "") + "; ".join(seen)


def to_csv(listed: Sequence[Suspect]) -> str:
    """CSV with a header; cells that a spreadsheet would run as formulas are disarmed."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["row", "supplier", "label", "path", "seen"])
    for suspect in listed:
        row = suspect.row
        table.writerow([plain_cell(c) for c in (row.id, row.supplier, row.label, row.entry.path, suspect.seen)])
    return text.getvalue()


def plain_cell(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in "=+-@\t\r" else cell


def contact_sheet(desk: Desk, listed: Sequence[Suspect]) -> str:
    """One self-contained HTML page of what rows look like with the commands to accept, relabel or reject each row.

    Raises:
        Unusable: more than 2,000 rows. MissingExtra: the screen extra is absent.
    """
    if len(listed) > MOST_ROWS:
        raise Unusable(f"{len(listed)} rows are too many for one sheet", mend="`--supplier NAME` narrows it")
    wanted = {s.row.id for s in listed}
    content = {row.id: data for row, data in rows.contents(desk) if row.id in wanted}
    listed = worst_first(listed)
    seen = shown([(s.row, content[s.row.id]) for s in listed])
    cards = [
        {
            "id": s.row.id,
            "supplier": s.row.supplier,
            "label": s.row.label,
            "seen": s.seen,
            "stands": s.stands,
            "picture": p.picture,
            "text": p.text,
        }
        for s, p in zip(listed, seen, strict=True)
    ]
    return jinja2.Environment(autoescape=True).from_string(_SHEET).render(cards=cards, made=desk.stamp())


def letter(desk: Desk, supplier: str, listed: Sequence[Suspect]) -> list[dsse.Envelope]:
    """Signed letters to one supplier, one for each of its deliveries that has suspect rows.

    Raises:
        Unusable: none of the rows is this supplier's.
    """
    own = [s for s in listed if s.row.supplier == supplier]
    if not own:
        raise Unusable(f"no flagged row is {supplier}'s", mend="`countermark review` lists them")
    out = []
    for delivery in sorted({s.row.delivery for s in own}):
        seen = tuple((s.row.entry.path, s.seen[:400]) for s in own if s.row.delivery == delivery)
        predicate = Letter(desk.context(supplier), delivery, seen, ASKS)
        tree = rows.standing(desk)[delivery].parcel
        digest = tree.tree.digest if tree else delivery
        out.append(desk.sign(Statement(f"letter to {supplier}", digest, LETTER, predicate.to_json())))
    return out


_SHEET = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Contact sheet</title><style>
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1rem}
article{border:1px solid #8886;border-radius:.5rem;padding:.75rem;overflow-wrap:anywhere}
img{width:96px;height:96px;image-rendering:pixelated;background:#8883}code{font-size:.8em;user-select:all}p code,article code{display:block}p code:only-of-type{display:inline}.stands{margin:.25rem 0;font-weight:600}
pre{white-space:pre-wrap;max-height:12rem;overflow:auto;margin:0}h2{font-size:1rem;margin:.25rem 0}small{opacity:.75}
</style><h1>Contact sheet: {{ cards|length }} rows to look at</h1>
<p>Made {{ made }}. A row is flagged because it disagrees with all others, or because its supplier's rows of that class do so together: then honest
rows may stand among them. Neither proves intent. For each row one of these, and <code>--undo</code> takes the newest back:</p>
<p><code>countermark decide ROW --accept</code><code>countermark decide ROW --relabel CLASS</code><code>countermark decide ROW --reject</code></p><main>
{% for card in cards %}<article>{% if card.picture %}<img src="{{ card.picture }}" alt="row {{ card.id }}">{% elif card.text %}<pre>{{ card.text }}</pre>{% else %}<p>does not decode</p>{% endif %}
<h2>{{ card.supplier }} &middot; {{ card.label }}</h2><code>{{ card.id }}</code>{% if card.stands %}<p class="stands">{{ card.stands }}</p>{% endif %}<small>{{ card.seen }}</small></article>
{% endfor %}</main></html>
"""
