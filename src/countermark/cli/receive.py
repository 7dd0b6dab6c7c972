"""``countermark receive``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option, quiet_option


@click.command("receive")
@click.argument("folder", type=EXISTING, required=False)
@click.option(
    "--contract", type=EXISTING, help="Contract (JSON or TOML); default: contract.json or .toml beside the workspace."
)
@click.option("--answer", type=FOLDER, help="Where to write the signed answer for the supplier.")
@click.option("--list", "listing", is_flag=True, help="List what was received so far.")
@click.option("--finish", is_flag=True, help="Finish or clear what a crash left behind.")
@desk_options
@json_option
@quiet_option
def command(folder: Path | None, contract: Path | None, answer: Path | None, listing: bool, finish: bool,
            workspace: Path | None, passphrase_file: Path | None, as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Verify a delivery: signature, trust, scope, files, contract, pictures. Admit or refuse it, and answer.

    \b
    Examples:
      countermark receive inbox/photos --answer answer.json
      countermark receive --list
    """
    from countermark.compose import desk
    from countermark.errors import Unusable
    from countermark.lifecycle import receive

    me = desk(workspace, passphrase_file)
    if finish:
        show.verdict(f"{receive.finish(me)} interrupted receptions finished", good=True)
    if listing:
        found = [_facts(r) for r in receive.received(me)]
        show.as_json({"deliveries": found}) if as_json else show.lines(
            *(
                f"{f['supplier']:<24} {f['sequence']:>3}  {f['state']:<9} {f['rows']:>6} rows  {'; '.join(f['reasons'][:1])}"
                for f in found
            )
        )
    if folder is None:
        if not (finish or listing):
            raise Unusable("which folder?", mend="countermark receive FOLDER")
        return
    with show.progress("receive", quiet=quiet) as step:
        done = receive.receive(
            me, folder, examine=_door(me.space.root, contract), progress=lambda n, _b: step("files", n, n)
        )
    if answer and done.answer:
        answer.write_bytes(done.answer.to_bytes())
    _tell(done, as_json)


def _door(root: Path, contract: Path | None) -> Any:
    from countermark.lifecycle.contract import Door

    return Door(find_contract(root, contract))


def find_contract(root: Path, contract: Path | None) -> Any:
    """The contract named, or the one beside the workspace, or an open one."""
    from countermark.lifecycle.contract import Contract, parse
    from countermark.lifecycle.desk import read_file

    path = contract or next((p for p in (root / "contract.json", root / "contract.toml") if p.exists()), None)
    return parse(read_file(path), toml=path.suffix == ".toml") if path else Contract()


def _facts(done: Any) -> dict[str, Any]:
    return {
        "supplier": done.supplier, "state": done.state, "reasons": list(done.reasons), "rows": done.rows,
        "sequence": done.parcel.delivery.context.sequence if done.parcel else 0,
        "digest": done.parcel.tree.digest if done.parcel else "",
    }  # fmt: skip


def _tell(done: Any, as_json: bool) -> None:
    if as_json:
        show.as_json(_facts(done))
    else:
        show.lines(*done.reasons)
        kept = "kept aside" if done.state == "refused" and done.folder else "admitted and logged"
        what = kept if done.answer else "only its digest and the reason were kept"
        show.verdict(f"{done.state}: {done.supplier}, {done.rows} rows; {what}", good=done.state == "admitted")
    if done.state != "admitted":
        raise click.exceptions.Exit(1)
