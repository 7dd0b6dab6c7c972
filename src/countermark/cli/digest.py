"""`countermark digest`: the tree digest of any folder or file; needs no workspace."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs, Verbatim
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View


@command("digest", examples=[
    "countermark digest model/",
    "countermark digest photos --manifest",
])  # fmt: skip
@click.argument("path", type=PATH)
@click.option("--manifest", is_flag=True, help="Print one JSON line per file: [path, size, executable, root].")
@with_view
def digest(path: Path, manifest: bool, view: View) -> Answer:
    """Print the tree digest of a folder or file.

    The digest (cm-tree/v1) binds names, sizes, executable bits and every byte; it says nothing about who made them.
    A .dvc pointer stands for the data it names, once its MD5 was compared.
    """
    from countermark.artefact.folder import read_folder
    from countermark.artefact.pointer import follow

    with Bar(view) as bar:
        tree = read_folder(follow(path), progress=bar.files)
    lines = tree.manifest().decode().splitlines() if manifest else []
    return Answer(
        tree.digest,
        facts={"digest": tree.digest, "files": len(tree.entries), "bytes": tree.total_bytes}
        | ({"manifest": [e.to_json() for e in tree.entries]} if manifest else {}),
        body=[Verbatim(lines), Pairs([("files", len(tree.entries)), ("bytes", tree.total_bytes)])],
    )
