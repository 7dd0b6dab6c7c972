"""`countermark train`: run the user's unchanged script on verified inputs, and sign what came out of what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View
from countermark.cli._under_seal import policy_digest, under_seal_of, under_seal_options

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.train import Trained
    from countermark.sandbox.dry_run import DryRun


@command("train", examples=[
    "countermark train --recipe recipe.toml -- python train.py",
    "countermark train --dry-run -- python train.py",
    "countermark train --claims -- python train.py",
    "countermark train --sealed train --broker https://vault.example:8767 --with trainer.hostkey --seal-for owner.sealpub -- python train.py",
])  # fmt: skip
@click.option("--recipe", type=PATH, metavar="FILE", default=Path("recipe.toml"), show_default=True)
@click.option("--out", type=PATH, metavar="DIR", default=Path("model"), show_default=True,
              help="New folder for what the script writes.")  # fmt: skip
@click.option("--plain", is_flag=True, help="Run without confinement where there is none; the statement then says "
              "`not hermetic`, and the shipped policy refuses it without a waiver.")  # fmt: skip
@click.option(
    "--dry-run", is_flag=True, help="Show what the script would be denied, and the recipe line that allows it."
)
@under_seal_options
@click.argument("script", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@with_view
@with_desk
def train(
    recipe: Path, out: Path, plain: bool, dry_run: bool, seal: Mapping[str, Any], script: tuple[str, ...], desk: Desk, view: View
) -> Answer:  # fmt: skip
    """Run an unchanged training script on verified inputs, and sign what came out of what.

    The recipe declares inputs, code, output folder and limits. A probe first shows that nothing else can be read or
    sent; then the script runs. The signed statement lies beside the model as OUT.training.json. Under seal (--sealed) inputs are opened
    in memory, with keys that a broker gives for exactly this run, and the model is written as OUT.cmsealed.
    """
    from countermark.lifecycle import train as stage

    if seal["show_claims"]:
        return _claimed(stage.claims(desk, recipe, script, policy_digest(desk)))
    if dry_run:
        with Bar(view) as bar:
            return _denied(stage.rehearse(desk, recipe, script, bar.step))

    watched = not (view.json or view.quiet)
    under = under_seal_of(desk, seal)
    with Bar(view) as bar:

        def relay(stream: str, data: bytes) -> None:
            for line in data.decode(errors="backslashreplace").splitlines():
                bar.say(f"{stream}: {line}")

        done = stage.train(
            desk, recipe, script, out, allow_plain=plain, relay=relay if watched else None, under=under, step=bar.step
        )
    return _told(done, stage.beside(out))


def _told(done: Trained, file: Path) -> Answer:
    run, said = done.run, done.said
    facts = {
        "model": done.tree.digest, "statement": done.envelope.digest, "file": str(file), "hermetic": run.level,
        "reasons": list(run.reasons), "metrics": said.metrics, "inputs": said.inputs, "recipe": said.recipe,
        "seconds": round(run.seconds, 3),
    }  # fmt: skip
    if done.room is not None:
        facts |= {"protection": done.room.protection, "ways": list(done.room.ways), "sealed": str(done.folder)}
    body = [
        Table(("input", "digest"), list(said.inputs.items())), "",
        Pairs([("model", done.tree.digest), ("recipe", said.recipe), *((k, f"{v:.6g}") for k, v in said.metrics.items()),
               *([("protects", done.room.protection)] if done.room else []),
               *((f"not hermetic {n}", r) for n, r in enumerate(run.reasons, 1))]),
    ]  # fmt: skip
    verdict = f"trained: hermetic {run.level}" if run.level != "not hermetic" else "trained, but not hermetic"
    return Answer(
        f"{verdict}; hand {file} to the ledger's keeper",
        FINE if run.level != "not hermetic" else INCONCLUSIVE,
        facts,
        body,
    )


def _claimed(claims: Mapping[str, str]) -> Answer:
    return Answer(f"claims: {{ {', '.join(f'{n} = {v!r}' for n, v in claims.items())} }}".replace("'", '"'),
                  facts={"claims": dict(claims)}, body=[Pairs(list(claims.items()))])  # fmt: skip


def _denied(run: DryRun) -> Answer:
    rows = [(d.kind, d.what, d.recipe) for d in run.denied]
    ended = f"the script ended with code {run.returncode}"
    last = run.stderr.strip().splitlines()[-3:] if run.returncode else []
    return Answer(
        f"{len(rows)} things would be denied; nothing was signed" if rows else f"nothing was denied; {ended}",
        FOUND if rows else FINE if run.returncode == 0 else INCONCLUSIVE,
        {"denied": [{"kind": k, "what": w, "recipe": r} for k, w, r in rows], "returncode": run.returncode,
         "cannot_tell": run.cannot_tell},
        [Table(("kind", "what", "to allow it"), rows), *last, f"cannot tell: {run.cannot_tell}"],
    )  # fmt: skip
