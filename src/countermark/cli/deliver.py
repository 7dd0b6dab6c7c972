"""``countermark deliver``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, desk_options, json_option, quiet_option


@click.command("deliver")
@click.argument("folder", type=EXISTING)
@click.option("--as", "party", help="Check that the workspace is this party's.")
@click.option("--to", "addressee", help="Whom it is for; default: the project's only data owner.")
@click.option("--dry-run", is_flag=True, help="Show classes, counts and rejects; sign nothing. Needs no workspace.")
@click.option("--replace", is_flag=True, help="This corrects the delivery before it.")
@click.option("--admitted", is_flag=True, help="Write the admitted rows into FOLDER first (data owners).")
@desk_options
@json_option
@quiet_option
def command(folder: Path, party: str | None, addressee: str | None, dry_run: bool, replace: bool, admitted: bool,
            workspace: Path | None, passphrase_file: Path | None, as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Sign a folder for somebody; writes FOLDER.cmdelivery beside it.

    \b
    Examples:
      countermark deliver photos --dry-run
      countermark deliver photos --as acme --to manufacturer
    """
    from countermark.compose import desk, found_desk
    from countermark.errors import Unusable
    from countermark.lifecycle import deliver, rows
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.parcel import beside

    with show.progress("hash", quiet=quiet) as step:

        def tick(files: int, _bytes: int) -> None:
            step("files", files, files)

        if dry_run:
            _dry(deliver.look(folder, _party(found_desk(workspace)), tick), as_json)
            return
        me: Desk = desk(workspace, passphrase_file)
        if party and party != me.party:
            raise Unusable(f"this workspace is {me.party}'s, not {party}'s", mend="--workspace FOLDER")
        if admitted:
            rows.write_training_set(me, folder)
        done = deliver.deliver(me, folder, addressee=addressee or _owner(me), replace=replace, progress=tick)
    said = done.delivery
    if as_json:
        show.as_json({"digest": done.tree.digest, "statement": done.envelope.digest, "file": str(beside(folder)),
                      "sequence": said.context.sequence, "rows": said.rows, "classes": said.classes})  # fmt: skip
        return
    show.lines(
        f"{said.rows} rows of {len(said.classes)} classes, {len(done.tree.entries)} files, {said.total_bytes} bytes"
    )
    show.lines(f"tree {done.tree.digest}")
    show.verdict(
        f"delivery {said.context.sequence} for {said.context.addressee}: send {folder} and {beside(folder).name}",
        good=True,
    )


def _party(me: object) -> object:
    from countermark.errors import CountermarkError
    from countermark.lifecycle.desk import Desk

    if not isinstance(me, Desk):
        return None
    try:
        return me.trust().document.party(me.party)
    except CountermarkError:
        return None


def _owner(me: object) -> str:
    from countermark.errors import Unusable
    from countermark.lifecycle.desk import Desk

    parties = me.trust().document.parties if isinstance(me, Desk) else ()
    owners = [p.id for p in parties if "data-owner" in p.roles]
    if len(owners) != 1:
        raise Unusable("whom is this for?", mend=f"--to one of {', '.join(owners)}")
    return owners[0]


def _dry(outlook: object, as_json: bool) -> None:
    from countermark.lifecycle.deliver import Outlook

    if not isinstance(outlook, Outlook):
        return
    classes = outlook.dataset.classes()
    if as_json:
        show.as_json({"digest": outlook.tree.digest, "classes": classes, "rejects": list(outlook.rejects)})
    else:
        show.lines(f"layout {outlook.dataset.layout}; {sum(classes.values())} rows of {len(classes)} classes")
        show.lines(*(f"  {label:<40} {count}" for label, count in classes.items()))
        show.lines(*(f"reject: {r}" for r in outlook.rejects))
        good = not outlook.rejects
        show.verdict(
            "nothing was signed; this folder can be delivered"
            if good
            else "nothing was signed; mend the rejects first",
            good=good,
        )
    if outlook.rejects:
        raise click.exceptions.Exit(1)
