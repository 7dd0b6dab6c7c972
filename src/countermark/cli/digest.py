"""`countermark digest`: the tree digest of any folder or file; needs no workspace."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from countermark.cli._answer import Answer, Pairs, Verbatim
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._rows import of_rows
from countermark.cli._show import View

if TYPE_CHECKING:
    from countermark.artefact.stream import Summary


@command("digest", examples=[
    "countermark digest model/",
    "countermark digest photos --manifest",
    "countermark digest model/ --profile blake3",
    "countermark digest photos --cache ~/.cache/photos.roots",
    "countermark digest shards/ --rows --id key --write shards.cmrows",
])  # fmt: skip
@click.argument("path", type=PATH)
@click.option("--manifest", is_flag=True, help="Print one JSON line per file: [path, size, executable, root].")
@click.option(
    "--profile",
    type=click.Choice(["sha256", "blake3"]),
    default="sha256",
    show_default=True,
    help="The hash; both sides must use the same.",
)
@click.option("--cache", type=PATH, metavar="FILE", help="Remember what was read, and read only what changed since.")
@click.option("--rows", "inside", is_flag=True, help="Digest the rows inside tables and shards instead of files.")
@click.option("--id", "column", metavar="COLUMN", help="With --rows: column that names rows; __key__ for shards.")
@click.option("--write", "file", type=PATH, metavar="FILE", help="With --rows: write the list of rows (.cmrows).")
@with_view
def digest(
    path: Path, manifest: bool, profile: str, cache: Path | None, inside: bool, column: str | None, file: Path | None,
    view: View,
) -> Answer:  # fmt: skip
    """Print the tree digest of a folder or file.

    The digest (cm-tree/v1) binds names, sizes, executable bits and every byte; it says nothing about who made them.
    Memory stays bounded however many files there are. A .dvc pointer stands for the data it names, once its MD5 was
    compared. With --cache, files whose status has not changed are not read again: for your own files, never to check
    somebody else's.

    With --rows, PATH is a Parquet or Arrow file, a WebDataset shard, or a folder of these, and what is printed is the root
    over the ids and digests of its rows (cm-rows/v1), whatever row groups, compression or order the file has. Tables need
    the extra `datasets`.
    """
    if inside:
        _refuse_mixed(profile, cache)
        return of_rows(path, column, file, manifest, view)
    if column is not None or file is not None:
        raise click.UsageError("--id and --write go with --rows")
    from countermark.artefact.pointer import follow
    from countermark.artefact.profile import profile_named
    from countermark.artefact.remembered import remembering
    from countermark.artefact.stream import Outputs, stream_folder

    with contextlib.ExitStack() as opened:
        printed = manifest and (view.json or not view.quiet)
        listing = opened.enter_context(tempfile.TemporaryFile()) if printed else None
        with Bar(view) as bar:
            named = follow(path)
            bar.expect(named)
            used, outputs = profile_named(profile), Outputs(listing)
            with remembering(named, cache, used) as known:
                done = stream_folder(named, profile=used, outputs=outputs, progress=bar.files, known=known)
        opened.pop_all()
    return _answer(done, listing, view)


def _refuse_mixed(profile: str, cache: Path | None) -> None:
    if profile != "sha256" or cache is not None:
        raise click.UsageError("--rows reads every row under SHA-256: no --profile, no --cache")


def _answer(done: Summary, listing: IO[bytes] | None, view: View) -> Answer:
    facts: dict[str, Any] = {
        "digest": done.digest, "files": done.files, "bytes": done.total_bytes, "profile": done.profile.name,
    }  # fmt: skip
    if listing is not None and view.json:
        from countermark.artefact.stream import manifest_entries

        with listing:
            listing.seek(0)
            facts["manifest"] = [entry.to_json() for entry in manifest_entries(listing)]
    body = [Verbatim(_lines(listing) if listing else ()),
            Pairs([("files", done.files), ("bytes", done.total_bytes), ("profile", done.profile.name)])]  # fmt: skip
    return Answer(done.digest, facts=facts, body=body)


def _lines(listing: IO[bytes]) -> Iterator[str]:
    with listing:
        listing.seek(0)
        for line in listing:
            yield line.decode().rstrip("\n")
