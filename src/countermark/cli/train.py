"""``countermark train``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option


@click.command("train", context_settings={"ignore_unknown_options": True})
@click.option("--recipe", type=EXISTING, default=Path("recipe.toml"), show_default=True)
@click.option(
    "--out", type=FOLDER, default=Path("model"), show_default=True, help="New folder for what the script writes."
)
@click.option("--plain", is_flag=True, help="Run without confinement where there is none; the statement says so.")
@click.option(
    "--dry-run", is_flag=True, help="Show what the script would be denied, and the recipe line that allows it."
)
@desk_options
@json_option
@click.argument("script", nargs=-1, required=True, type=click.UNPROCESSED)
def command(recipe: Path, out: Path, plain: bool, dry_run: bool, workspace: Path | None, passphrase_file: Path | None,
            as_json: bool, script: tuple[str, ...]) -> None:  # fmt: skip
    """Run an unchanged training script on verified inputs, and sign what came out of what.

    \b
    Examples:
      countermark train --recipe recipe.toml -- python train.py
      countermark train --dry-run -- python train.py
    """
    from countermark.compose import desk
    from countermark.lifecycle import train

    me = desk(workspace, passphrase_file)
    if dry_run:
        told = train.denied(me, recipe, script)
        show.lines(*told)
        show.verdict(
            "nothing was denied" if not told else f"{len(told)} things were denied; nothing was signed", good=not told
        )
        return
    done = train.train(me, recipe, script, out, allow_plain=plain, relay=None if as_json else _relay)
    facts = {
        "model": done.tree.digest, "statement": done.envelope.digest, "file": str(train.beside(out)),
        "hermetic": done.run.level, "reasons": list(done.run.reasons), "metrics": done.said.metrics, "inputs": done.said.inputs,
    }  # fmt: skip
    if as_json:
        show.as_json(facts)
        return
    show.lines(f"model {done.tree.digest}", *(f"  {k} = {v}" for k, v in done.said.metrics.items()))
    show.lines(*(f"not hermetic: {r}" for r in done.run.reasons))
    show.verdict(
        f"hermetic: {done.run.level}; hand {train.beside(out).name} to the ledger's keeper",
        good=done.run.level != "not hermetic",
    )


def _relay(_stream: str, data: bytes) -> None:
    click.echo(show.safe(data.decode(errors="replace")), nl=False)
