"""Pixels of stored pictures, a batch at a time, all at one size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from countermark.errors import FormatRefused
from countermark.formats.decode import Decoder
from countermark.lifecycle.contract import BATCH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH_PIXELS = 32 << 20


def decoded(
    pictures: Sequence[bytes], names: Sequence[str], size: tuple[int, int], told: Callable[[float], None] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Batches of uint8 (some, height, width, 3), in order, decoded in a confined child, brought to size by an area average.

    Args:
        pictures, names: n encoded files and their ids. size: (width, height). told: called with the share done, 0 to 1, when a batch was used.

    Raises:
        FormatRefused: a picture does not decode. MissingExtra: NumPy or Pillow is absent.
    """
    step = max(1, min(BATCH, BATCH_PIXELS // (size[0] * size[1])))
    with Decoder() as decoder:
        for start in range(0, len(pictures), step):
            done = decoder.batch(pictures[start : start + step], size)
            for name, error in zip(names[start:], done.errors, strict=False):
                if error:
                    raise FormatRefused(
                        f"{name} does not decode", why=error, mend="reject the row, or receive it again"
                    )
            yield done.pixels
            if told:
                told(min(1.0, (start + step) / len(pictures)))
