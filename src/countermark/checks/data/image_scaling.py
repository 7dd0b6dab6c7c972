"""data/image-scaling: a picture that turns into another one when it is scaled down to the model's input.

A scaler without area averaging keeps the pixels of a sparse lattice and drops the rest (Xiao et al., USENIX Security
2019). For every common target size and three ways to sample, pixels that stand out from their neighbours are counted on the
lattice and beside it, block by block (`_lattice`). Delivered files are decoded at their own size in a confined child, batch by
batch; pictures no larger than the model's input hide nothing.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _lattice
from countermark.checks.data._check import Check, CheckReport
from countermark.checks.data._exhibit import strip
from countermark.checks.data._lattice import Suspicion
from countermark.checks.data._pixels import at_side
from countermark.checks.data._view import View
from countermark.errors import FormatRefused
from countermark.features.patches import SIDE
from countermark.finding import Finding, Found, Measure, Passed, Skipped, Where
from countermark.formats.decode import Decoder
from countermark.formats.image import sniff

ID = "data/image-scaling"
INPUT = 64
BOUND = 20.0
SHOWN = 4
BATCH_PIXELS = 16 << 20
Pixels = NDArray[np.uint8]


@dataclass(slots=True)
class _Seen:
    """What looking at pictures one by one gave: suspicions by row, thumbnails of the first flagged, rows not looked at."""

    suspicions: dict[int, Suspicion] = field(default_factory=dict)
    shown: dict[int, Pixels] = field(default_factory=dict)
    unread: list[int] = field(default_factory=list)
    small: list[int] = field(default_factory=list)

    def recall(self, row: int, told: dict[str, Any]) -> None:
        """Take what `look` told of a file."""
        if told["seen"] in ("unread", "small"):
            (self.unread if told["seen"] == "unread" else self.small).append(row)
        if told["seen"] == "looked":
            height, width = told["size"]
            self.suspicions[row] = Suspicion(told["score"], (height, width), told["how"])
        if told["shown"] and len(self.shown) < SHOWN:
            self.shown[row] = np.frombuffer(b64decode(told["shown"]), np.uint8).reshape(2, SIDE, SIDE, 3)

    def told(self, row: int) -> dict[str, Any]:
        """What is told of a file that was looked at in its own size."""
        one = self.suspicions.get(row)
        shown = b64encode(self.shown[row].tobytes()).decode() if row in self.shown else ""
        if one is None:
            return {"seen": "small", "shown": shown}
        return {
            "seen": "looked",
            "score": float(one.score),
            "size": [int(n) for n in one.size],
            "how": one.how,
            "shown": shown,
        }

    def look(self, row: int, image: Pixels) -> None:
        if not _lattice.shapes(*image.shape[:2]):
            self.small.append(row)
            return
        self.suspicions[row] = seen = _lattice.suspicion(image)
        if seen.score > BOUND and len(self.shown) < SHOWN:
            self.shown[row] = _both(image, seen)


def look(files: Sequence[bytes], size: Sequence[int] = (INPUT, INPUT)) -> list[dict[str, Any]]:
    """Per file: `seen` ("fits", "unread", "small" or "looked"), and where it was looked at its `score`, scaler `size` and `how`.

    The first four flagged have what is `shown` of them (base64 of uint8 (2, 64, 64, 3)).

    Args:
        size: height and width of the model's input; pictures that fit into it hide nothing.
    """
    out: list[dict[str, Any]] = [{"seen": "fits", "shown": ""} for _ in files]
    seen = _Seen()
    with Decoder() as decoder:
        for rows in _batches(files, size, out):
            for row, image in zip(rows, decoder.each([files[r] for r in rows]), strict=True):
                if isinstance(image, str):
                    out[row]["seen"] = "unread"
                else:
                    seen.look(row, image)
                    out[row] = seen.told(row)
    return out


def run(view: View) -> CheckReport:
    """Flag pictures that hide another one.

    Delivered files are looked at in their own size. Without them: Passed where every picture is known to have been no larger
    than the model's input; Skipped where pictures come at the model's size and nobody says what size they had, or where they
    were scaled down on the way.
    """
    told = view.told(ID, partial(look, size=view.images.shape[1:3]))
    blind = _blind(view) if told is None else None
    if blind is not None:
        return CheckReport(blind)
    seen = _Seen()
    for row, one in enumerate(told or ()):
        seen.recall(row, one)
    for row, image in enumerate(view.images if told is None else ()):
        seen.look(row, image)
    scores = np.zeros(len(view.label))
    for row, suspicion in seen.suspicions.items():
        scores[row] = suspicion.score
    looked = ~np.isin(np.arange(len(scores)), [*seen.unread, *seen.small])
    bad = np.flatnonzero(scores > BOUND)
    measures = (
        Measure("pictures larger than the model's input", len(seen.suspicions) + len(seen.small)),
        Measure("pictures flagged", len(bad)), Measure("bound on the log-likelihood ratio", BOUND, "nat"),
    )  # fmt: skip
    left_out = _left_out(seen)
    if not len(bad):
        return CheckReport(Passed(measures, left_out), scores, looked=looked)
    digest, png = strip(np.concatenate(list(seen.shown.values())))
    findings = tuple(_finding(view, s, bad, (seen, digest)) for s in np.unique(view.supplier[bad]))
    outcome = Found(findings, measures, left_out)
    return CheckReport(outcome, scores, suspects=tuple(map(int, bad)), exhibits={digest: png}, looked=looked)


def _blind(view: View) -> Skipped | Passed | None:
    """The outcome where there are only pixels that were brought to one size; None where they can be looked at."""
    height, width = view.images.shape[1:3]
    if view.sizes is not None:
        shrunk = int((view.sizes > (width, height)).any(axis=1).sum())
        if shrunk:
            return Skipped(f"{shrunk} pictures were scaled down to {width} x {height} before they came here")
        if max(height, width) <= INPUT:
            return Passed((Measure("pictures larger than the model's input", 0),))
    if min(height, width) <= INPUT or not _lattice.shapes(height, width):
        return Skipped(
            f"all pictures are {width} x {height}, already the model's size: whether they were larger is not known"
        )
    return None


def _batches(files: Sequence[bytes], size: Sequence[int], out: list[dict[str, Any]]) -> Iterator[list[int]]:
    """Rows of pictures larger than `size` (height, width), at most 16 million pixels together or one picture alone."""
    batch, pixels = list[int](), 0
    for row, data in enumerate(files):
        try:
            facts = sniff(data)
        except FormatRefused:
            out[row]["seen"] = "unread"
            continue
        if facts.height <= size[0] and facts.width <= size[1]:
            continue
        if batch and pixels + facts.declared_pixels > BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
        batch.append(row)
        pixels += facts.declared_pixels
    if batch:
        yield batch


def _both(image: Pixels, seen: Suspicion) -> Pixels:
    """The picture as an area average shows it, and as the scaler would: uint8 (2, 64, 64, 3)."""
    y, x = (_lattice.axis(length, size, seen.how).at for length, size in zip(image.shape[:2], seen.size, strict=True))
    return np.concatenate([at_side(image[None]), at_side(image[np.ix_(y, x)][None])])


def _left_out(seen: _Seen) -> tuple[str, ...]:
    lines = []
    if seen.unread:
        lines.append(f"{len(seen.unread)} pictures did not decode in their own size")
    if seen.small:
        lines.append(f"{len(seen.small)} pictures are less than twice as large as any target size")
    return tuple(lines)


def _finding(view: View, s: int, bad: NDArray[np.intp], shown: tuple[_Seen, str]) -> Finding:
    seen, exhibit = shown
    rows, name = bad[view.supplier[bad] == s], view.suppliers[s]
    worst = max((seen.suspicions[int(r)] for r in rows), key=lambda found: found.score)
    return Finding(
        ID, "hidden-by-scaling", "high", 0.9, f"{len(rows)} pictures of {name} change when they are scaled down",
        Where(rows=view.names(rows), supplier=name),
        f"pixels stand out where a scaler samples, not beside (clearest at {worst.size[1]} x {worst.size[0]}, {worst.how}); "
        "shown: as an area average sees a picture, and as that scaler does",
        "set them aside; scale with an area average (OpenCV INTER_AREA, Pillow BOX) or antialias (Pillow's BILINEAR, BICUBIC, "
        "LANCZOS; PyTorch antialias=True) and pin that in the recipe's [preprocessing]: those do not fall for it",
        "fine regular textures whose period is the scaler's step (meshes, print rasters) can look the same", (exhibit,),
    )  # fmt: skip


CHECK = Check(
    ID,
    5,
    run,
    "log-likelihood ratio above 20",
    "none promised; set on 1,200 pictures of which 1 % lie above 16",
    of=("pictures",),
)
