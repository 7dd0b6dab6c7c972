"""`countermark fingerprint`: marks that tell whose copy of a model turned up. Evidence, never enforcement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import FOUND, INCONCLUSIVE, Answer, Pairs, Table
from countermark.cli._command import PATH, command, sitting, workspace_options
from countermark.cli._shard import shard
from countermark.cli._show import count

if TYPE_CHECKING:
    from countermark.lifecycle.fingerprint import Tracing
    from countermark.tracing.key import FingerprintKey
    from countermark.tracing.trace import Scored

EVIDENCE = "A fingerprint is evidence, never enforcement."
CANNOT_TELL = (
    "who passed the copy on: a named licensee's copy was stolen, or marked by whoever holds the key, just as well",
    "that nobody else is involved: a coalition is named in part",
    "anything of a model that was distilled, trained anew, or trained so long that it no longer resembles the original",
)
_STRENGTH = click.option("--strength", type=click.FloatRange(0.001, 0.5), default=0.03, show_default=True,
                         help="Mark over the spread of its layer; the same for marking and tracing.")  # fmt: skip


def _key(file: Path) -> FingerprintKey:
    from countermark.tracing.key import MAX_FILE_BYTES, FingerprintKey

    return FingerprintKey.from_bytes(compose.read_secret(file, "fingerprint key", MAX_FILE_BYTES))


@click.group()
def fingerprint() -> None:
    """Mark licensees' copies of a model, and trace one that turned up."""


fingerprint.add_command(shard)


@command("key", group=fingerprint, examples=["countermark fingerprint key works.fingerprint"])
@click.argument("file", type=PATH)
def key(file: Path) -> Answer:
    """Make an owner's fingerprint key: one for all models and licensees.

    FILE must not exist, and is for its owner alone (mode 0600). Who has it can trace copies, and can make a copy that speaks of
    anybody. Publish the commitment before the first copy leaves: it shows later that no other key was tried.
    """
    from countermark.lifecycle.fingerprint import new_key

    made = new_key(file)
    return Answer(
        f"written: {file}", facts={"file": str(file), "commitment": made.commitment},
        body=[Pairs([("commitment", made.commitment)])],
    )  # fmt: skip


@command("mark", group=fingerprint, examples=[
    "countermark fingerprint mark model.safetensors --licensee plant-17 --key works.fingerprint --out plant-17.safetensors",
    "countermark fingerprint mark model.onnx --licensee plant-17 --key works.fingerprint --out plant-17.onnx",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--licensee", required=True, metavar="ID", help="Whose copy it is.")
@click.option("--key", "key_file", type=PATH, required=True, metavar="FILE", help="The owner's key.")
@click.option("--out", type=PATH, required=True, metavar="FILE", help="The copy to write.")
@_STRENGTH
def mark(model: Path, licensee: str, key_file: Path, out: Path, strength: float) -> Answer:
    """Write a licensee's copy of MODEL, a safetensors file or an ONNX file with its weights inside.

    Keep MODEL: tracing compares with it. Measure the copy's accuracy before it leaves; nothing here runs the model.
    """
    from countermark.lifecycle import fingerprint as stage

    done = stage.mark(model, licensee, _key(key_file), out, strength=strength)
    facts = {
        "licensee": licensee, "file": str(out), "sha256": done.sha256, "tensors": done.tensors, "weights": done.weights,
        "tensors_left": done.left, "strength": strength, "key_commitment": done.commitment, "original": done.original,
    }  # fmt: skip
    return Answer(
        f"marked: {out} is {licensee}'s copy",
        facts=facts,
        body=[Pairs([
            ("carries the mark", f"{done.weights:,} weights in {count(done.tensors, 'tensor')}; {done.left} others are as they were"),
            ("copy", f"sha256 {done.sha256}"), ("original", f"weights {done.original}"), ("key", f"commitment {done.commitment}"),
        ]), EVIDENCE],
    )  # fmt: skip


@command("trace", group=fingerprint, examples=[
    "countermark fingerprint trace leaked.safetensors --original model.safetensors --key works.fingerprint --licensees licensees.txt",
    "countermark fingerprint trace leaked.onnx --original model.safetensors --key works.fingerprint --licensees licensees.txt --sign trace.json",
])  # fmt: skip
@click.argument("suspect", type=PATH)
@click.option("--original", type=PATH, required=True, metavar="MODEL", help="What the copies were made from.")
@click.option("--key", "key_file", type=PATH, required=True, metavar="FILE", help="The owner's key.")
@click.option("--licensees", type=PATH, required=True, metavar="LIST", help="Every licensee, one a line.")
@click.option("--false-accusation", "rate", type=click.FloatRange(1e-12, 0.05), default=1e-6, show_default=True,
              help="Probability that anybody innocent on the list is named.")  # fmt: skip
@click.option(
    "--sign", "out", type=PATH, metavar="FILE", help="Sign the result as this workspace's party, a model owner."
)
@_STRENGTH
@workspace_options
def trace(
    suspect: Path, original: Path, key_file: Path, licensees: Path, rate: float, out: Path | None, strength: float,
    workspace: Path | None, passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Say which licensees' copies SUSPECT was made from, with a bound on false accusations.

    SUSPECT may be fine-tuned, pruned, quantised, mixed from several copies, its neurons reordered and rescaled. It may be
    the other of the two formats. Exit code 1 where somebody is named, 3 where nobody is: that is no proof of anything. --sign says the same
    in a statement about the file, which `countermark verify` reads once it was entered in the ledger and disclosed.
    """
    from countermark.lifecycle import fingerprint as stage

    desk = sitting(workspace, passphrase_file) if out is not None else None
    key, names = _key(key_file), stage.read_licensees(licensees)
    done = stage.trace(suspect, original, key, names, rate=rate, strength=strength)
    if desk is not None and out is not None:
        from countermark.lifecycle.fingerprint_statement import sign

        envelope = sign(desk, suspect, done, names, strength, CANNOT_TELL)
        desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    seen = done.traced
    named = ", ".join(one.licensee for one in seen.named)
    body: list[Any] = [
        Table(("licensee", "score", "an innocent scores as high", ""), [
            (one.licensee, f"{one.score:.1f}", f"at most 1 in {_odds(one)}", "named" if one in seen.named else "")
            for one in seen.ranking
        ]), "",
        Pairs(list(_told(done))), "", "cannot tell:", *(f"- {text}" for text in CANNOT_TELL), EVIDENCE,
        *([f"written: {out}; the ledger's keeper enters it with `countermark ledger add {out}`"] if out else []),
    ]  # fmt: skip
    return Answer(
        f"traced: {named}" if seen.named else "inconclusive: no licensee is named, which shows nobody's innocence",
        FOUND if seen.named else INCONCLUSIVE,
        _facts(done, strength) | {"signed": str(out) if out else None},
        body,
    )


def _odds(one: Scored) -> str:
    return f"10^{-one.log10_p:.1f}"


def _told(done: Tracing) -> list[tuple[str, object]]:
    seen = done.traced
    ways = {how: sum(1 for one in seen.tensors.values() if one == how) for how in dict.fromkeys(seen.tensors.values())}
    return [
        ("false accusation", f"at most {seen.false_accusation:g} for all {seen.licensees:,} on the list together, by Chernoff's bound"),
        ("", "for this very copy; taken that its maker has neither the key nor an innocent's copy"),
        ("named from", f"score {seen.threshold:.2f}" if seen.ranking else "nothing was read"),
        ("compared", f"{seen.compared:.0%} of the marked weights; change {seen.changed:.2g} of a layer's spread"),
        ("tensors", ", ".join(f"{number} {how}" for how, number in ways.items())),
        *([("not looked at", f"{count(len(done.unread), 'tensor')} of a type or place that is not read")] if done.unread else []),
        ("copy", f"sha256 {done.sha256}"), ("original", f"weights {done.original}"), ("key", f"commitment {done.commitment}"),
    ]  # fmt: skip


def _facts(done: Tracing, strength: float) -> dict[str, Any]:
    seen = done.traced

    def told(one: Scored) -> dict[str, Any]:
        return {"licensee": one.licensee, "score": round(one.score, 3), "log10_p_bound": round(one.log10_p, 3)}

    return {
        "named": [told(one) for one in seen.named], "ranking": [told(one) for one in seen.ranking], "licensees": seen.licensees,
        "false_accusation": seen.false_accusation, "threshold": round(seen.threshold, 3) if seen.ranking else None,
        "compared": round(seen.compared, 4), "changed": round(seen.changed, 5), "tensors": seen.tensors, "strength": strength,
        "unread": list(done.unread), "suspect_sha256": done.sha256, "original": done.original, "key_commitment": done.commitment,
        "cannot_tell": list(CANNOT_TELL),
    }  # fmt: skip
