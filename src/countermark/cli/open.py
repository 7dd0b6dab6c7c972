"""`countermark open`: the plaintext of a sealed asset for one of its recipients, or a check of its ciphertext for anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._sealing import identity, reader
from countermark.cli._show import View, count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.seal import Reader
    from countermark.seal.opened import Opened
    from countermark.seal.stanza import Identity


@command("open", examples=[
    "countermark open model.cmsealed --key plant-7.sealkey --out model",
    "countermark open model.cmsealed --key plant-7.sealkey --signed-by owner.pub --out model",
    "countermark open model.cmsealed --check",
    "countermark open recipe.toml.cmfields --key auditor.sealkey",
    "countermark open weights.safetensors.cmsealed --key owner.sealkey --jwe-key server.key --kid server-1 --out weights.jwe",
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
@click.option("--jwe-key", type=PATH, metavar="FILE", help="Write a JWE (A256KW, A256GCM) of the one file for a server instead; FILE holds "
              "its 32-byte key in hex, mode 0600.")  # fmt: skip
@click.option("--kid", metavar="NAME", default="", help="Name of that key, in clear in the JWE.")
@click.option("--signed-by", type=PATH, multiple=True, metavar="PEM", help="Public statement key that must have sealed it; default: a "
              "party of this workspace's project.")  # fmt: skip
@click.option("--by", metavar="PARTY", help="The only party of the project that may have sealed it.")
@workspace_options
@with_view
def open(  # noqa: A001 - a command is an attribute of its own name
    sealed: Path, key: str | None, with_passphrase: bool, out: Path | None, check: bool, kind: str | None,
    jwe_key: Path | None, kid: str, signed_by: tuple[Path, ...], by: str | None, workspace: Path | None, passphrase_file: Path | None,
    view: View,
) -> Answer:  # fmt: skip
    """Open a sealed asset that this key is a recipient of.

    Nothing is opened without its manifest, signed by whom you trust; nothing is written before every byte of it held. The plaintext
    gets mode 0600. --check is for storage, registries and auditors. Python reads a sealed asset without writing it out: docs/how-to/seal-an-asset.md.
    """
    from countermark.lifecycle import seal as stage

    whom = reader(signed_by, workspace, by)
    if sealed.suffix == ".cmfields":
        return _fields(sealed, whom, None if check else identity(key, with_passphrase, passphrase_file))
    if check:
        if key or with_passphrase or out:
            raise Unusable("--check needs no key and writes nothing", mend="leave the others out")
        with Bar(view) as bar:
            handle = stage.check(sealed, whom, progress=bar.files)
        said = handle.manifest
        return Answer(
            f"unchanged: {said.size} bytes are what {handle.signed_by[:64]} signed",
            facts={"kind": said.kind, "signed_by": handle.signed_by, "sealer": said.sealer, "asset": said.prelude.asset.hex(), "root": said.root.hex(), "manifest": handle.digest,
                   "hash": said.hash, "size": said.size, "recipients": list(handle.recipients.names), "issued": said.issued},
            body=[Pairs([("kind", said.kind), ("sealed for", ", ".join(handle.recipients.names)), ("issued", said.issued),
                         ("ciphertext root", said.root.hex()), ("manifest", handle.digest)])],
        )  # fmt: skip
    mine = identity(key, with_passphrase, passphrase_file)
    with Bar(view) as bar, stage.opened(sealed, whom, mine, kind=kind or "") as files:
        target = out or Path(_plain_name(files.name))
        if jwe_key is not None:
            return _jwe(files, target, jwe_key, kid)
        stage.extract(files, target, progress=bar.files)
        return Answer(
            f"opened: {count(len(files.paths), 'file')}, {target}",
            facts={
                "file": str(target),
                "kind": files.kind,
                "signed_by": files.signed_by,
                "digest": files.digest,
                "files": len(files.paths),
                "size": files.total,
            },
            body=[Pairs([("sealed by", files.signed_by), ("kind", files.kind), ("tree digest", files.digest)])],
        )


def _jwe(files: Opened, target: Path, key: Path, kid: str) -> Answer:
    from countermark import compose
    from countermark.seal import jwe
    from countermark.workspace.disk import Disk

    if not files.single:
        raise Unusable("a JWE holds one file, and this asset is a folder", mend="seal that file by itself")
    if target.exists():
        raise Unusable(f"{target} exists", why="nothing is written over", mend="name another with --out")
    secret = compose.read_secret(key, "key of the server", 128)
    try:
        raw = bytes.fromhex(secret.decode("ascii"))
    except ValueError as error:
        raise Unusable(f"{key.name} does not hold a key in hex", mend="64 hexadecimal digits") from error
    if files.total > jwe.MOST_BYTES:
        raise Unusable(f"{files.total} bytes are too many for a JWE", why=f"at most {jwe.MOST_BYTES}")
    Disk().write(target, jwe.exported(files.view(files.paths[0]), raw, kid=kid))
    return Answer(
        f"exported: {target}, a JWE for the key {kid or '(unnamed)'}",
        facts={"file": str(target), "kid": kid, "digest": files.digest},
        body=["a JWE commits to nothing and is not signed: whoever holds that key can write another"],
    )


def _fields(sealed: Path, whom: Reader, mine: Identity | None) -> Answer:
    """A document with sealed fields: what everybody sees, and what this key opens."""
    from countermark.lifecycle import seal_recipe
    from countermark.seal import fields

    document, who = seal_recipe.verified(sealed, whom)
    known = {one.path: one for one in (fields.opened(document, mine) if mine else ())}
    known.update({one.path: one.opening for one in document.fields if one.opening is not None})
    rows = [
        (".".join(one.path), json.dumps(known[one.path].value) if one.path in known
         else f"sealed for {', '.join(document.groups[one.group][1].names)}", one.digest[:16])
        for one in document.fields
    ]  # fmt: skip
    hidden = len(document.fields) - len(known)
    return Answer(
        f"{'verified' if mine is None else 'opened'}: {count(len(document.fields), 'field')} that {who[:64]} signed, {hidden} sealed",
        facts={"signed_by": who, "issued": document.issued, "value": fields.joined(known.values()),
               "digests": {".".join(one.path): one.digest for one in document.fields}},
        body=[Table(("field", "value", "digest"), rows)],
    )  # fmt: skip


def _plain_name(name: str) -> str:
    """The name inside, where it is one: it comes from whoever sealed the file, and must not lead anywhere else."""
    from countermark.artefact.tree import check_path

    check_path(name)
    if "/" in name or name.startswith("."):
        raise Unusable(f"the asset is called {name!r:.80}", mend="name where to write it: --out PATH")
    return name
