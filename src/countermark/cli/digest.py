"""``countermark digest``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, json_option, quiet_option


@click.command("digest")
@click.argument("path", type=EXISTING)
@json_option
@quiet_option
def command(path: Path, as_json: bool, quiet: bool) -> None:
    """Print the tree digest of a file or folder (cm-tree/v1).

    \b
    Example:
      countermark digest photos/
    """
    from countermark.artefact.folder import read_folder

    with show.progress("hash", quiet=quiet) as step:
        tree = read_folder(path, progress=lambda files, _bytes: step("files", files, files))
    if as_json:
        show.as_json({"digest": tree.digest, "files": len(tree.entries), "bytes": tree.total_bytes})
    else:
        show.lines(f"{tree.digest}  {path}")
