"""Test a model for the delivered halves of a data owner's canaries, by its answers alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark import canonical
from countermark.errors import FormatRefused, Inconclusive, Unusable
from countermark.lifecycle import canary, parcel
from countermark.lifecycle.desk import Desk, read_file
from countermark.lifecycle.trial import Model, picture_size, read_model
from countermark.passport.slip import Slip
from countermark.passport.slip import verify as verify_slip
from countermark.tracing.canary import CanaryKey, Half
from countermark.tracing.lots import Lots, compare, known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.formats.decode import Decoder

BATCH = 256
MAX_ANSWERS_BYTES, MAX_LINE_BYTES, MOST_SCORE = 512 << 20, 1 << 20, 1e30


@dataclass(frozen=True, slots=True)
class Tested:
    """What the test came to.

    Attributes:
        lots: of the pairs whose class the model knows. left: pairs of other classes, not asked about. delivery: digest of the statement
            that committed to the key; signer, when: whose, and when it was said. model: tree digest of the model's folder, or None.
    """

    lots: Lots
    left: int
    delivery: str
    signer: str
    when: str
    commitment: str
    model: str | None


def test_model(desk: Desk, folder: Path, key: CanaryKey, delivered: Path, withheld: Path) -> Tested:
    """Ask an ONNX model about both halves of each pair; nothing of it is loaded before the commitment holds.

    Args:
        folder: model.onnx and labels.json. delivered: the folder as delivered, its .cmdelivery beside it. withheld: the one that was kept.

    Raises:
        StatementRefused: the delivery did not commit to this key. TreeRefused: a half is not the one that was drawn. SignatureRefused,
        TrustRefused: the delivery does not hold. FormatRefused: a picture or the model does not load. Inconclusive: no class of theirs is known.
    """
    from countermark.formats.decode import Decoder

    shown, coins = _committed(desk, key, delivered), key.coins()
    with read_model(folder) as model, Decoder() as decoder:
        pairs = _known(key, model.labels)
        records = [
            (delivered if coins[n] == side else withheld, key.pairs[n].halves[side]) for side in (0, 1) for n in pairs
        ]
        scores = _scores(model, decoder, records)
    return _told(key, pairs, scores, model.labels, shown, model.digest)


def test_answers(desk: Desk, answers: Path, key: CanaryKey, delivered: Path) -> Tested:
    """The same from the answers of a served model, which somebody collected.

    Args:
        answers: one JSON object a line: `file_name` as in the two folders, `scores` by class; both halves of every pair whose
            class is among the scores.

    Raises:
        As `test_model`; FormatRefused: the file is malformed, or a half is missing.
    """
    import numpy as np

    shown = _committed(desk, key, delivered)
    labels, table = _read(answers)
    pairs = _known(key, labels)
    paths = [key.pairs[n].halves[side].path for side in (0, 1) for n in pairs]
    missing = next((path for path in paths if path not in table), None)
    if missing is not None:
        raise FormatRefused(f"{answers.name} has no answer about {missing}", mend="ask about both halves of every pair")
    return _told(key, pairs, np.array([table[path] for path in paths], np.float64), labels, shown, None)


def _told(
    key: CanaryKey, pairs: list[int], scores: NDArray[Any], labels: Sequence[str], shown: tuple[str, str, str], model: str | None
) -> Tested:  # fmt: skip
    """Coins are looked at last: what is asked, in which order, and what is made of the scores of all, is the same for any coins.

    Args:
        scores: (2 n, classes): first halves of all pairs, then second halves.
    """
    import numpy as np

    truth = np.array([labels.index(key.pairs[n].label) for n in pairs])
    values = known(scores, np.tile(truth, 2)).reshape(2, -1)
    coins, column = key.coins()[pairs].astype(int), np.arange(len(pairs))
    lots = compare(values[coins, column], values[1 - coins, column])
    return Tested(lots, len(key.pairs) - len(pairs), *shown, key.commitment, model)


def _committed(desk: Desk, key: CanaryKey, folder: Path) -> tuple[str, str, str]:
    """The delivery's statement, its signer, and when it was said; the key must be the one that it committed to."""
    shown = []

    def vouched(head: parcel.Head) -> None:
        shown.append(verify_slip(Slip(head.envelope), desk.trust(), desk.now(), logged=False))

    piece = parcel.read(folder, vouched)
    canary.must_be_committed(key, piece.delivery)
    canary.must_fit(key, piece.tree)
    return shown[0].digest, shown[0].party.id, shown[0].when


def _known(key: CanaryKey, labels: Sequence[str]) -> list[int]:
    """Pairs whose class the model knows: told by the class alone, on which no coin was tossed."""
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise FormatRefused(
            f"a model of {len(set(labels))} different classes has nothing to confuse",
            mend="two classes at least, each once",
        )
    out = [n for n, pair in enumerate(key.pairs) if pair.label in labels]
    if not out:
        raise Inconclusive("the model knows no class of the canaries", why=f"it knows {', '.join(labels[:5])}")
    return out


def _scores(model: Model, decoder: Decoder, records: Sequence[tuple[Path, Half]]) -> NDArray[np.float32]:
    """The model's scores of these records, (n, classes)."""
    import numpy as np

    pixels = canary.pixels_of(records, picture_size(model.network.input_shape), decoder)
    parts = [model.network.predict(pixels[at : at + BATCH]) for at in range(0, len(pixels), BATCH)]
    scores = np.concatenate(parts)
    if scores.shape[1] != len(model.labels) or not np.isfinite(scores).all():
        raise FormatRefused(
            f"the model gives {scores.shape[1]} scores for {len(model.labels)} classes, or one is no number"
        )
    return scores


def _read(file: Path) -> tuple[tuple[str, ...], dict[str, list[float]]]:
    """Classes, and the scores of each file in their order."""
    labels: tuple[str, ...] = ()
    table: dict[str, list[float]] = {}
    for number, line in enumerate(read_file(file, MAX_ANSWERS_BYTES).splitlines(), 1):
        if not line.strip():
            continue
        name, scores = _line(line, f"{file.name}, line {number}")
        labels = labels or tuple(sorted(scores))
        if tuple(sorted(scores)) != labels or name in table:
            raise FormatRefused(f"{file.name}, line {number}: other classes than before, or {name!r:.80} twice")
        table[name] = [float(scores[label]) for label in labels]
    if not table:
        raise Unusable(f"{file} holds no answers")
    return labels, table


def _line(line: bytes, what: str) -> tuple[str, dict[str, float]]:
    match canonical.from_bytes(line, what=what, max_bytes=MAX_LINE_BYTES):
        case {"file_name": str(name), "scores": dict(scores), **more} if (
            scores
            and not more
            and all(type(score) in (int, float) and abs(score) <= MOST_SCORE for score in scores.values())
        ):
            return name, scores
    raise FormatRefused(f"{what} is not {json.dumps({'file_name': 'class/name', 'scores': {'class': 0.5}})}")
