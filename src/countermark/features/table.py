"""Rows of a table as vectors that a linear head can read: no labels, no training.

Numbers on a robust scale (median and median absolute deviation: Huber, "Robust statistics", 1981), softly bounded, so that
one supplier's far values do not set the scale of all; a flag where a value is missing; one column for each frequent category,
and for a number that keeps coming back exactly (a code, a default, a trigger); rare categories by feature hashing (Weinberger et al.,
ICML 2009); parts of dates as points on a circle. Then random Fourier features of all of it (Rahimi and Recht, NIPS 2007):
cosines of random directions, so that what only a combination of columns tells can be told by a linear head.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from countermark.features.columns import Column

FAR = 6.0  # robust spreads at which a number is bounded
FREQUENT, LEAST_FREQUENT, BUCKETS = 32, 8, 16
SPIKES, LEAST_SPIKE = 8, 0.005
MOSTLY_DIFFERENT = 0.5  # share of different words beyond which a column names rows, and says nothing of their class
WAVES, SAMPLE = 256, 400
DAY, WEEK, YEAR = 86400.0, 7 * 86400.0, 365.2425 * 86400.0
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def encode(columns: Sequence[Column], seed: int) -> Floats:
    """Features of all rows: float32 (n, d); constant ones are left out.

    Args:
        seed: of the random directions.
    """
    plain = np.column_stack([part for c in columns for part in _parts(c)] or [np.zeros(len(columns[0].values))])
    plain = plain[:, plain.std(axis=0) > 1e-9]
    if not plain.shape[1]:
        return np.zeros((len(columns[0].values), 1), np.float32)
    return np.asarray(np.concatenate([plain, _waves(plain, seed)], axis=1), np.float32)


def robust(values: Doubles) -> tuple[float, float]:
    """Median and spread of the values that are there and finite; the spread is never 0."""
    there = values[np.isfinite(values)]
    if not len(there):
        return 0.0, 1.0
    middle = float(np.median(there))
    spread = 1.4826 * float(np.median(np.abs(there - middle)))
    if spread <= 1e-12 * max(1.0, abs(middle)):  # more than half are equal
        spread = float(there.std())
    return middle, spread if spread > 1e-12 * max(1.0, abs(middle)) else 1.0


def scaled(values: Doubles) -> Doubles:
    """Numbers in robust spreads from their median, bounded at 6; missing ones are 0."""
    middle, spread = robust(values)
    with np.errstate(invalid="ignore", over="ignore"):
        z = (values - middle) / spread
    return np.asarray(FAR * np.tanh(np.nan_to_num(z, nan=0.0, posinf=1e6, neginf=-1e6) / FAR))


def names_rows(column: Column) -> bool:
    """Whether a column of categories has about as many words as rows."""
    there = int((~column.missing).sum())
    return column.kind == "category" and there > LEAST_FREQUENT and len(column.words) > MOSTLY_DIFFERENT * there


def frequent(column: Column, most: int = FREQUENT) -> list[int]:
    """Codes of the words that come often enough for a column of their own, most frequent first."""
    codes = column.values[~column.missing].astype(np.intp)
    count = np.bincount(codes, minlength=len(column.words))
    order = np.argsort(-count, kind="stable")[:most]
    return [int(c) for c in order if count[c] >= LEAST_FREQUENT]


def _parts(column: Column) -> list[Doubles]:
    missing = [column.missing.astype(np.float64)] if column.missing.any() else []
    if column.kind == "category":
        return [] if names_rows(column) else [*missing, *_categories(column)]
    if column.kind == "time":
        return [*missing, scaled(column.values), *_circles(column.values)]
    return [*missing, scaled(column.values), *_spikes(column.values)]


def _categories(column: Column) -> list[Doubles]:
    often = frequent(column)
    out = [(column.values == code).astype(np.float64) for code in often]
    rare = sorted(set(range(len(column.words))) - set(often))
    if rare:
        bucket = np.full(len(column.words) + 1, -1)
        bucket[rare] = [_bucket(column.words[code]) for code in rare]
        at = bucket[np.where(column.missing, len(column.words), column.values).astype(np.intp)]
        out += [(at == b).astype(np.float64) for b in range(BUCKETS)]
    return out


def _bucket(word: str) -> int:
    return blake2b(word.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] % BUCKETS


def _spikes(values: Doubles) -> list[Doubles]:
    """Exact values that come back often in a column that is otherwise spread out."""
    there = values[np.isfinite(values)]
    known, count = np.unique(there, return_counts=True)
    often = np.argsort(-count, kind="stable")[:SPIKES]
    least = max(LEAST_FREQUENT, LEAST_SPIKE * len(there))
    return [(values == known[i]).astype(np.float64) for i in often if count[i] >= least] if len(known) > 2 else []


def _circles(seconds: Doubles) -> list[Doubles]:
    """Sine and cosine of the hour, the weekday and the day of the year."""
    known = np.nan_to_num(seconds)
    angles = [2 * np.pi * (known / period % 1.0) for period in (DAY, WEEK, YEAR)]
    return [np.where(np.isfinite(seconds), f(a), 0.0) for a in angles for f in (np.sin, np.cos)]


def _waves(plain: Doubles, seed: int) -> Doubles:
    """Random Fourier features of a Gaussian kernel as wide as the median distance between rows."""
    rng = np.random.default_rng([seed, 113])
    z = (plain - plain.mean(axis=0)) / plain.std(axis=0)
    z = np.clip(z, -FAR, FAR)
    some = z[np.sort(rng.permutation(len(z))[:SAMPLE])]
    apart = np.sqrt(np.maximum(((some**2).sum(axis=1)[:, None] - 2 * some @ some.T + (some**2).sum(axis=1)), 0))
    width = float(np.median(apart[np.triu_indices(len(some), 1)])) if len(some) > 1 else 1.0
    directions = rng.normal(size=(z.shape[1], WAVES)) / max(width, 1e-6)
    return np.asarray(np.cos(z @ directions + rng.uniform(0, 2 * np.pi, WAVES)))
