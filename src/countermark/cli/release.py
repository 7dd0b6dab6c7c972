"""``countermark release``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, desk_options, json_option


@click.command("release")
@click.argument("model", type=EXISTING)
@click.option("--policy", "policy_file", type=EXISTING, help="Policy (TOML); default: the shipped one.")
@click.option(
    "--evidence", multiple=True, type=EXISTING, help="Statement to enter into the ledger first; may be repeated."
)
@click.option("--explain", is_flag=True, help="Print rule, evidence and what is missing; sign nothing.")
@click.option("--for-auditor", is_flag=True, help="Open the suppliers' deliveries in the passport.")
@click.option("--since", type=int, multiple=True, help="Ledger size that a reader remembers; may be repeated.")
@desk_options
@json_option
def command(model: Path, policy_file: Path | None, evidence: tuple[Path, ...], explain: bool, for_auditor: bool,
            since: tuple[int, ...], workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:  # fmt: skip
    """Judge a model's evidence by policy. Admitted: sign the verdict, an OMS bundle and a passport beside it.

    \b
    Examples:
      countermark release model --explain
      countermark release model --evidence model.training.json --evidence approval.json
    """
    from countermark.cli.policy import read
    from countermark.compose import desk
    from countermark.lifecycle import book, release
    from countermark.lifecycle.desk import read_envelope
    from countermark.policy.verdict import explain as told

    me = desk(workspace, passphrase_file)
    if evidence:
        with me.space.lock():
            book.enter(me, me.trust(), [read_envelope(f) for f in evidence])
    if explain:
        verdict, written = release.judge(me, model, read(policy_file)).verdict, []
    else:
        done = release.release(me, model, read(policy_file), auditor=for_auditor, since=since)
        verdict, written = done.judged.verdict, [p for p in (done.passport, done.oms) if p]
    if as_json:
        show.as_json(verdict.to_json() | {"written": [str(p) for p in written]})
    else:
        if explain or not verdict.admitted:
            show.lines(told(verdict))
        show.lines(*(f"wrote {p}" for p in written))
        waived = [r.id for r in verdict.rulings if r.waived]
        show.verdict(verdict.headline + (f" (waived: {', '.join(waived)})" if waived else ""), good=verdict.admitted)
    if not verdict.admitted:
        raise click.exceptions.Exit(1)
