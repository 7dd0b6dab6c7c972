"""`countermark seal`: encrypt an asset for recipients, and sign what its ciphertext is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import command, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._seal_options import CIPHERS, Asked, seal_options
from countermark.cli._sealing import identity, sealer
from countermark.cli._show import View, count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.seal import Sealer
    from countermark.seal.fields import Opening
    from countermark.seal.stanza import Recipient

AT_REST = "at rest: whoever opens it holds the plaintext from then on"


@command("seal", examples=[
    "countermark seal model/ --kind model --for owner.sealpub --for plant-7.sealpub",
    "countermark seal photos --kind dataset --for trainer.sealpub --out photos.cmsealed",
    "countermark seal weights.safetensors --kind model --with-passphrase --signing-key statement.pem",
    "countermark seal recipe.toml --kind recipe --field train.learning_rate --field data=auditor --for owner.sealpub --for auditor.sealpub",
])  # fmt: skip
@seal_options
@workspace_options
@with_view
def seal(asked: Asked, workspace: Path | None, passphrase_file: Path | None, view: View) -> Answer:
    """Seal a folder or file, so that only its recipients can open it.

    Writes ASSET.cmsealed and, beside it, its signed .manifest and .recipients; hand over all three. The asset stays as it is.
    Anybody can check the sealed file without a key (`countermark open --check`). Recipients are added and taken out later without
    touching data (`countermark recipients`). With --field, one file ASSET.cmfields shows all other fields, and commits to those sealed.
    """
    by = sealer(asked.signing_key, workspace, passphrase_file)
    recipients = asked.recipients(workspace)
    if asked.named:
        return _fields(asked, recipients, by, _known(asked.before, asked.key, passphrase_file, by))
    return _whole(asked, recipients, by, view)


def _whole(asked: Asked, to: Sequence[Recipient], by: Sealer, view: View) -> Answer:
    from countermark.artefact.walk import measure
    from countermark.lifecycle import seal as stage
    from countermark.seal.writer import Form, chunk_for

    target = asked.target(stage.SUFFIX)
    form = Form(CIPHERS[asked.cipher], chunk_for(asked.kind, *measure(asked.asset)), asked.hashing)
    bound = asked.bound()
    with Bar(view) as bar:
        bar.expect(asked.asset)
        said, listed = stage.seal(
            asked.asset, target, to, by, kind=asked.kind, form=form, licences=bound, progress=bar.files
        )  # fmt: skip
    return Answer(
        f"sealed: {asked.kind} for {count(len(listed.names), 'recipient')}, {target}",
        facts={"file": str(target), "kind": asked.kind, "recipients": list(listed.names), "asset": said.prelude.asset.hex(),
               "root": said.root.hex(), "hash": said.hash, "size": said.size, "protects": "at rest"},
        body=[Pairs([
            ("for", ", ".join(listed.names)), ("asset id", said.prelude.asset.hex()),
            ("hand over", f"{target.name}, {target.name}{stage.MANIFEST}, {target.name}{stage.RECIPIENTS}"),
            ("protects", AT_REST),
        ])],
    )  # fmt: skip


def _fields(asked: Asked, to: Sequence[Recipient], by: Sealer, before: Sequence[Opening]) -> Answer:
    from countermark.lifecycle import seal_recipe

    target = asked.target(seal_recipe.SUFFIX)
    made = seal_recipe.seal(asked.asset, target, _chosen(asked.named, to), by, before=before)
    rows = [
        (".".join(one.path), ", ".join(made.groups[one.group][1].names)) for one in made.fields if one.opening is None
    ]
    return Answer(
        f"sealed: {count(len(rows), 'field')} of {len(made.fields)}, {target}",
        facts={
            "file": str(target),
            "fields": len(made.fields),
            "sealed": [{"path": path, "for": names} for path, names in rows],
        },
        body=[Table(("field", "for"), rows)],
    )


def _chosen(named: Sequence[str], to: Sequence[Recipient]) -> dict[str, list[Recipient]]:
    """Recipients by field, of ``PATH[=NAME,...]``."""
    known = {one.name: one for one in to}
    chosen: dict[str, list[Recipient]] = {}
    for text in named:
        path, equals, names = text.partition("=")
        try:
            chosen[path] = [known[name] for name in names.split(",")] if equals else [*to]
        except KeyError as error:
            raise Unusable(f"{error.args[0]!r:.80} is no recipient", mend="--for NAME.sealpub too") from None
    return chosen


def _known(before: Path | None, key: str | None, passphrase_file: Path | None, by: Sealer) -> Sequence[Opening]:
    """Fields of the version before, which this same sealer signed."""
    if before is None:
        return ()
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle import seal_recipe
    from countermark.seal.manifest import by_keys

    mine = stage.Reader(by_keys(signer.public for signer in by.signers[:1]), by.project)
    return seal_recipe.opened(before, mine, identity(key, False, passphrase_file))[1]
