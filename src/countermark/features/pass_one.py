"""Pass 1: from rows with pictures to rows with features, hash and scores. A pure function of a batch, for any engine.

What comes in: ``id``, ``supplier``, ``label`` (text), and ``picture`` (encoded; decoded in a confined child) or ``pixels``
(64 x 64 x 3 bytes). What goes out: the same names, ``features`` (float32 list of fixed size), ``hash`` (uint64),
``scores`` (a struct of float64), and ``error`` (text), which says why a picture has none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import FormatRefused
from countermark.features import row_scores
from countermark.features.arrow import NAMES, PICTURE, PIXELS, arrow
from countermark.features.patches import SIDE, PatchFeatures
from countermark.features.perceptual_hash import perceptual_hash
from countermark.formats.decode import Decoded, decode_batch

if TYPE_CHECKING:
    import pyarrow

VERSION = 2
PIXEL_BYTES = SIDE * SIDE * 3
Pixels = NDArray[np.uint8]
Scorer = Callable[[Pixels], NDArray[np.float64]]
SCORERS: tuple[Scorer, ...] = (row_scores.brightness, row_scores.contrast, row_scores.sharpness)


@dataclass(frozen=True, eq=False)
class PassOne:
    """The function, with all that it depends on; importable and picklable, so that workers can be given it.

    Attributes:
        words: the dictionary of the features. scorers: importable functions of pixels, uint8 (n, 64, 64, 3) -> float64 (n,);
            each is a member of ``scores``, called as the function is.
    """

    words: NDArray[np.float32]
    scorers: tuple[Scorer, ...] = SCORERS

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the version, the dictionary and the scorers' names: results of another one are others."""
        named = "\n".join(f"{s.__module__}:{s.__qualname__}" for s in self.scorers)
        told = hashlib.sha256(f"cm-pass-one/v{VERSION}\n{named}\n{self.words.shape}\n".encode())
        told.update(np.ascontiguousarray(self.words, "<f4").tobytes())
        return told.hexdigest()

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Pass 1 over one batch.

        Raises:
            FormatRefused: columns are missing, of another type, or null. MissingExtra: pyarrow, NumPy or Pillow is absent.
        """
        decoded = _pixels(batch)
        readable = np.array([error is None for error in decoded.errors], bool)
        images = decoded.pixels[readable]
        columns = [batch.column(name) for name in NAMES]
        return arrow().RecordBatch.from_arrays(
            [*columns, *self._measured(images, readable), arrow().array(decoded.errors, arrow().string())],
            [*NAMES, "features", "hash", "scores", "error"],
        )

    def _measured(self, images: Pixels, readable: NDArray[np.bool_]) -> list[Any]:
        pa = arrow()
        if not len(images):  # measured in their place, so that types and sizes are known; no row takes it
            images = np.zeros((1, SIDE, SIDE, 3), np.uint8)
        features = PatchFeatures(self.words).encode(images)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
        hashes = pa.array(perceptual_hash(images))
        names = [s.__name__ for s in self.scorers]
        scores = pa.StructArray.from_arrays([pa.array(np.asarray(s(images), np.float64)) for s in self.scorers], names)
        # Rows without pixels take a null from beyond what was measured.
        place = pa.array(np.where(readable, np.cumsum(readable) - 1, 0), mask=~readable)
        return [column.take(place) for column in (lists, hashes, scores)]


def features_of(batch: pyarrow.RecordBatch) -> NDArray[np.float32]:
    """Features of a batch after pass 1: float32 (n, d).

    Raises:
        FormatRefused: a row has none.
    """
    column = batch.column("features")
    if column.null_count:
        row = batch.column("id")[int(np.flatnonzero(np.asarray(column.is_null()))[0])]
        raise FormatRefused(f"{row} has no features", why="its picture does not decode; see its `error`")
    return np.asarray(column.flatten()).reshape(len(column), column.type.list_size)


def _pixels(batch: pyarrow.RecordBatch) -> Decoded:
    pa = arrow()
    for name in NAMES:
        _column(batch, name, (pa.string(), pa.large_string()))
    if PICTURE in batch.schema.names:
        column = _column(batch, PICTURE, (pa.binary(), pa.large_binary()))
        return decode_batch([one.as_py() for one in column], (SIDE, SIDE))
    rows = [one.as_py() for one in _column(batch, PIXELS, (pa.binary(), pa.large_binary(), pa.binary(PIXEL_BYTES)))]
    if any(len(row) != PIXEL_BYTES for row in rows):
        raise FormatRefused("pixels of another size", why=f"{SIDE} x {SIDE} x 3 bytes a row")
    pixels = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, SIDE, SIDE, 3)
    return Decoded(pixels, (None,) * len(rows))


def _column(batch: pyarrow.RecordBatch, name: str, kinds: tuple[Any, ...]) -> pyarrow.Array:
    at = batch.schema.get_all_field_indices(name)
    if len(at) != 1 or batch.column(at[0]).type not in kinds or batch.column(at[0]).null_count:
        raise FormatRefused(
            f"{len(at)} columns are called {name!r}, or it is of another type, or a row has none of it",
            why=f"columns: {', '.join(batch.schema.names)[:300]}",
        )
    return batch.column(at[0])
