"""`countermark query`: ask a guarded model, and take no answer that its guard did not sign for this question."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count
from countermark.errors import FormatRefused, MissingExtra, Unusable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.lifecycle.desk import Desk

SIDE = 64
TREE = re.compile(r"[0-9a-f]{64}")
AT_ONCE, QUESTION_BYTES = 64, 7 << 20  # what a guard takes in one question, with room for the header


@command("query", examples=[
    "countermark query http://127.0.0.1:8765 photo.png --model 5f1c0e... --api-key-file line-3.key",
])  # fmt: skip
@click.argument("url")
@click.argument("pictures", nargs=-1, required=True, type=PATH)
@click.option("--model", required=True, metavar="HEX", help="Tree digest of the model, as `verify` printed it.")
@click.option("--api-key-file", type=PATH, required=True, metavar="FILE", help="File whose first line is the API key.")
@click.option("--ca", type=PATH, metavar="PEM", help="The only authority whose TLS certificates are taken.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True)
@with_desk
@with_view
def query(
    url: str, pictures: tuple[Path, ...], model: str, api_key_file: Path, ca: Path | None, seconds: float,
    view: View, desk: Desk,
) -> Answer:  # fmt: skip
    """Ask a guarded model for classes, and verify the answer.

    Checked: the guard's key is delegated by an operator of the pinned project for this very model, and its signature
    covers our fresh nonce, the question, the answer and the time.
    """
    if not TREE.fullmatch(model.lower()):
        raise Unusable(
            "a model is named by its whole tree digest",
            why="64 hexadecimal digits",
            mend="as `countermark verify` prints it",
        )
    try:
        from countermark.guard.client import Session
    except ModuleNotFoundError as error:
        raise MissingExtra(f"querying needs {error.name}", mend="pip install 'countermark[serve]'") from error
    token = compose.read_passphrase(api_key_file).decode(errors="replace")
    trust = desk.trust()
    with Session(url, token, clock=desk.now, ca=ca, seconds=seconds) as session, Bar(view) as bar:
        described = session.describe(trust, model.lower())
        height, width = described.input_shape[:2] if len(described.input_shape) == 3 else (SIDE, SIDE)
        size = width if width > 0 else SIDE, height if height > 0 else SIDE
        best: list[tuple[Path, str, float]] = []
        step = max(1, min(AT_ONCE, QUESTION_BYTES // (3 * size[0] * size[1])))
        for start in range(0, len(pictures), step):
            some = pictures[start : start + step]
            said = session.predict(_pixels(some, size), described)
            best += zip(some, said.labels, (float(scores.max()) for scores in said.scores), strict=True)
            bar.tick("pictures", len(best), len(pictures))
    facts: dict[str, Any] = {
        "model": said.model, "guard": said.guard, "operator": said.operator, "time": said.time,
        "answers": [{"picture": str(p), "label": label, "score": score} for p, label, score in best],
    }  # fmt: skip
    told = Pairs([("model", said.model), ("guard key", said.guard), ("operator", said.operator)])
    rows = [(path, label, f"{score:.3f}") for path, label, score in best]
    return Answer(f"verified: {count(len(best), 'answer')}, signed by a guard of {said.operator}", facts=facts,
                  body=[Table(("picture", "class", "score"), rows), "", told])  # fmt: skip


def _pixels(pictures: tuple[Path, ...], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode the user's pictures in a confined child to (width, height): uint8 (n, h, w, 3)."""
    from countermark.formats.decode import Decoder
    from countermark.lifecycle.desk import read_file

    with Decoder() as decoder:
        done = decoder.batch([read_file(p) for p in pictures], size)
    for path, error in zip(pictures, done.errors, strict=True):
        if error:
            raise FormatRefused(f"{path} does not decode", why=error)
    return done.pixels
