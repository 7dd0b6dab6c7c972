"""`countermark recall`: every model, release and licensee that a supplier's rows reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Table
from countermark.cli._command import command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.recall import Licensed, Recall, Touched

NO_LICENCES = (
    "only licences that were signed in this workspace are known here: whoever the trust document calls licensee or operator may hold a release,"
    " and another licensor's licensees are told by a recall in that licensor's workspace"
)


@command("recall", examples=[
    "countermark recall --supplier acme",
    "countermark recall 1f2e3d4c5b6a/screws/004.png --json",
])  # fmt: skip
@click.argument("rows", nargs=-1)
@click.option("--supplier", metavar="PARTY", help="All rows that were ever admitted from this supplier.")
@with_desk
def recall(rows: tuple[str, ...], supplier: str | None, desk: Desk) -> Answer:
    """Follow a supplier's data, or single ROWS, to every model, release and licensee.

    Each model's training set is composed again from the ledger and compared with the digest that its trainer signed.
    """
    from countermark.lifecycle import recall as stage

    if not rows and supplier is None:
        raise click.UsageError("name ROWS or --supplier")
    found = stage.recall(desk, supplier=supplier, row_ids=rows)
    released = [m for m in found.models if m.released]
    reached = len({row for model in found.models for row in model.rows})
    what = f"{reached} of {count(len(found.rows), 'row')} reached {count(len(found.models), 'model')}, {len(released)} released"
    return Answer(
        what if found.models else f"{count(len(found.rows), 'row')} reached no model",
        FOUND if found.models else FINE,
        {"deliveries": list(found.deliveries), "rows": list(found.rows), "models": [_facts(m) for m in found.models],
         "holders": list(found.holders), "not_looked_at": list(found.not_looked_at)},
        _told(found),
    )  # fmt: skip


def _told(found: Recall) -> list[object]:
    table = Table(
        ("model", "trained by", "entry", "rows", "known", "verdicts"),
        [(m.model[:16], m.trainer, m.index, len(m.rows), "exactly" if m.exact else "at most",
          ", ".join(f"{r.verdict} (entry {r.index})" for r in m.releases) or "none") for m in found.models],
    )  # fmt: skip
    body: list[object] = [table] if found.models else []
    for model in found.models:
        first = model.rows[0]
        path = f"{first} -> delivery {first.split('/', 1)[0]} -> training set {model.dataset[:12]} -> model {model.model[:12]}"
        ends = [f"verdict {r.statement[:12]}" for r in model.releases if r.verdict == "admitted"]
        body += ["", " -> ".join([path, *ends, *([", ".join(found.holders)] if ends and found.holders else [])])]
    licensed = [
        (one.party, m.model[:16], one.licence[:16], one.until, _standing(one))
        for m in found.models
        for one in m.licences
    ]
    if licensed:
        body += ["", Table(("licensee", "model", "licence", "until", "licence is"), licensed)]
    if found.holders or licensed:
        body += [
            "",
            Pairs(
                [
                    ("may hold it", ", ".join(found.holders) or "no other party of the trust document"),
                    ("cannot tell", NO_LICENCES),
                ]
            ),
        ]
    return [*body, *(["", *found.not_looked_at] if found.not_looked_at else [])]


def _standing(licence: Licensed) -> str:
    """Whether it counts; whoever had it may hold the model either way."""
    if licence.revoked:
        return "revoked"
    return "granted" if licence.whole else "not signed by all its co-signers"


def _facts(model: Touched) -> dict[str, object]:
    return {
        "model": model.model, "training": model.training, "trainer": model.trainer, "index": model.index,
        "time": model.time, "dataset": model.dataset, "rows": list(model.rows), "exact": model.exact,
        "releases": [{"statement": r.statement, "index": r.index, "time": r.time, "verdict": r.verdict}
                     for r in model.releases],
        "licences": [{"licensee": one.party, "licence": one.licence, "until": one.until, "revoked": one.revoked, "whole": one.whole}
                     for one in model.licences],
    }  # fmt: skip
