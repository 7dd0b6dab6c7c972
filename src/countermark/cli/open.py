"""`countermark open`: the plaintext of a sealed asset for one of its recipients, or a check of its ciphertext for anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import command, with_view, workspace_options
from countermark.cli._open_options import Asked, open_options
from countermark.cli._progress import Bar
from countermark.cli._sealing import identity, reader, refuse_missing
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
@open_options
@workspace_options
@with_view
def open(asked: Asked, workspace: Path | None, passphrase_file: Path | None, view: View) -> Answer:  # noqa: A001 - a command is an attribute of its own name
    """Open a sealed asset that this key is a recipient of.

    Nothing is opened without its manifest, signed by whom you trust; nothing is written before every byte of it held. The plaintext
    gets mode 0600. --check is for storage, registries and auditors. Python reads a sealed asset without writing it out: docs/how-to/seal-an-asset.md.
    """
    whom = reader(asked.signed_by, workspace, asked.by)
    refuse_missing(asked.sealed)
    if asked.sealed.suffix == ".cmfields":
        mine = None if asked.check else identity(asked.key, asked.with_passphrase, passphrase_file)
        return _fields(asked.sealed, whom, mine)
    if asked.check:
        asked.refuse_beside_check()
        return _checked(asked.sealed, whom, view)
    return _opened(asked, whom, identity(asked.key, asked.with_passphrase, passphrase_file), view)


def _checked(sealed: Path, whom: Reader, view: View) -> Answer:
    from countermark.lifecycle import seal as stage

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


def _opened(asked: Asked, whom: Reader, mine: Identity, view: View) -> Answer:
    from countermark.lifecycle import seal as stage

    with Bar(view) as bar, stage.opened(asked.sealed, whom, mine, kind=asked.kind or "") as files:
        target = asked.out or Path(_plain_name(files.name))
        if asked.jwe_key is not None:
            return _jwe(files, target, asked.jwe_key, asked.kid)
        stage.extract(files, target, progress=bar.files)
        return Answer(
            f"opened: {count(len(files.paths), 'file')}, {target}",
            facts={"file": str(target), "kind": files.kind, "signed_by": files.signed_by, "digest": files.digest,
                   "files": len(files.paths), "size": files.total},
            body=[Pairs([("sealed by", files.signed_by), ("kind", files.kind), ("tree digest", files.digest)])],
        )  # fmt: skip


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
