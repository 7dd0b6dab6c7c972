"""Features by a frozen frame: rows keep their numbers from one screening to the next, and only new rows are encoded.

A frame is kept until a person asks for another one, or until heads on it do clearly worse out of fold than when it was
learnt: see docs/explanation/decisions/0019-a-frame-is-frozen-until-it-does-worse.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._first_look import FirstLook
from countermark.checks.data._kept import Block, Kept
from countermark.checks.data._ridge import reduced
from countermark.engines.engine import Engine
from countermark.errors import FormatRefused
from countermark.features import arrays
from countermark.features.frame import SAMPLE, Directions, Frame
from countermark.features.patches import PatchFeatures, encode_batch

BATCH = 250
FALL, ERRORS = 0.05, 3.0
LEAST_LEARNT = 2 * SAMPLE
KIND = "features"
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Told = Callable[[str, float], None] | None


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frame, the out-of-fold accuracy (0 to 1) of heads when it was learnt, and the number of rows then."""

    frame: Frame
    accuracy: float
    rows: int

    @property
    def lasting(self) -> bool:
        """Whether it holds for other rows as well: those that its directions were taken from are at most half of those then.

        Directions fit the rows that they were taken from better than any other row; with fewer rows a new supplier
        would stand out by being new.
        """
        return self.rows >= LEAST_LEARNT

    def worse(self, accuracy: float) -> bool:
        """Whether heads do so much worse now that another frame is due: by more than `FALL` and chance."""
        error = float(np.sqrt(self.accuracy * (1 - self.accuracy) / self.rows))
        return accuracy < self.accuracy - FALL - ERRORS * error


@dataclass(slots=True)
class Work:
    """What earlier screenings left, and what this one leaves.

    Attributes:
        look: at all rows. blocks: of these rows. kept: where rows' features lie.
        frozen: the frame to use, or None to learn one. why: why a frame was learnt now, or empty.
    """

    look: FirstLook
    blocks: tuple[Block, ...]
    kept: Kept
    frozen: Frozen | None = None
    why: str = ""


class Encoded(NamedTuple):
    """rows: float32 (n, k), what heads are fitted on. dimensions: of the features before. frame: they were put on, if any."""

    rows: Floats
    dimensions: int
    frame: Frame | None = None


def on_own_directions(raw: Floats, seed: int) -> Encoded:
    """Features float32 (n, d) as heads take them, on directions of these rows alone."""
    return Encoded(reduced(raw, seed), raw.shape[1])


def encoded(pixels: Pixels, seed: int, engine: Engine, progress: Told = None, work: Work | None = None) -> Encoded:
    """k-means patch features of pictures, uint8 (n, 64, 64, 3), on the work's frame, or on one that is learnt from them."""
    blocks = work.blocks if work else (Block(0, len(pixels), ""),)
    if work is None or work.frozen is None:
        return _learnt(pixels, seed, engine, progress, blocks, work.kept if work else None)
    frame, kept = work.frozen.frame, work.kept
    digest = frame.digest
    found = [_read(kept, digest, block) for block in blocks]
    missing = [block for block, z in zip(blocks, found, strict=True) if z is None]
    raw = _raw(pixels, frame.words, missing, engine, progress)
    parts = [
        z if z is not None else _made(kept, frame, digest, block, raw) for block, z in zip(blocks, found, strict=True)
    ]
    return Encoded(np.concatenate(parts), len(frame.directions.centre), frame)


def _learnt(
    pixels: Pixels, seed: int, engine: Engine, progress: Told, blocks: Sequence[Block], kept: Kept | None
) -> Encoded:  # fmt: skip
    words = PatchFeatures.fit(pixels, seed).words
    raw = list(_raw(pixels, words, blocks, engine, progress))
    frame = Frame(words, Directions.fit(np.concatenate(raw), seed))
    digest, left = frame.digest, iter(raw)
    rows = np.concatenate([_made(kept, frame, digest, block, left) for block in blocks])
    return Encoded(rows, raw[0].shape[1], frame)


def _cuts(block: Block) -> range:
    return range(block.start, block.stop, BATCH)


def _raw(pixels: Pixels, words: Floats, blocks: Sequence[Block], engine: Engine, progress: Told) -> Iterator[Floats]:
    """Features of batches that never reach over a block's end, so that the same block gives the same bits."""
    total = max(1, sum(len(_cuts(block)) for block in blocks))
    batches = ((words, pixels[at : min(at + BATCH, block.stop)]) for block in blocks for at in _cuts(block))
    for done, part in enumerate(engine.map(encode_batch, batches), 1):
        if progress:
            progress("features", done / total)
        yield part


def _made(kept: Kept | None, frame: Frame, digest: str, block: Block, raw: Iterator[Floats]) -> Floats:
    z = np.concatenate([frame.directions.on(next(raw)) for _ in _cuts(block)])
    if kept is not None:
        kept.put(KIND, f"{digest} {block.digest}", arrays.to_bytes({"rows": z}))
        kept.count(KIND, computed=len(z))
    return z


def _read(kept: Kept, digest: str, block: Block) -> Floats | None:
    data = kept.get(KIND, f"{digest} {block.digest}")
    if data is None:
        return None
    try:
        z = arrays.from_bytes(data)["rows"]
    except (FormatRefused, KeyError):
        return None
    if z.ndim != 2 or len(z) != block.stop - block.start or z.dtype != np.float32:
        return None
    kept.count(KIND, read=len(z))
    return np.asarray(z, np.float32)
