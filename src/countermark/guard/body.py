"""What travels: pictures to the model and scores back, as safetensors (the default) or as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import ExchangeRefused, StatementRefused
from countermark.guard import tensor

JSON = "application/json"
TYPES = (tensor.MEDIA_TYPE, JSON)
IMAGES, SCORES = "images", "scores"


def pack_images(images: NDArray[Any]) -> bytes:
    """Body of a query.

    Args:
        images: uint8 or float32 (n, h, w, 3), values 0..255.

    Raises:
        ExchangeRefused: another dtype.
    """
    return tensor.pack(IMAGES, images)


def read_images(media_type: str, body: bytes) -> NDArray[Any]:
    """Pictures of a query: the array as it was sent; its shape is the model's to judge.

    Raises:
        ExchangeRefused: malformed, or of an unknown type.
    """
    if media_type == tensor.MEDIA_TYPE:
        return tensor.unpack(IMAGES, body)
    if media_type != JSON:
        raise ExchangeRefused("unknown type of body", mend=f"one of {', '.join(TYPES)}")
    try:
        fields = Fields(canonical.from_bytes(body, what="query"), "query")
        nested = fields.items(IMAGES)
        fields.done()
        _only_numbers(nested)
        pixels = np.array(nested)
    except StatementRefused as error:
        raise ExchangeRefused("the query is malformed", why=error.what) from error
    except ValueError as error:
        raise ExchangeRefused("the pictures of the query differ in shape") from error
    if pixels.dtype.kind not in "iuf":
        raise ExchangeRefused("the query holds a number that is too large")
    with np.errstate(over="ignore"):
        narrow = pixels.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise ExchangeRefused("the query holds numbers that float32 cannot hold")
    return narrow


def _only_numbers(level: list[Any]) -> None:
    """Look at every value before numpy does: from one long text it would make an array of long texts, in gigabytes."""
    for _ in range(tensor.MAX_AXES):
        kinds = {type(value) for value in level}
        if kinds != {list}:
            break
        level = [value for inner in level for value in inner]
    if list in kinds:
        raise ExchangeRefused(f"the pictures of the query differ in shape, or have more than {tensor.MAX_AXES} axes")
    if not kinds <= {int, float}:
        raise ExchangeRefused("the query holds something that is not a number")


def pack_scores(media_type: str, scores: NDArray[np.float32], labels: tuple[str, ...]) -> bytes:
    """Body of an answer: float32 (n, classes); JSON also names the best class of each picture."""
    if media_type == tensor.MEDIA_TYPE:
        return tensor.pack(SCORES, scores)
    best = [labels[i] for i in scores.argmax(axis=1)]
    return canonical.to_bytes({"labels": best, SCORES: scores.astype(float).tolist()})


def read_scores(body: bytes, rows: int, classes: int) -> NDArray[np.float32]:
    """Scores of a safetensors answer: float32 (rows, classes).

    Raises:
        ExchangeRefused: malformed, or of another size.
    """
    scores = tensor.unpack(SCORES, body)
    if scores.dtype != np.float32 or scores.shape != (rows, classes):
        raise ExchangeRefused(f"the answer has shape {scores.shape}", why=f"expected {(rows, classes)}")
    return np.asarray(scores, np.float32)
