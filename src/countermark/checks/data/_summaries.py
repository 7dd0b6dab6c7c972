"""Summaries of clips, those of earlier screenings read back.

A clip's summary depends on the clip and on the rate that bands are laid over, and on nothing else beside it: what was kept
under both is to the last bit what would be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._kept import Block, Kept
from countermark.engines.engine import Engine
from countermark.errors import FormatRefused
from countermark.features import arrays
from countermark.features.signals import TRAITS, Signal, Summary, summarise, usual

BATCH = 64
KIND = "clip summaries"
Told = Callable[[str, float], None] | None


def summaries(
    clips: Sequence[Signal], rates: NDArray[np.float64], engine: Engine, progress: Told = None,
    kept: Kept | None = None, blocks: Sequence[Block] = (),
) -> Summary:  # fmt: skip
    """Summaries of all clips.

    Args:
        rates: in Hz. kept: what earlier screenings left. blocks: of these clips, where anything is kept.
    """
    top = usual(rates)
    cuts = blocks if kept is not None else (Block(0, len(clips), ""),)
    found = [None if kept is None else _read(kept, top, block) for block in cuts]
    missing = [block for block, one in zip(cuts, found, strict=True) if one is None]
    starts = [range(block.start, block.stop, BATCH) for block in missing]
    batches = [
        (clips[at : min(at + BATCH, inside.stop)], rates[at : min(at + BATCH, inside.stop)].tolist(), top)
        for inside in starts for at in inside
    ]  # fmt: skip
    made = []
    for done, part in enumerate(engine.map(summarise, batches), 1):
        made.append(part)
        if progress:
            progress("features", done / len(batches))
    left = iter(made)
    of = {block: _joined([next(left) for _ in inside]) for block, inside in zip(missing, starts, strict=True)}
    if kept is not None:
        for block, one in of.items():
            kept.put(KIND, _name(top, block), arrays.to_bytes(one._asdict()))
            kept.count(KIND, computed=block.stop - block.start)
    return _joined([of[block] if one is None else one for block, one in zip(cuts, found, strict=True)])


def _name(top: float, block: Block) -> str:
    return f"{top!r} {block.digest}"


def _read(kept: Kept, top: float, block: Block) -> Summary | None:
    data = kept.get(KIND, _name(top, block))
    if data is None:
        return None
    try:
        one = Summary(**arrays.from_bytes(data))
    except (FormatRefused, TypeError):
        return None
    rows = block.stop - block.start
    fits = one.features.dtype == np.float32 and one.features.ndim == 2 and len(one.features) == rows
    if not fits or one.traits.dtype != np.float64 or one.traits.shape != (rows, TRAITS):
        return None
    kept.count(KIND, read=rows)
    return one


def _joined(parts: Sequence[Summary]) -> Summary:
    return Summary(np.concatenate([p.features for p in parts]), np.concatenate([p.traits for p in parts]))
