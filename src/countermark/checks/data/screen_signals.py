"""Screening of signals: the checks of suppliers and labels, over clips of sound or other series instead of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._given import Beside, Known
from countermark.checks.data._prepare import Progress, view_of
from countermark.checks.data._signals import Signals
from countermark.checks.data._summaries import summaries
from countermark.checks.data.battery import WORKERS, screened
from countermark.checks.data.screening import Features, Screening
from countermark.engines.engine import Engine, Threads, one_thread
from countermark.errors import Unusable
from countermark.features.own_model import Given
from countermark.features.own_rows import of_clips
from countermark.features.signals import LEAST_WINDOW, Signal

NAME = "summary statistics in time and frequency"
MOST_CHANNELS = 8


def screen_signals(
    signals: NDArray[Any] | Sequence[NDArray[Any]], labels: Sequence[str], suppliers: Sequence[str], *,
    rate: float | Sequence[float], encoder: object | None = None, ids: Sequence[str] | None = None,
    deliveries: Sequence[str] | None = None, contract: Mapping[str, Mapping[str, int]] | None = None, seed: int = 0,
    engine: Engine | None = None, progress: Progress | None = None, known: Known | None = None,
) -> Screening:  # fmt: skip
    """Screen clips of sound or other series for poison, and name the supplier.

    The same checks as `countermark.screen`, without those of pictures: they are reported as not applicable, never as passed.

    Args:
        signals: (n, t) or (n, t, channels), or n arrays (t,) or (t, channels) of different lengths t, at least 16 samples; at most
            8 channels, as many in each. Integers are divided by the largest of their type, floats are taken as they are.
        labels, suppliers: n names each. rate: samples a second, of all or of each; 1 where time means nothing.
        encoder: the user's own, whose inner layer gives the features: a path to an ONNX file or its bytes, which takes float32 (n, t), (n, 1, t) or
            (n, channels, t) (to a fixed t clips are cut or padded with zeros); or a function of float32 (m, t, channels) that returns
            features (m, ...), called with clips of one length at a time. Statistics are used where absent; drift is measured on the clips
            either way.
        ids: n unique row names; their place where absent. contract: supplier -> class -> rows agreed.
        deliveries: n delivery ids; among a supplier's rows, earlier deliveries stand before later ones.
        seed: of folds: same seed, same result. engine: how feature extraction is spread; by default two threads.
        progress: called with (stage, share done, 0 to 1). known: what a workspace knows besides, for `lifecycle.screen`.

    Raises:
        Unusable: shapes disagree, samples that are no finite numbers, clips too short, fewer than two suppliers or classes,
        ids repeat; as `own_rows.of_clips`. FormatRefused, MissingExtra: as there.
    """
    clips = _clips(signals)
    rates = (
        np.broadcast_to(np.asarray(rate, np.float64), (len(clips),))
        if np.ndim(rate) == 0
        else np.asarray(rate, np.float64)
    )
    if rates.shape != (len(clips),) or not (np.isfinite(rates) & (rates > 0)).all():
        raise Unusable(f"{rates.shape} rates for {len(clips)} clips", mend="one positive number, or one a clip")
    names = list(ids) if ids is not None else [f"{s}/{i}" for i, s in enumerate(suppliers)]
    known = known or Known()
    seen = summaries(clips, rates, engine or Threads(WORKERS), progress, known.kept, known.blocks)
    content = Signals(clips, rates, seen.traits)
    with one_thread():
        own = Given(seen.features, NAME) if encoder is None else of_clips(encoder, clips, rates.tolist())
        view, rows = view_of(content, (labels, suppliers, names), contract, seed, lambda: own.values)
        view = Beside(deliveries, known=known).put(view)
        return screened(view, Features(own.name, rows.dimensions, view.heads.accuracy), progress)


def _clips(signals: NDArray[Any] | Sequence[NDArray[Any]]) -> list[Signal]:
    out = [_clip(np.asarray(one), at) for at, one in enumerate(signals)]
    if not out:
        raise Unusable("no signal was given")
    if len({clip.shape[1] for clip in out}) != 1:
        raise Unusable(f"clips of {sorted({c.shape[1] for c in out})} channels", mend="as many channels in each")
    return out


def _clip(one: NDArray[Any], at: int) -> Signal:
    if one.ndim not in (1, 2) or len(one) < LEAST_WINDOW or (one.ndim == 2 and not 1 <= one.shape[1] <= MOST_CHANNELS):
        raise Unusable(
            f"signal {at} has shape {one.shape}", mend=f"(t,) or (t, channels), t from {LEAST_WINDOW}, at most {MOST_CHANNELS} channels"
        )  # fmt: skip
    if one.dtype.kind not in "iuf":
        raise Unusable(f"signal {at} is of {one.dtype}", mend="integers or floats")
    whole = one.astype(np.float64)
    if one.dtype.kind in "iu":
        limits = np.iinfo(one.dtype)
        middle = (limits.max + 1) / 2 if limits.min == 0 else 0
        whole = (whole - middle) / (limits.max + 1 - middle)
    clip = np.asarray(whole, np.float32)
    if not np.isfinite(clip).all():
        raise Unusable(f"signal {at} holds something that is no finite number")
    return clip if clip.ndim == 2 else clip[:, None]
