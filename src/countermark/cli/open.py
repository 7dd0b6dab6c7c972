"""`countermark open`: the plaintext of a sealed asset for one of its recipients, or a check of its ciphertext for anybody."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._sealing import identity, reader
from countermark.cli._show import View, count
from countermark.errors import Unusable


@command("open", examples=[
    "countermark open model.cmsealed --key plant-7.sealkey --out model",
    "countermark open model.cmsealed --key plant-7.sealkey --signed-by owner.pub --out model",
    "countermark open model.cmsealed --check",
])  # fmt: skip
@click.argument("sealed", type=PATH)
@click.option("--key", metavar="KEY", help="A .sealkey file, or the URI of a key in a trusted element.")
@click.option("--with-passphrase", is_flag=True, help="It was sealed for a passphrase.")
@click.option(
    "--out", type=PATH, metavar="PATH", help="Folder or file to write; default: the name that was sealed, here."
)
@click.option(
    "--check",
    is_flag=True,
    help="Read the whole ciphertext and hold it against its manifest; needs no key, writes nothing.",
)
@click.option(
    "--kind", type=click.Choice(["model", "dataset", "recipe", "other"]), help="Refuse an asset of another kind."
)
@click.option("--signed-by", type=PATH, multiple=True, metavar="PEM", help="Public statement key that must have sealed it; default: a "
              "party of this workspace's project.")  # fmt: skip
@workspace_options
@with_view
def open(  # noqa: A001 - a command is an attribute of its own name
    sealed: Path, key: str | None, with_passphrase: bool, out: Path | None, check: bool, kind: str | None,
    signed_by: tuple[Path, ...], workspace: Path | None, passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Open a sealed asset that this key is a recipient of.

    Nothing is opened without its manifest, signed by whom you trust; nothing is written before every byte of it held. The plaintext
    gets mode 0600. --check is for storage, registries and auditors. Python reads a sealed asset without writing it out: docs/how-to/seal-an-asset.md.
    """
    from countermark.lifecycle import seal as stage

    whom = reader(signed_by, workspace)
    if check:
        if key or with_passphrase or out:
            raise Unusable("--check needs no key and writes nothing", mend="leave the others out")
        with Bar(view) as bar:
            handle = stage.check(sealed, whom, progress=bar.files)
        said = handle.manifest
        return Answer(
            f"unchanged: {said.size} bytes are what {handle.signed_by[:64]} sealed",
            facts={"kind": said.kind, "signed_by": handle.signed_by, "asset": said.prelude.asset.hex(), "root": said.root.hex(),
                   "hash": said.hash, "size": said.size, "recipients": list(handle.recipients.names), "issued": said.issued},
            body=[Pairs([("kind", said.kind), ("sealed for", ", ".join(handle.recipients.names)), ("issued", said.issued)])],
        )  # fmt: skip
    mine = identity(key, with_passphrase, passphrase_file)
    with Bar(view) as bar, stage.opened(sealed, whom, mine, kind=kind or "") as files:
        target = out or Path(_plain_name(files.name))
        stage.extract(files, target, progress=bar.files)
        return Answer(
            f"opened: {count(len(files.paths), 'file')}, {target}",
            facts={
                "file": str(target),
                "kind": files.kind,
                "digest": files.digest,
                "files": len(files.paths),
                "size": files.total,
            },
            body=[Pairs([("tree digest", files.digest), ("kind", files.kind)])],
        )


def _plain_name(name: str) -> str:
    """The name inside, where it is one: it comes from whoever sealed the file, and must not lead anywhere else."""
    from countermark.artefact.tree import check_path

    check_path(name)
    if "/" in name or name.startswith("."):
        raise Unusable(f"the asset is called {name!r:.80}", mend="name where to write it: --out PATH")
    return name
