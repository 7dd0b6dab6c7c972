"""`countermark proof`: that some files, or some bytes of one, belong to a tree of which only the digest is known."""

from __future__ import annotations

from pathlib import Path

import click

from countermark import compose
from countermark.cli._answer import INCONCLUSIVE, Answer, Pairs
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count
from countermark.errors import Unusable


@click.group()
def proof() -> None:
    """That some files, or some bytes of one, belong to a tree of which only the digest is known."""


def _span(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """``START:STOP`` in bytes, STOP not included."""
    if value is None:
        return None
    start, colon, stop = value.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise click.BadParameter("say START:STOP in bytes, as in 4096:8192")
    return int(start), int(stop)


@command("make", group=proof, examples=[
    "countermark proof make model/ weights/layer-7.safetensors --out layer-7.cmproof",
    "countermark proof make model/ weights.safetensors --range 8:65536 --out header.cmproof",
])  # fmt: skip
@click.argument("folder", type=PATH)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--range", "span", callback=_span, metavar="START:STOP", help="Only these bytes of one file.")
@click.option("--profile", type=click.Choice(["sha256", "blake3"]), default="sha256", show_default=True,
              help="The hash that the digest was made under.")  # fmt: skip
@click.option("--out", type=PATH, required=True, metavar="FILE", help="Where to write the proof.")
@with_view
def make(
    folder: Path, names: tuple[str, ...], span: tuple[int, int] | None, profile: str, out: Path, view: View
) -> Answer:
    """Digest FOLDER, and write a proof that the files NAME (or all files below a folder NAME) belong to that digest.

    Who has the proof and the digest checks these files without the others: a supplier shows one picture, an owner one
    layer. The whole folder is read here, once.
    """
    from countermark.artefact.profile import profile_named
    from countermark.lifecycle.prove import Part, proof_of
    from countermark.workspace.disk import Disk

    with Bar(view) as bar:
        bar.expect(folder)
        summary, made = proof_of(folder, Part(names, span), profile_named(profile), bar.files)
    data = made.to_bytes()
    Disk().write(out, data, mode=0o644)
    facts = {
        "digest": summary.digest,
        "files": len(made.entries),
        "of": summary.files,
        "bytes": len(data),
        "file": str(out),
    }
    return Answer(
        f"written: {out}, {count(len(made.entries), 'file')} of {summary.files} in {summary.digest}", facts=facts,
        body=[Pairs([("tree digest", summary.digest), ("proof", f"{len(data)} bytes, {len(made.hashes)} hashes")])],
    )  # fmt: skip


@command("check", group=proof, examples=[
    "countermark proof check layer-7.safetensors layer-7.cmproof --about model.slip.json",
    "countermark proof check model/ layer-7.cmproof --digest 5f0c...",
])  # fmt: skip
@click.argument("path", type=PATH)
@click.argument("file", type=PATH, metavar="PROOF")
@click.option("--about", type=PATH, metavar="SLIP", help="The statement that names the digest, verified here.")
@click.option("--digest", metavar="HEX", help="The digest, where you have it from elsewhere.")
@click.option("--workspace", type=PATH, metavar="DIR", help="Whose pin counts for --about (default: here, or above).")
def check(path: Path, file: Path, about: Path | None, digest: str | None, workspace: Path | None) -> Answer:
    """Verify the files, or the bytes, that PROOF is about; nothing else below PATH is read.

    0: a statement that counts here names the tree. 1: refused. 3: they belong to the digest, and who vouches for the
    digest is not shown.
    """
    from countermark.lifecycle import prove
    from countermark.lifecycle.verify import read_slip

    if (about is None) == (digest is None):
        raise Unusable("which tree is not said", mend="--about SLIP, or --digest HEX")
    signer, kind, tree = None, "", (digest or "").lower()
    if about is not None:
        said = read_slip(compose.desk_if_any(workspace), about)
        signer, kind, tree = (
            said.party.id,
            said.statement.predicate_type.rpartition("predicate:")[2],
            said.statement.digest,
        )
    shown = prove.check(path, file, tree)
    span = f", bytes {shown.window.start} to {shown.window.stop}" if shown.window else ""
    looked = [entry.path for _, entry in shown.entries]
    facts = {"digest": tree, "signer": signer, "looked_at": looked, "of": shown.files,
             "range": [shown.window.start, shown.window.stop] if shown.window else None}  # fmt: skip
    words = f"{count(len(looked), 'file')}{span} of a tree of {shown.files}"
    body = [Pairs([("tree digest", tree), ("looked at", ", ".join(looked[:8]) + (" ..." if looked[8:] else ""))])]
    if signer is None:
        return Answer(f"belongs to that digest: {words}; who vouches for it is not shown", INCONCLUSIVE, facts, body)
    return Answer(
        f"verified: {words}, which {signer} names in a statement of type {kind}",
        facts=facts | {"type": kind},
        body=body,
    )
