"""``countermark ledger``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option


@click.group("ledger")
def command() -> None:
    """Enter statements into the project's ledger, show and check it (its keeper only).

    \b
    Examples:
      countermark ledger add model.training.json inspection.json --slips slips/
      countermark ledger show
      countermark ledger check
    """


@command.command("add")
@click.argument("files", nargs=-1, required=True, type=EXISTING)
@click.option("--slips", type=FOLDER, help="Folder for the receipts, to hand back.")
@desk_options
@json_option
def add(
    files: tuple[Path, ...], slips: Path | None, workspace: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Enter statements that other parties handed in."""
    from countermark.compose import desk
    from countermark.ledger.receipt import Receipt
    from countermark.lifecycle import book
    from countermark.lifecycle.desk import read_envelope

    me = desk(workspace, passphrase_file)
    with me.space.lock():
        entered = book.enter(me, me.trust(), [read_envelope(f) for f in files])
    if slips:
        slips.mkdir(parents=True, exist_ok=True)
        for file, slip in zip(files, entered, strict=True):
            (slips / f"{file.stem}.slip.json").write_bytes(slip.to_bytes())
    indices = [Receipt.from_bytes(s.receipt or b"").index for s in entered]
    if as_json:
        show.as_json({"entries": [{"file": str(f), "index": i} for f, i in zip(files, indices, strict=True)]})
        return
    show.lines(*(f"{i:>8}  {f}" for f, i in zip(files, indices, strict=True)))
    show.verdict(f"{len(files)} statements stand in the ledger", good=True)


@command.command("show")
@desk_options
@json_option
def show_(workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Show the newest checkpoint and what was entered here."""
    from countermark.compose import desk
    from countermark.lifecycle import book

    me = desk(workspace, passphrase_file)
    with book.ledger(me, me.trust()) as log:
        head = log.checkpoint
    facts = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    if as_json:
        show.as_json(facts)
        return
    show.lines(*(f"{k:<8} {v}" for k, v in facts.items()))
    show.verdict("unwitnessed: the operator could rewrite this history", good=True)


@command.command("check")
@desk_options
@json_option
def check(workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Recompute the whole log from its entries and compare it with its signed checkpoint."""
    from countermark.compose import desk
    from countermark.ledger.audit import audit
    from countermark.ledger.stores.files import FileStore
    from countermark.passport.slip import ledger_note_key

    me = desk(workspace, passphrase_file)
    done = audit(FileStore.reading(me.space.home / "ledger"), ledger_note_key(me.trust()))
    size = done.checkpoint.size
    if as_json:
        show.as_json({"size": size, "root": done.checkpoint.root.hex()})
        return
    show.verdict(f"{size} entries lead to the signed root {done.checkpoint.root.hex()[:16]}...", good=True)
