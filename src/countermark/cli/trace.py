"""`countermark trace`: all that is known of one supplier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Table
from countermark.cli._command import command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.trace import Traced

NO_INTENT = "a delivery that disagrees with all others does not prove intent"


@command("trace", examples=["countermark trace acme", "countermark trace acme --json"])
@click.argument("supplier")
@with_desk
def trace(supplier: str, desk: Desk) -> Answer:
    """Tell all that is known here of a supplier.

    What it delivered, what the newest screening says, what was decided, what it disputes, and which models, releases and licensees
    its rows reached. Ends with 1 where the newest screening names it or its rows stand aside.
    """
    from countermark.lifecycle import trace as stage

    found = stage.trace(desk, supplier)
    named = found.seen is not None and found.seen.named is not None
    models = found.reached.models if found.reached else ()
    told = [
        f"{supplier}: deliveries: {len(found.deliveries)}",
        "named by the newest screening" if named else "not named",
        f"{len(found.aside)} rows set aside",
        f"{len(found.disputed)} disputed",
        f"{count(len(models), 'model')}, {sum(m.released for m in models)} released",
    ]
    return Answer("; ".join(told), FOUND if named or found.aside else FINE, _facts(found), _body(found))


def _facts(found: Traced) -> dict[str, Any]:
    seen, reached = found.seen, found.reached
    return {
        "supplier": found.supplier,
        "deliveries": [{"delivery": d.digest, "sequence": d.sequence, "state": d.state, "reasons": list(d.reasons), "rows": d.rows}
                       for d in found.deliveries],
        "screening": None if seen is None else {
            "statement": seen.statement, "named": seen.named, "flagged": list(seen.flagged),
            "findings": [{"check": c, "severity": s, "what": w} for c, s, w in seen.findings]},
        "aside": list(found.aside), "relabelled": found.relabelled,
        "disputed": [{"row": d.row, "says": d.says, "when": d.when, "statement": d.statement} for d in found.disputed],
        "models": [] if reached is None else [
            {"model": m.model, "rows": len(m.rows), "exact": m.exact, "released": m.released} for m in reached.models],
        "holders": [] if reached is None else list(reached.holders),
        "not_looked_at": list(found.not_looked_at),
    }  # fmt: skip


def _body(found: Traced) -> list[object]:
    seen, reached = found.seen, found.reached
    deliveries = [(d.digest[:12], d.sequence, d.state, d.rows, "; ".join(d.reasons)) for d in found.deliveries]
    body: list[object] = [Table(("delivery", "number", "state", "rows", "reasons"), deliveries)]
    if seen is not None and seen.named is not None:
        named = seen.named
        body += [
            "",
            Pairs(
                [
                    ("named", f"p {named['p']:.2g}, q {named['q']:.2g}"),
                    ("why", named["why"]),
                    ("cannot tell", NO_INTENT),
                ]
            ),
        ]
    if seen is not None and seen.findings:
        body += ["", Table(("check", "severity", "what"), seen.findings)]
    if found.disputed:
        body += ["", Table(("disputed row", "says", "when"), [(d.row, d.says, d.when) for d in found.disputed])]
    if reached is not None and reached.models:
        rows = [(m.model[:16], m.trainer, len(m.rows), "exactly" if m.exact else "at most", "yes" if m.released else "no")
                for m in reached.models]  # fmt: skip
        body += ["", Table(("model", "trained by", "rows", "known", "released"), rows)]
    if reached is not None and reached.holders:
        body += ["", Pairs([("may hold it", ", ".join(reached.holders))])]
    return [*body, *(["", *found.not_looked_at] if found.not_looked_at else [])]
