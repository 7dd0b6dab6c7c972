"""Rows as people see them on a contact sheet: thumbnails of pictures, spectrograms of clips, values of tables.

A supplier's own bytes are never shown as they are: pictures and spectrograms are encoded anew, values are text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from countermark.artefact.labelled import Row as Labelled
from countermark.formats.decode import Decoder
from countermark.lifecycle.claimed_clips import decoded
from countermark.lifecycle.contract import BATCH
from countermark.lifecycle.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THUMBNAIL = (96, 96)
MOST_TEXT = 2000


class Shown(NamedTuple):
    """picture: a data URI, or empty. text: a row's values, or empty. Both are empty where a picture does not decode."""

    picture: str = ""
    text: str = ""


def shown(rows: Sequence[tuple[Row, bytes]]) -> list[Shown]:
    """What to show of each row, in their order.

    Args:
        rows: with their bytes.

    Raises:
        MissingExtra: the screen extra is absent. FormatRefused: a stored clip no longer decodes.
    """
    of = {kind: [(row, data) for row, data in rows if row.kind == kind] for kind in ("pictures", "clips")}
    pictures, clips = iter(_thumbnails([data for _, data in of["pictures"]])), iter(_spectrograms(of["clips"]))
    return [
        Shown(text=data[:MOST_TEXT].decode("utf-8", "replace")) if row.kind == "tables"
        else Shown(next(clips if row.kind == "clips" else pictures))
        for row, data in rows
    ]  # fmt: skip


def _thumbnails(pictures: Sequence[bytes]) -> list[str]:
    """Data URIs of re-encoded PNG thumbnails; empty text where a picture does not decode."""
    out: list[str] = []
    if not pictures:
        return out
    with Decoder() as decoder:
        for start in range(0, len(pictures), BATCH):
            done = decoder.batch(pictures[start : start + BATCH], THUMBNAIL)
            for pixels, error in zip(done.pixels, done.errors, strict=True):
                out.append("" if error else _uri(pixels))
    return out


def _spectrograms(rows: Sequence[tuple[Row, bytes]]) -> list[str]:
    import numpy as np

    from countermark.checks.data._signals import Signals
    from countermark.features.signals import TRAITS

    if not rows:
        return []
    read = decoded((Labelled(r.id, r.supplier, r.label, data) for r, data in rows), len(rows))
    content = Signals(read.signals, np.array(read.rates), np.zeros((len(rows), TRAITS)))
    return [_uri(pixels) for pixels in content.thumbnails(np.arange(len(rows)))]


def _uri(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
