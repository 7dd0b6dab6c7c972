"""``countermark inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option


@click.command("inspect")
@click.argument("path", type=EXISTING)
@click.option("--sign", "out", type=FOLDER, help="Sign the result as this workspace's party, into a file.")
@desk_options
@json_option
def command(path: Path, out: Path | None, workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Read model files to the last byte, executing nothing. Exit 0 only if every model file is proven.

    \b
    Examples:
      countermark inspect model/
      countermark inspect model/ --sign inspection.json
    """
    if out:
        from countermark.compose import desk
        from countermark.lifecycle.inspect import inspect

        done = inspect(desk(workspace, passphrase_file), path)
        out.write_bytes(done.envelope.to_bytes())
        result = done.inspection
    else:
        from countermark.checks.model.inspect import inspect_path

        result = inspect_path(path)
    if as_json:
        show.as_json(result.to_json())
    else:
        show.lines(*(f"{f.answer:<18} {f.format:<14} {f.path}  {f.why}" for f in result.files))
        show.findings(result.findings)
        words = {0: "proven: loads without running code; says nothing about behaviour", 1: "refused", 3: "unproven"}
        show.verdict(words[result.exit_code], good=result.exit_code == 0)
    if result.exit_code:
        raise click.exceptions.Exit(result.exit_code)
