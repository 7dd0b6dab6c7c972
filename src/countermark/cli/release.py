"""`countermark release`: judge a model's evidence by policy; where it admits, sign and pack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Refused, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.release import Judged
    from countermark.policy.verdict import Ruling


@command("release", examples=[
    "countermark release model --explain",
    "countermark release model --evidence model.training.json --evidence inspection.json --evidence trials.json "
    "--evidence approval.json",
    "countermark release model --policy policy.toml --for-auditor",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--policy", type=PATH, metavar="FILE", help="The policy (default: `policy` of countermark.toml, or the one "
              "that ships).")  # fmt: skip
@click.option(
    "--evidence", multiple=True, type=PATH, metavar="FILE", help="A statement to enter first; may be repeated."
)
@click.option("--explain", is_flag=True, help="Show every rule, its evidence and what is missing; sign nothing.")
@click.option("--for-auditor", is_flag=True, help="Open in the passport what tells of suppliers, and add the evidence.")
@click.option("--since", type=click.IntRange(1), multiple=True, metavar="N",
              help="A ledger size that a reader remembers; may be repeated.")  # fmt: skip
@with_desk
def release(
    model: Path, policy: Path | None, evidence: tuple[Path, ...], explain: bool, for_auditor: bool,
    since: tuple[int, ...], desk: Desk,
) -> Answer:  # fmt: skip
    """Judge a model's evidence by policy; sign and log the verdict.

    Where it admits, MODEL.cmpass (the passport, for relying parties) and MODEL.oms.json (OpenSSF Model Signing) are
    written beside the model.
    """
    from countermark.lifecycle import book
    from countermark.lifecycle import release as stage
    from countermark.lifecycle.desk import read_envelope

    if evidence:
        with desk.space.lock():
            book.enter(desk, desk.trust(), [read_envelope(file) for file in evidence])
    source = compose.policy_of(desk, policy)
    if explain:
        return _told(stage.judge(desk, model, source), [], every=True)
    done = stage.release(desk, model, source, auditor=for_auditor, since=since)
    return _told(done.judged, [p for p in (done.passport, done.oms) if p], every=False, witnesses=done.witnesses)


def _told(judged: Judged, written: list[Path], *, every: bool, witnesses: dict[str, str] | None = None) -> Answer:
    verdict = judged.verdict
    body: list[Any] = []
    if every:
        rows = [(_state(r), r.id, r.asset, _evidence(r, 2)) for r in verdict.rulings]
        body = [Table(("", "rule", "asset", "evidence"), rows), ""]
    for ruling in verdict.rulings:
        if not ruling.ok:
            body.append(Refused(f"{ruling.id} ({ruling.asset})", _why(ruling), ruling.mend))
        elif ruling.waived:
            body += [f"waived: {ruling.id} ({ruling.asset})", *(f"  {line}" for line in _why(ruling).split("\n"))]
    body += [f"witness {name} did not cosign: {said}" for name, said in (witnesses or {}).items()]
    body += [*([""] if body else []), *(f"not looked at: {line}" for line in judged.gathered.evidence["not_looked_at"])]
    body.append(Pairs([
        ("policy", f"{verdict.policy_name}, {verdict.policy}"), ("model", verdict.subject),
        ("evidence", verdict.evidence), *(("written", path) for path in written),
    ]))  # fmt: skip
    failed = sum(not r.ok for r in verdict.rulings)
    waived = [r.id for r in verdict.rulings if r.waived]
    words = verdict.headline + (f": {failed} of {count(len(verdict.rulings), 'rule')} not met" if failed else "")
    return Answer(
        words + (f" (waived: {', '.join(waived)})" if waived else ""), FINE if verdict.admitted else FOUND,
        verdict.to_json() | {"headline": verdict.headline, "written": [str(p) for p in written],
                             "witnesses_missing": witnesses or {}}, body,
    )  # fmt: skip


def _state(ruling: Ruling) -> str:
    return "waived" if ruling.waived else "holds" if ruling.ok else "FAILS"


def _evidence(ruling: Ruling, most: int) -> str:
    more = f" and {len(ruling.evidence) - most} more" if len(ruling.evidence) > most else ""
    return ", ".join(digest[:16] for digest in ruling.evidence[:most]) + more


def _why(ruling: Ruling) -> str:
    lines = [ruling.why]
    if ruling.missing:
        lines.append(f"missing: {ruling.missing}")
    if ruling.evidence:
        lines.append(f"evidence: {_evidence(ruling, 4)}")
    if ruling.waived:
        lines.append(f"waived by {ruling.waived.get('party')} until {ruling.waived.get('until')}: "
                     f"{ruling.waived.get('reason')}")  # fmt: skip
    return "\n".join(lines)
