"""`countermark canary`: a data owner withholds one record of each pair by a secret coin, and tests models for the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import FOUND, INCONCLUSIVE, Answer, Pairs
from countermark.cli._command import PATH, command, with_desk
from countermark.errors import Unusable
from countermark.workspace.disk import Disk

if TYPE_CHECKING:
    from countermark.lifecycle.canary_test import Tested
    from countermark.lifecycle.desk import Desk
    from countermark.tracing.canary import CanaryKey

CANNOT_TELL = (
    "how the model came to the delivered records: from this delivery, from whoever passed it on, or through another model",
    "which records it was trained on, or how many",
    "that it was not trained on them, where p is not small: models that answer alike on seen and unseen records pass",
)


def key_of(file: Path) -> CanaryKey:
    """The key in a file.

    Raises:
        Unusable: missing, or readable by others. StatementRefused: malformed.
    """
    from countermark.tracing.canary import MAX_FILE_BYTES, CanaryKey

    return CanaryKey.from_bytes(compose.read_secret(file, "canary key", MAX_FILE_BYTES))


@click.group()
def canary() -> None:
    """Withhold records by secret coin; test models for the others."""


@command("draw", group=canary, examples=[
    "countermark canary draw photos --pairs 500 --key parts.canary --out drawn --withheld kept",
])  # fmt: skip
@click.argument("folder", type=PATH)
@click.option(
    "--pairs",
    type=click.IntRange(1, 10_000),
    required=True,
    metavar="N",
    help="Each costs one record that is not delivered.",
)
@click.option("--key", "key_file", type=PATH, required=True, metavar="FILE", help="Key to write, mode 0600.")
@click.option("--out", type=PATH, required=True, metavar="DIR", help="Folder to write, and to deliver.")
@click.option("--withheld", type=PATH, required=True, metavar="DIR", help="Folder to write, and to show to nobody.")
@click.option("--at-random", is_flag=True, help="Take any records, not those that are hardest to get right unseen.")
def draw(folder: Path, pairs: int, key_file: Path, out: Path, withheld: Path, at_random: bool) -> Answer:
    """Draw pairs of records from FOLDER; withhold one of each.

    FOLDER holds a folder per class, and stays as it is; no record is changed. Deliver DIR with `countermark deliver DIR --canaries FILE`,
    which signs how many pairs there are and a commitment to which. Both halves of a pair are of one class. Taken are the
    pictures that lie nearer to another class than to their own: a model gets those right that it has seen, and errs on the others.
    """
    from countermark.lifecycle import canary as stage

    key = stage.draw(folder, pairs, key_file, out, withheld, disk=Disk(), at_random=at_random)
    facts = {
        "key": str(key_file),
        "pairs": len(key.pairs),
        "commitment": key.commitment,
        "out": str(out),
        "withheld": str(withheld),
    }
    return Answer(
        f"drawn: {len(key.pairs):,} pairs; deliver {out}, keep {withheld} and {key_file}", facts=facts,
        body=[Pairs([("commitment", key.commitment), ("deliver", f"countermark deliver {out} --canaries {key_file}")])],
    )  # fmt: skip


@command("test", group=canary, examples=[
    "countermark canary test model/ --key parts.canary --delivered drawn --withheld kept",
    "countermark canary test --answers answers.jsonl --key parts.canary --delivered drawn",
    "countermark canary test model/ --key parts.canary --delivered drawn --withheld kept --sign found.json",
])  # fmt: skip
@click.argument("model", type=PATH, required=False)
@click.option(
    "--answers", type=PATH, metavar="FILE", help="Instead of MODEL: a served model's scores, a JSON object a line."
)
@click.option("--key", "key_file", type=PATH, required=True, metavar="FILE", help="What `canary draw` wrote.")
@click.option(
    "--delivered", type=PATH, required=True, metavar="DIR", help="The folder as delivered, DIR.cmdelivery beside it."
)
@click.option("--withheld", type=PATH, metavar="DIR", help="The folder that was kept; needed with MODEL.")
@click.option("--false-alarm", "rate", type=click.FloatRange(1e-12, 0.05), default=1e-3, show_default=True,
              help="Probability that a model without these records is said to know them.")  # fmt: skip
@click.option("--sign", "out", type=PATH, metavar="FILE", help="Sign the result as this workspace's party.")
@with_desk
def test(
    model: Path | None, answers: Path | None, key_file: Path, delivered: Path, withheld: Path | None, rate: float, out: Path | None,
    desk: Desk,
) -> Answer:  # fmt: skip
    """Test whether a model was trained on the delivered halves.

    MODEL holds model.onnx and labels.json, as for `countermark trial`; it runs confined. Refused where the signed delivery did not commit
    to this key. Exit code 1 where the model knows the delivered halves, 3 where that is not shown, which clears nobody. --sign says the
    same in a statement about the model, which `countermark verify` reads once it was entered in the ledger and disclosed.
    """
    from countermark.lifecycle import canary_test as stage

    key = key_of(key_file)
    if (model is None) == (answers is None) or (model is not None and withheld is None):
        raise Unusable("name a MODEL and --withheld DIR, or --answers FILE", why="one of the two is tested")
    done = (
        stage.test_answers(desk, answers, key, delivered)
        if answers is not None
        else stage.test_model(desk, model or Path(), key, delivered, withheld or Path())
    )
    if out is not None:
        from countermark.lifecycle.canary_statement import sign

        envelope = sign(desk, answers or model or Path(), done, rate, CANNOT_TELL)
        desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    return _told(done, rate, out)


def _told(done: Tested, rate: float, out: Path | None) -> Answer:
    from countermark.tracing.canary import LOG2_TRIES, after_tries

    lots, tried = done.lots, after_tries(done.lots.p)
    known = lots.p <= rate
    body: list[Any] = [Pairs([
        ("p", f"{lots.p:.3g}: a model without the delivered halves does as well at most so often, whatever it is (exact)"),
        ("operating point", f"said to know them from p {rate:g}"),
        ("if the owner cheated", f"p {tried:.3g}, had the owner tried 2^{LOG2_TRIES} keys before committing to the best"),
        ("pairs", f"{lots.pairs:,} asked about, {lots.decided:,} answered differently, the delivered half better in {lots.better:,}"),
        *([("not looked at", f"{done.left:,} pairs of classes that the model does not know")] if done.left else []),
        ("committed", f"{done.commitment} by {done.signer}, {done.when}, statement {done.delivery[:16]}"),
        *([("model", done.model)] if done.model else []),
    ]), "", "cannot tell:", *(f"- {text}" for text in CANNOT_TELL),
        *([f"written: {out}; the ledger's keeper enters it with `countermark ledger add {out}`"] if out else [])]  # fmt: skip
    facts = {
        "p": lots.p, "p_after_tries": tried, "log2_tries": LOG2_TRIES, "false_alarm": rate, "pairs": lots.pairs, "decided": lots.decided,
        "better": lots.better, "pairs_left": done.left, "delivery": done.delivery, "signer": done.signer, "when": done.when,
        "commitment": done.commitment, "model": done.model, "cannot_tell": list(CANNOT_TELL),
        "signed": str(out) if out else None,
    }  # fmt: skip
    if known:
        return Answer(f"trained on delivered records: p {lots.p:.3g}", FOUND, facts, body)
    return Answer(f"inconclusive: p {lots.p:.3g} shows nothing, and clears nobody", INCONCLUSIVE, facts, body)
