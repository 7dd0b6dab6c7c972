"""Which features a screening takes, what they are called, and the small network that may be trained for single labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._heads import Heads
from countermark.checks.data._pixels import at_side
from countermark.checks.data._prepare import Progress, Spread
from countermark.checks.data._ridge import reduced
from countermark.checks.data._view import View
from countermark.checks.data._work import Work, on_own_directions
from countermark.checks.data._work import encoded as by_patches
from countermark.checks.data.screening import Features
from countermark.engines.engine import Engine
from countermark.errors import Unusable
from countermark.features.net import net_features
from countermark.features.own_model import encoded, encoder, given

PATCHES, NET = "patches", "net"
OWN = "the user's model (heads out of fold; whether it was taught on these rows is not known)"
TAUGHT = "a small network trained here, rows described by the one that never saw their supplier"


def features_of(
    model: object, seed: int, engine: Engine, progress: Progress | None, work: Work | None = None
) -> Spread:
    """A function from pictures to features (n, d): of the model, handed over, or learnt from the pictures.

    Raises:
        Unusable, FormatRefused, MissingExtra: as `own_model.encoder`.
    """
    if model is None:
        return lambda pixels: by_patches(at_side(pixels), seed, engine, progress, work)
    known = given(model)
    if known is not None:
        return lambda pixels: on_own_directions(_one_each(known.values, pixels), seed)
    encode = encoder(model)
    told = (lambda done: progress("features", done)) if progress else None
    return lambda pixels: on_own_directions(encoded(encode, pixels, told), seed)


def called(model: object) -> str:
    """Those features in words."""
    known = given(model)
    return known.name if known else "k-means patches" if model is None else OWN


def taught_here(view: View, progress: Progress | None) -> tuple[View, Features]:
    """The view with heads over a small network's features for single labels, and what these are.

    Raises:
        MissingExtra: PyTorch is absent.
    """
    told = (lambda done: progress("network", done)) if progress else None
    raw = net_features(at_side(view.images), view.label, view.supplier, view.seed, told)
    heads = Heads(reduced(raw, view.seed), view.label, view.supplier, len(view.classes), view.seed)
    return replace(view, sharper=heads), Features(TAUGHT, raw.shape[1], heads.accuracy)


def _one_each(values: NDArray[np.float32], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    if len(values) != len(pixels):
        raise Unusable(
            f"features of {len(values)} rows for {len(pixels)} pictures", mend="one row of features per picture"
        )
    return values
