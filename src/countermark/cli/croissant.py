"""`countermark croissant`: data sets as Croissant documents describe them, out and in."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count

ABOUT = {
    "license": "license",
    "url": "url",
    "creator": "creator",
    "published": "datePublished",
    "description": "description",
}


@click.group()
def croissant() -> None:
    """Croissant documents (MLCommons), out and in."""


@command("export", group=croissant, examples=[
    "countermark croissant export photos",
    "countermark croissant export photos --license https://spdx.org/licenses/CC-BY-4.0 --creator 'Acme Screws Ltd'",
])  # fmt: skip
@click.argument("folder", type=PATH)
@click.option(
    "--out", type=PATH, metavar="FILE", help="The document (default: FOLDER.croissant.json, beside the folder)."
)
@click.option("--license", metavar="URL", help="Licence of the data; Croissant asks for it.")
@click.option("--creator", metavar="NAME", help="Organisation that made the data; Croissant asks for it.")
@click.option("--published", metavar="DATE", help="When it was published (2026-01-31); Croissant asks for it.")
@click.option("--url", metavar="URL", help="Page about the data; Croissant asks for it.")
@click.option("--description", metavar="TEXT", help="What the data are.")
@with_view
def export(folder: Path, out: Path | None, view: View, **about: str | None) -> Answer:
    """Describe a folder in Croissant 1.1: each file with its SHA-256 and size, its rows and labels, and its tree digest.

    The document lies beside the folder, never in it, and is not signed: `countermark deliver` signs the folder. Columns of
    tables are described too (extra `datasets`).
    """
    from countermark.lifecycle import croissant as stage
    from countermark.lifecycle import parcel
    from countermark.workspace.disk import Disk

    file = out or folder.with_name(f"{parcel.name(folder)}.croissant.json")
    with Bar(view) as bar:
        bar.expect(folder)
        said = {ABOUT[name]: value for name, value in about.items() if value}
        done = stage.write(folder, said, file, bar.files)
    Disk().write(file, done.data, mode=0o644)
    files, lacking = len(done.said.files), [name for name in ABOUT.values() if name not in said]
    return Answer(
        f"written: {file}, {count(files, 'file')}, tree {done.tree.digest}",
        facts={
            "file": str(file),
            "digest": done.tree.digest,
            "files": files,
            "rows": len(done.said.labels),
            "lacking": lacking,
        },
        body=[
            Pairs([("files", files), ("rows", len(done.said.labels)), ("not said", ", ".join(lacking) or "nothing")])
        ],
    )


@command("import", group=croissant, examples=["countermark croissant import photos.croissant.json received"])
@click.argument("document", type=PATH)
@click.argument("folder", type=PATH)
@with_view
def import_(document: Path, folder: Path, view: View) -> Answer:
    """Make a folder that can be delivered of the files that a Croissant document names beside it.

    Every file is compared with the SHA-256 that the document names; one without, one that lies elsewhere, and one in an
    archive are refused, and nothing is ever fetched. FOLDER must not exist. Tables and shards are copied as they are:
    `countermark convert` makes rows of them.
    """
    from countermark.lifecycle import croissant as stage

    with Bar(view) as bar:
        done = stage.read(document, folder, progress=bar.files)
    files = len(done.tree.entries)
    facts = {
        "folder": str(folder),
        "digest": done.tree.digest,
        "files": files,
        "classes": done.classes,
        "named": done.said.tree,
    }
    told = "the tree that it names" if done.said.tree else "it names no tree"
    return Answer(f"copied and compared: {count(files, 'file')}; {told}", facts=facts,
                  body=[Table(("class", "rows"), list(done.classes.items())), Pairs([("tree", done.tree.digest)])])  # fmt: skip
