"""`countermark assess`: the SPIE x CIA matrix and the cheat sheet, answered from evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import Answer, Table
from countermark.cli._command import PATH, command, with_desk

if TYPE_CHECKING:
    from countermark.assess.assess import Assessment
    from countermark.lifecycle.desk import Desk


@command(
    "assess",
    examples=[
        "countermark assess model",
        "countermark assess model --missing",
        "countermark assess model --license plant.licence",
    ],
)
@click.argument("model", type=PATH)
@click.option("--policy", type=PATH, metavar="FILE", help="As for `release`.")
@click.option("--license", "licences", type=PATH, multiple=True, metavar="FILE", help="A licence for the model, beside those that were signed in "
              "this workspace; may be repeated.")  # fmt: skip
@click.option("--missing", is_flag=True, help="Only the questions that nothing answers, and what would.")
@with_desk
def assess(model: Path, policy: Path | None, licences: tuple[Path, ...], missing: bool, desk: Desk) -> Answer:
    """Answer the security questions about a model from what the ledger shows; nothing is answered from hearsay.

    Stealing, poisoning, inference and evasion against the four assets, then the sheet of standard and advanced
    questions: shown, partly, or not shown.
    """
    from countermark.lifecycle.report import assessed

    judged, said = assessed(desk, model, compose.policy_of(desk, policy), licences)
    shown, partly, lacking = said.counts().values()
    return Answer(
        f"{shown} questions shown, {partly} partly, {lacking} not shown; verdict {judged.verdict.headline}",
        facts=said.to_json() | {"model": judged.verdict.subject, "headline": judged.verdict.headline},
        body=_body(said, missing=missing),
    )


def _body(said: Assessment, *, missing: bool) -> list[Any]:
    rows = [
        (a.group, a.tag, a.question, a.state, a.would_show if a.would_show else ", ".join(s[:12] for s in a.evidence[:2]))
        for a in said.cheat_sheet if not missing or a.state == "not shown"
    ]  # fmt: skip
    sheet = Table(("part", "level", "question", "answer", "shown by, or what would"), rows)
    if missing:
        return [sheet, ""]
    threats = [(a.group, a.tag, a.kind, a.question, a.state) for a in said.matrix]
    return [Table(("asset", "property", "kind", "threat", "answer"), threats), "", sheet, ""]
