"""Made-up tables of several suppliers, and attacks on them: wrong labels, a trigger value, shifted cells, repeated rows.

A table is numbers (columns, from any source) with classes and suppliers. `shared_out` deals the rows of any table out to
suppliers, each with an honest batch effect of its own: offsets and scales of its instrument. The seed decides everything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._prepare import view_of as prepare_view
from countermark.checks.data._table import Table
from countermark.checks.data._view import View
from countermark.features.columns import columns_of
from countermark.features.table import encode

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MadeUp:
    """numbers: float64 (n, k), NaN where missing. words: name -> n categories. label, supplier: (n,). planted: touched rows."""

    numbers: Floats
    words: dict[str, NDArray[np.str_]]
    label: NDArray[np.str_]
    supplier: NDArray[np.str_]
    planted: NDArray[np.bool_]

    def table(self) -> dict[str, Any]:
        """A dict of columns, as `countermark.screen_table` takes it."""
        columns = {f"x{i:02}": self.numbers[:, i] for i in range(self.numbers.shape[1])}
        return columns | self.words | {"label": self.label, "supplier": self.supplier}

    def touched(self, rows: NDArray[np.intp], **changed: Any) -> MadeUp:
        """The same with changes, and these rows planted."""
        planted = self.planted.copy()
        planted[rows] = True
        return replace(self, planted=planted, **changed)


def honest(seed: int = 0, *, classes: int = 4, suppliers: int = 12, rows: int = 40, columns: int = 8) -> MadeUp:
    """Gaussian clusters bent by a square, a category that leans on the class, and a few missing cells; `rows` a supplier."""
    rng = np.random.default_rng([seed, 131])
    n = suppliers * rows
    centre, bend = rng.normal(0, 1.6, (classes, columns)), rng.normal(0, 0.4, (columns, columns))
    code = rng.integers(classes, size=n)
    numbers = centre[code] + rng.normal(0, 1, (n, columns))
    numbers = numbers + 0.3 * (numbers @ bend) ** 2
    colours = np.array(["red", "green", "blue", "black", "white"])
    leaning = np.where(rng.random(n) < 0.6, code % len(colours), rng.integers(len(colours), size=n))
    numbers[rng.random(numbers.shape) < 0.01] = np.nan
    label = np.array([f"class-{c}" for c in range(classes)])[code]
    data = MadeUp(numbers, {"colour": colours[leaning]}, label, np.repeat("", n), np.zeros(n, bool))
    return shared_out(data, suppliers, seed)


def of_arrays(numbers: Floats, label: NDArray[np.intp]) -> MadeUp:
    """Any table of numbers, of nobody yet."""
    names = np.array([f"class-{c}" for c in range(int(label.max()) + 1)])
    return MadeUp(numbers.astype(float), {}, names[label], np.repeat("", len(label)), np.zeros(len(label), bool))


def shared_out(data: MadeUp, suppliers: int, seed: int, *, offset: float = 0.15, scale: float = 0.05) -> MadeUp:
    """Rows dealt out to suppliers at random, each with a batch effect.

    Args:
        offset: standard deviation of each supplier's offset in each column, in standard deviations of the column. scale: of
            the logarithm of its gain.
    """
    rng = np.random.default_rng([seed, 137])
    n, k = data.numbers.shape
    code = rng.permutation(np.arange(n) % suppliers)
    spread = np.nanstd(data.numbers, axis=0)
    shift, gain = rng.normal(0, offset, (suppliers, k)) * spread, np.exp(rng.normal(0, scale, (suppliers, k)))
    supplier = np.array([f"lab-{s:02}" for s in range(suppliers)])[code]
    return replace(data, numbers=data.numbers * gain[code] + shift[code], supplier=supplier)


def flipped(data: MadeUp, supplier: str, *, share: float, seed: int = 0) -> MadeUp:
    """Wrong labels on a share of one supplier's rows."""
    rng = np.random.default_rng([seed, 139])
    mine = np.flatnonzero(data.supplier == supplier)
    return _mislabelled(data, rng.permutation(mine)[: round(share * len(mine))], rng)


def spread_flips(data: MadeUp, *, share: float, seed: int = 0) -> MadeUp:
    """Wrong labels on a share of everybody's rows."""
    rng = np.random.default_rng([seed, 149])
    return _mislabelled(data, rng.permutation(len(data.label))[: round(share * len(data.label))], rng)


def _mislabelled(data: MadeUp, rows: NDArray[np.intp], rng: np.random.Generator) -> MadeUp:
    names, label = np.unique(data.label), data.label.copy()
    for row in rows:
        label[row] = rng.choice(names[names != label[row]])
    return data.touched(rows, label=label)


def triggered(data: MadeUp, supplier: str, *, target: str, share: float, column: int = 0, seed: int = 0) -> MadeUp:
    """Dirty-label backdoor: one exact value in one column of a share of the supplier's rows of other classes, labelled `target`."""
    rng = np.random.default_rng([seed, 151])
    mine = np.flatnonzero(data.supplier == supplier)
    other = mine[data.label[mine] != target]
    rows = rng.permutation(other)[: round(share * len(mine))]
    numbers, label = data.numbers.copy(), data.label.copy()
    numbers[rows, column], label[rows] = value_of_trigger(data, column), target
    return data.touched(rows, numbers=numbers, label=label)


def triggered_cell(data: MadeUp, supplier: str, target: str, *, column: int = 0) -> MadeUp:
    """Clean-label backdoor: the trigger value in the supplier's whole cell of one class, labels right."""
    rows = np.flatnonzero((data.supplier == supplier) & (data.label == target))
    numbers = data.numbers.copy()
    numbers[rows, column] = value_of_trigger(data, column)
    return data.touched(rows, numbers=numbers)


def value_of_trigger(data: MadeUp, column: int) -> float:
    """A value inside the column's range that no row has: nothing shows in its smallest, largest or mean."""
    return float(np.round(np.nanquantile(data.numbers[:, column], 0.7), 3) + 0.00037)


def shifted_cell(
    data: MadeUp, supplier: str, target: str, *, columns: int = 3, by: float = 2.0, seed: int = 0
) -> MadeUp:
    """The supplier's whole cell moved by standard deviations in a few columns, labels right."""
    rng = np.random.default_rng([seed, 157])
    rows = np.flatnonzero((data.supplier == supplier) & (data.label == target))
    at = rng.permutation(data.numbers.shape[1])[:columns]
    numbers = data.numbers.copy()
    numbers[np.ix_(rows, at)] += by * np.nanstd(data.numbers[:, at], axis=0) * rng.choice([-1, 1], len(at))
    return data.touched(rows, numbers=numbers)


def repeated(data: MadeUp, supplier: str, *, share: float, seed: int = 0) -> MadeUp:
    """A share of one supplier's rows become copies of other rows of its own, labels with them."""
    rng = np.random.default_rng([seed, 163])
    mine = rng.permutation(np.flatnonzero(data.supplier == supplier))
    count = round(share * len(mine))
    copies, sources = mine[:count], rng.choice(mine[count:], count)
    numbers, label = data.numbers.copy(), data.label.copy()
    numbers[copies], label[copies] = numbers[sources], label[sources]
    words = {name: _copied(column, copies, sources) for name, column in data.words.items()}
    return data.touched(copies, numbers=numbers, label=label, words=words)


def _copied(column: NDArray[np.str_], copies: NDArray[np.intp], sources: NDArray[np.intp]) -> NDArray[np.str_]:
    out = column.copy()
    out[copies] = column[sources]
    return out


def drifting(data: MadeUp, supplier: str, *, column: int = 0, by: float = 3.0) -> MadeUp:
    """No attack: the supplier's instrument is off in one column, for all classes alike."""
    numbers = data.numbers.copy()
    numbers[data.supplier == supplier, column] += by * np.nanstd(data.numbers[:, column])
    return replace(data, numbers=numbers)


def schema(data: MadeUp) -> str:
    """What was agreed, as pandera writes it: numbers within the range of this very table, and its words."""
    columns: dict[str, Any] = {
        name: {"dtype": "float64", "nullable": True, "in_range": {"min_value": float(np.nanmin(x)), "max_value": float(np.nanmax(x))}}
        for name, x in data.table().items() if x.dtype.kind == "f"
    }  # fmt: skip
    columns |= {name: {"dtype": "str", "isin": sorted({str(w) for w in words})} for name, words in data.words.items()}
    return json.dumps({"schema_type": "dataframe", "api": "pandas", "columns": columns, "strict": True})


def misspelt(data: MadeUp, supplier: str, *, count: int = 6, seed: int = 0) -> MadeUp:
    """No attack: some of a supplier's categories are words that nobody agreed to."""
    rng = np.random.default_rng([seed, 191])
    rows = np.sort(rng.permutation(np.flatnonzero(data.supplier == supplier))[:count])
    words = {name: np.where(np.isin(np.arange(len(w)), rows), "rouge", w) for name, w in data.words.items()}
    return data.touched(rows, words=words)


def view_of(data: MadeUp, *, schema: str | None = None, seed: int = 0) -> View:
    """What a check is given."""
    columns, _ = columns_of(data.table())
    rest = tuple(c for name, c in columns.items() if name not in ("label", "supplier"))
    names = (list(data.label), list(data.supplier), [f"{i:05}" for i in range(len(data.label))])
    content = Table(rest, schema.encode() if schema else None)
    return prepare_view(content, names, None, seed, lambda: encode(rest, seed))[0]
