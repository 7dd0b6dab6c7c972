"""Features of the user's own model for clips and for rows of tables: the layer before its last, as `own_model` has it for pictures.

An ONNX file says what it takes. Clips are cut or padded with zeros to a fixed length, which the name of the features tells; they
are never resampled or mixed, and numbers are never put in the place of missing ones: whoever made the model knows how, we do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import ExchangeRefused, Unusable
from countermark.features.columns import Column
from countermark.features.own_model import (
    BATCH,
    Given,
    OnnxFile,
    checked,
    in_batches,
    on_one_scale,
    onnx_file,
    with_inner,
)

OWN = "the user's encoder (heads out of fold; whether it was taught on these rows is not known)"
MOST_SAMPLES = 1 << 24  # of one clip as a model takes it, and of a batch of them
Floats = NDArray[np.float32]
Shape = tuple[int | None, ...]
Encode = Callable[[Floats], NDArray[Any]]


def of_clips(model: object, clips: Sequence[Floats], rates: Sequence[float]) -> Given:
    """Features of clips: by an ONNX file that takes float32 (n, t), (n, 1, t) or (n, channels, t), t fixed or free, or by a function.

    Args:
        model: a path to an ONNX file, its bytes, an `OnnxFile`, or a function of float32 (m, t, channels) that returns features (m, ...),
            called with clips of one length at a time. clips: float32 (t, channels), as many channels each. rates: in Hz; of one
            number where the model is a file.

    Raises:
        Unusable: no model, clips of several rates, one that takes something else, does not run, or answers with no features; other features for one
            length than for another. FormatRefused, MissingExtra: as `own_model.of_onnx`.
    """
    file = onnx_file(model)
    if file is None:
        return Given(_by_length(_function(model, "(m, t, channels)"), clips), OWN)
    if len(several := sorted({float(rate) for rate in rates})) > 1:
        raise Unusable(
            f"clips of {len(several)} rates, {several[0]:g} to {several[-1]:g} Hz, for a model of one",
            mend="bring all clips to the model's rate, or give a function in Python that does",
        )
    shape, run = _loaded(file)
    length = _clip_length(shape, clips[0].shape[1])

    def encode(batch: Floats) -> Floats:
        return run(batch[:, :, 0] if len(shape) == 1 else np.moveaxis(batch, 2, 1))

    if length is None:
        return Given(_by_length(encode, clips), file.words("clips as long as they are"))
    sizes = np.array([len(clip) for clip in clips])
    fitted = f"clips of {length:,} samples ({int((sizes > length).sum())} cut, {int((sizes < length).sum())} padded with zeros)"
    return Given(in_batches(encode, _fitted(clips, length)), file.words(fitted))


def of_rows(model: object, columns: Sequence[Column], names: Sequence[str] = ()) -> Given:
    """Features of rows of a table: by an ONNX file that takes float32 (n, d), or by a function of that.

    Args:
        model: as for `of_clips`. columns: of the table. names: of the columns that the model takes, in its order; all columns of
            numbers in the table's order where empty.

    Raises:
        Unusable: no such column, or one of something else than numbers; a missing cell, or a number beyond float32; another number of columns
            than the model takes; as `of_clips`. FormatRefused, MissingExtra: as there.
    """
    chosen = _chosen(columns, names)
    x = _numbers(chosen)
    batches = (x[at : at + BATCH] for at in range(0, len(x), BATCH))
    file = onnx_file(model)
    if file is None:
        return Given(in_batches(_function(model, "(m, d)"), batches), OWN)
    shape, run = _loaded(file)
    if len(shape) != 1 or shape[0] not in (None, len(chosen)):
        told = ", ".join(column.name for column in chosen)
        raise Unusable(
            f"the model takes {_words(shape)}, and these are {len(chosen)} columns of numbers", why=told[:300],
            mend="name those that it takes, in its order: `encoder_columns`, or --model-column once for each",
        )  # fmt: skip
    return Given(in_batches(run, batches), file.words(f"{len(chosen)} columns of numbers"))


def _function(model: object, takes: str) -> Encode:
    if not callable(model):
        raise Unusable(
            f"an encoder of type {type(model).__name__}", mend=f"an ONNX file, or a function of float32 {takes}"
        )
    return model


def _loaded(file: OnnxFile) -> tuple[Shape, Callable[[Floats], Floats]]:
    """What a model takes after its batch axis, and a function that gives its inner layer."""
    from countermark.runtime import onnx

    model = onnx.load(with_inner(file.data))
    if model.whole:
        raise Unusable("the model takes bytes, as of pictures", mend="one that takes float32")

    def run(batch: Floats) -> Floats:
        try:
            return model.predict(batch)
        except ExchangeRefused as error:
            raise Unusable(
                f"the model does not run on {batch.shape[1:]}: {error.what}", why=error.why, mend=error.mend
            ) from error

    return model.input_shape, run


def _clip_length(shape: Shape, channels: int) -> int | None:
    """Samples that a model takes, None for any.

    Raises:
        Unusable: it takes no clips of so many channels, or longer ones than 2^24 samples.
    """
    if not (shape[:-1] in ((channels,), (None,)) or (len(shape) == 1 and channels == 1)):
        raise Unusable(
            f"the model takes {_words(shape)}, and these are clips of {channels} channel{'s' if channels > 1 else ''}",
            mend=f"a model of float32 (n, {channels}, t){' or (n, t)' if channels == 1 else ''}",
        )
    length = shape[-1]
    if length is not None and not 0 < length * channels <= MOST_SAMPLES:
        raise Unusable(f"the model takes clips of {length} samples", mend=f"1 to {MOST_SAMPLES // channels}")
    return length


def _words(shape: Shape) -> str:
    return f"({', '.join(['n', *('any' if side is None else str(side) for side in shape)])})"


def _fitted(clips: Sequence[Floats], length: int) -> Iterator[Floats]:
    """Batches of clips of one length, from their beginnings, with zeros behind those that are shorter."""
    channels = clips[0].shape[1]
    size = max(1, min(BATCH, MOST_SAMPLES // (length * channels)))
    for at in range(0, len(clips), size):
        some = clips[at : at + size]
        out = np.zeros((len(some), length, channels), np.float32)
        for row, clip in zip(out, some, strict=True):
            row[: len(clip)] = clip[:length]
        yield out


def _by_length(encode: Encode, clips: Sequence[Floats]) -> Floats:
    """Features of clips as long as they are, those of one length together."""
    length = np.array([len(clip) for clip in clips])
    out: Floats | None = None
    for one in np.unique(length):
        rows = np.flatnonzero(length == one)
        for at in range(0, len(rows), BATCH):
            some = rows[at : at + BATCH]
            part = checked(encode(np.stack([clips[r] for r in some])), len(some))
            if out is None:
                out = np.empty((len(clips), part.shape[1]), np.float32)
            if part.shape[1] != out.shape[1]:
                raise Unusable(
                    f"the encoder answers with {part.shape[1]} features, and with {out.shape[1]} for other lengths"
                )
            out[some] = part
    if out is None:
        raise Unusable("no signal was given")
    return on_one_scale(out)


def _chosen(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    if not names:
        if not (numbers := [column for column in columns if column.kind == "number"]):
            raise Unusable("no column of numbers is left for a model")
        return numbers
    known = {column.name: column for column in columns}
    if wrong := [name for name in names if name not in known or known[name].kind != "number"]:
        kind = known[wrong[0]].kind if wrong[0] in known else "no column"
        raise Unusable(f"{wrong[0]!r:.80} is {kind}, and a model takes columns of numbers")
    return [known[name] for name in names]


def _numbers(columns: Sequence[Column]) -> Floats:
    for column in columns:
        with np.errstate(over="ignore"):
            cells = column.values.astype(np.float32)
        if (bad := ~np.isfinite(cells)).any():
            raise Unusable(
                f"column {column.name!r:.80} has no number that a model can take in row {int(bad.argmax())}",
                mend="name other columns, or fill its empty cells before it is delivered",
            )
    return np.asarray(np.column_stack([column.values for column in columns]), np.float32)
