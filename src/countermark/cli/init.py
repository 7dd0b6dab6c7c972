"""``countermark init``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, json_option


@click.command("init")
@click.argument("name")
@click.option("--role", "roles", multiple=True, default=("supplier",), show_default=True, help="Role; may be repeated.")
@click.option("--organisation", default="", help="Name for people; default: NAME.")
@click.option("--ledger", is_flag=True, help="This party will keep the project's ledger.")
@click.option("--algorithm", type=click.Choice(["ed25519", "ecdsa-p256"]), default="ed25519", show_default=True)
@click.option("--passphrase-file", type=EXISTING, help="File whose first line protects the keys.")
@click.option("--in", "folder", type=FOLDER, default=Path(), help="Folder of the new workspace.")
@json_option
def command(name: str, roles: tuple[str, ...], organisation: str, ledger: bool, algorithm: str,
            passphrase_file: Path | None, folder: Path, as_json: bool) -> None:  # fmt: skip
    """Make a workspace and single-use keys for one party, and the file that enrols it.

    \b
    Examples:
      countermark init acme
      countermark init manufacturer --role data-owner --role model-owner --ledger
    """
    from countermark.compose import at, read_passphrase
    from countermark.errors import Unusable
    from countermark.keys.trust import ROLES
    from countermark.lifecycle import enrol
    from countermark.workspace.place import Workspace

    enrol.unusable_name(name)
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise Unusable(f"unknown role {unknown[0]!r}", mend=f"one of {', '.join(ROLES)}")
    folder.mkdir(parents=True, exist_ok=True)
    space = Workspace.create(folder, {"id": name, "name": organisation or name, "organisation": organisation or name})
    phrase = read_passphrase(passphrase_file) if passphrase_file else None
    for use in enrol.uses_for(roles, ledger=ledger):
        enrol.new_key(space, use, algorithm, phrase)  # type: ignore[arg-type]
    file = folder / f"{name}.enrol.json"
    file.write_bytes(enrol.enrolment(at(space, passphrase_file)).to_bytes())
    if as_json:
        show.as_json({"party": name, "workspace": str(space.home), "enrolment": str(file)})
        return
    show.lines(f"workspace {space.home}", f"keys {', '.join(enrol.uses_for(roles, ledger=ledger))}, mode 0600")
    show.verdict(f"hand {file} to the owners: they enrol you with `countermark party add {file.name}`", good=True)
