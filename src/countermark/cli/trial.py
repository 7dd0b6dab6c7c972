"""``countermark trial``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option, quiet_option


@click.command("trial")
@click.argument("model", type=EXISTING)
@click.option("--images", type=EXISTING, required=True, help="Test pictures, a folder per class.")
@click.option("--queries", type=int, help="Budget of each trial; default: enough to run to the end.")
@click.option("--seconds", type=float, default=300.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--sign", "out", type=FOLDER, help="Sign the result as this workspace's party, into a file.")
@desk_options
@json_option
@quiet_option
def command(model: Path, images: Path, queries: int | None, seconds: float, seed: int, out: Path | None,
            workspace: Path | None, passphrase_file: Path | None, as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Attack a model under a budget and a seed: evasion (Square) and extraction.

    \b
    Examples:
      countermark trial model/ --images test/
      countermark trial model/ --images test/ --sign trials.json
    """
    from countermark.lifecycle import trial
    from countermark.trials.target import Budget

    with show.progress("trial", quiet=quiet) as step:
        pictures, classes = trial.read_pictures(images)
        budget = Budget(queries, seconds) if queries else None
        tried = trial.attempt(trial.read_model(model), pictures, classes, seed=seed, budget=budget,
                              progress=lambda what: step(what, 0, 1))  # fmt: skip
    if out:
        from countermark.compose import desk

        out.write_bytes(trial.sign(desk(workspace, passphrase_file), model.name, tried).to_bytes())
    done = all(r.completed for r in tried.results)
    if as_json:
        show.as_json({"model": tried.digest, "trials": {r.id: r.to_json() for r in tried.results}})
    else:
        for r in tried.results:
            show.lines(
                f"{r.id}  seed {r.seed}, {r.used} of {r.budget.queries} queries, {'ran to its end' if r.completed else 'ENDED BY ITS BUDGET'}"
            )
            for m in r.outcome.measures:
                interval = f"  [{m.low:.3f}, {m.high:.3f}]" if m.low is not None and m.high is not None else ""
                show.lines(f"    {m.name:<46} {m.value:.3f}{interval}")
        show.verdict("measured; a policy judges" if done else "not every trial ran to its end", good=done)
    if not done:
        raise click.exceptions.Exit(3)
