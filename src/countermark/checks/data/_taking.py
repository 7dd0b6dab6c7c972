"""How rows came about, in units that people know: what `data/drift` compares, and how it says a difference of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _properties
from countermark.checks.data._codings import CODING, codings
from countermark.checks.data._content import Trait, Traits
from countermark.checks.data._view import View

Floats = NDArray[np.float64]
RARE = 0.05


Words = Callable[[float, float, float], str]


def _levels(more: str, less: str, what: str = "") -> Words:
    return lambda d, _, __: f"{what}{abs(d):.0f} grey levels {more if d > 0 else less}"


def _blur(d: float, _: float, __: float) -> str:
    return f"blurred, edges {1 - exp(-d):.0%} weaker" if d > 0 else f"sharper, edges {exp(-d) - 1:.0%} stronger"


NAMES = (*_properties.NAMES, "size", "codec")
TRAITS: tuple[Trait, ...] = (
    Trait(False, _levels("brighter", "darker"), 2.0),
    Trait(False, _levels("higher", "lower", "contrast "), 1.0),
    Trait(False, _levels("redder", "bluer"), 1.0),
    Trait(False, _levels("stronger", "paler", "colours "), 1.0),
    Trait(False, _blur, 0.05),
    Trait(False, lambda d, _, __: f"noise {exp(d):.1f} times as strong", 0.10),
    Trait(False, lambda d, _, __: f"{exp(d):.2g} times as many pixels", 0.05),
    Trait(False, lambda d, _, __: f"JPEG quality {abs(d):.0f} of 100 {'higher' if d > 0 else 'lower'}", 2.0),
)
"""In the order of `NAMES`. Grey levels; natural logarithms for blur, noise and size; points of the Independent JPEG Group's scale."""


def traits_of(view: View) -> Traits:
    """Of the rows of a view: of pictures `TRAITS`, else what the rows say of themselves."""
    return view.content.traits() or Traits(_taken(view), TRAITS, pooled=False)


def _taken(view: View) -> Floats:
    """(n, 8) in the order of `TRAITS`; NaN where a row has none (the quality of a PNG)."""
    seen = _properties.properties(view.images) if view.properties is None else view.properties
    size = np.zeros(len(view.label)) if view.sizes is None else np.log(np.maximum(view.sizes, 1).prod(axis=1))
    told = view.told(CODING, codings)
    quality = np.full(len(view.label), np.nan)
    for row, one in enumerate(told or ()):
        if one and one["quality"]:
            quality[row] = one["quality"]
    return np.column_stack([seen, size, quality])


def codecs_of(view: View) -> list[str] | None:
    """Format and colour subsampling of each row as delivered, ``""`` where unreadable; None where files are not known."""
    told = view.told(CODING, codings)
    return None if told is None else [_codec(one) for one in told]


def _codec(one: dict[str, Any] | None) -> str:
    return f"{one['format'].upper()} {one['subsampling']}".strip() if one else ""


def other_codec(mine: Sequence[str], others: Sequence[str]) -> str:
    """In words, that most of `mine` are coded as hardly any of `others` is; empty where that is not so."""
    if not mine or not others:
        return ""
    (own, count), (usual, _) = Counter(mine).most_common(1)[0], Counter(others).most_common(1)[0]
    rare = others.count(own) < RARE * len(others)
    return f"coded as {own}, the others mostly as {usual}" if own and rare and 2 * count > len(mine) else ""
