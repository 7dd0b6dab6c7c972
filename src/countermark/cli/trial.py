"""`countermark trial`: attack a model under a budget and a seed."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import FINE, INCONCLUSIVE, Answer, Table
from countermark.cli._command import PATH, command, sitting, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._show import View, figure


@command("trial", examples=[
    "countermark trial model/ --images test/",
    "countermark trial model/ --images test/ --queries 2000 --sign trials.json",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--images", type=PATH, required=True, metavar="DIR", help="Test pictures, a folder per class.")
@click.option("--queries", type=click.IntRange(1), metavar="N", help="Budget of each trial (default: enough to end).")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=300.0, show_default=True,
              help="With --queries: wall time of each trial.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--sign", "out", type=PATH, metavar="FILE", help="Sign the result as this workspace's party.")
@workspace_options
@with_view
def trial(
    model: Path, images: Path, queries: int | None, seconds: float, seed: int, out: Path | None,
    workspace: Path | None, passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Attack a model as a stranger with queries could: evasion (Square) and extraction.

    MODEL holds model.onnx, which takes pictures (n, height, width, 3) and gives a score per class, and labels.json, the
    class names in score order. The shipped policy asks for extraction by 300 queries, which takes 500 test pictures. A
    trial measures; only a policy judges what it measured.
    """
    from countermark.lifecycle import trial as stage
    from countermark.trials.target import Budget

    desk = sitting(workspace, passphrase_file) if out is not None else None
    with Bar(view) as bar:
        budget = Budget(queries, seconds) if queries else None
        with stage.read_model(model) as read:
            pictures, classes = stage.read_pictures(images, stage.picture_size(read.network.input_shape))
            tried = stage.attempt(read, pictures, classes, seed=seed, budget=budget,
                                  progress=lambda what: bar.tick(what, 0))  # fmt: skip
    if desk is not None and out is not None:
        desk.space.disk.write(out, stage.sign(desk, model.name, tried).to_bytes(), mode=0o644)
    rows = [
        (r.id, m.name, f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}")
        if m.low is not None and m.high is not None
        else (r.id, m.name, figure(m.value), "")
        for r in tried.results for m in r.outcome.measures
    ]  # fmt: skip
    cut = [f"{r.id}: {getattr(r.outcome, 'reason', 'ended by its budget')}" for r in tried.results if not r.completed]
    body = [
        Table(("trial", "measure", "value", "95 % interval"), rows), "",
        *(f"{r.id}: seed {r.seed}, {r.used} of {r.budget.queries} queries" for r in tried.results),
        *([f"written: {out}"] if out else []),
    ]  # fmt: skip
    return Answer(
        f"inconclusive: {'; '.join(cut)}" if cut else "measured: every trial ran to its end; a policy judges",
        INCONCLUSIVE if cut else FINE,
        {"model": tried.digest, "trials": {r.id: r.to_json() for r in tried.results}, "signed": str(out) if out else None},
        body,
    )  # fmt: skip
