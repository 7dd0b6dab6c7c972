"""What depends on one picture alone, for a block of rows: pixels, what the checks of single files tell, what drift measures.

A block is looked at once; its result can be kept (`_kept`) under the digest of its files and of the code that looked. Two
screenings cut the same delivery into the same blocks, so that what was kept is to the last bit what would be computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _properties, image_scaling, picture_integrity, privacy
from countermark.checks.data._codings import CODING, codings
from countermark.errors import FormatRefused
from countermark.features import arrays
from countermark.formats.compare import Comparer
from countermark.formats.decode import Decoder

SIZE = (64, 64)
Look = Callable[[Sequence[bytes]], Sequence[Any]]


LOOKS: dict[str, Look] = {
    CODING: codings, picture_integrity.ID: picture_integrity.look, privacy.ID: privacy.look, image_scaling.ID: image_scaling.look,
}  # fmt: skip


class Eyes(NamedTuple):
    """Confined children that are kept from block to block."""

    decoder: Decoder
    comparer: Comparer


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """Of n rows.

    Attributes:
        pixels: uint8 (n, 64, 64, 3). properties: float64 (n, 6), see `_properties`. told: by name of `LOOKS`, one JSON value a row.
    """

    pixels: NDArray[np.uint8]
    properties: NDArray[np.float64]
    told: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, eyes: Eyes, files: Sequence[bytes], names: Sequence[str]) -> FirstLook:
        """Look at a block.

        Raises:
            FormatRefused: a picture does not decode. MissingExtra: Pillow is absent.
        """
        done = eyes.decoder.batch(files, SIZE)
        for name, error in zip(names, done.errors, strict=True):
            if error:
                raise FormatRefused(f"{name} does not decode", why=error, mend="reject the row, or receive it again")
        integrity = partial(picture_integrity.look, comparer=eyes.comparer)
        told = {name: look(files) for name, look in (LOOKS | {picture_integrity.ID: integrity}).items()}
        return cls(done.pixels, _properties.properties(done.pixels), told)

    @classmethod
    def from_bytes(cls, data: bytes, rows: int) -> FirstLook:
        """Read `to_bytes`.

        Raises:
            FormatRefused: it is not of so many rows.
        """
        got = arrays.from_bytes(data)
        try:
            told = json.loads(got["told"].tobytes())
            out = cls(got["pixels"], got["properties"], {name: told[name] for name in LOOKS})
        except (KeyError, ValueError, TypeError) as error:
            raise FormatRefused("this is no first look", why=f"{type(error).__name__}: {error}"[:200]) from error
        sized = out.pixels.shape == (rows, *SIZE, 3) and out.properties.shape == (rows, len(_properties.NAMES))
        if not sized or any(len(values) != rows for values in out.told.values()):
            raise FormatRefused("a first look at other rows")
        return out

    def to_bytes(self) -> bytes:
        """``cm-arrays/v1`` with `pixels`, `properties` and `told` (JSON)."""
        told = np.frombuffer(json.dumps(dict(self.told)).encode(), np.uint8)
        return arrays.to_bytes({"pixels": self.pixels, "properties": self.properties, "told": told})


def joined(parts: Sequence[FirstLook]) -> FirstLook:
    """Blocks one after the other; at least one."""
    told = {name: [value for part in parts for value in part.told[name]] for name in LOOKS}
    return FirstLook(
        np.concatenate([p.pixels for p in parts]), np.concatenate([p.properties for p in parts]), told
    )  # fmt: skip
