"""What a check of training data is, and what it says."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import KINDS, Kind
from countermark.checks.data._view import View
from countermark.finding import Found, Outcome, Passed, outcome_to_json

NO_INTENT = "names a delivery that disagrees with all others; does not prove intent"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one check says.

    Attributes:
        outcome: for the statement. rows: (n,) score per row, larger is worse, or None.
        row_p: (n,) p-values per row in (0, 1], or None.
        supplier_p: (suppliers,) p-values, adjusted by Holm over suppliers, or None.
        cell_p: (supplier code, class code) -> p-value, adjusted by Holm over the cells compared.
        suspects: rows the check would set aside. expected: rows that it takes for bad, flagged or not (0: its suspects). exhibits: SHA-256 hex -> PNG bytes.
        precision: expected share of bad rows among its suspects; recall: expected share of the bad rows it asked about that are among them; each 0
            to 1 from a calibrated posterior, None where the check has none or set nothing aside.
        looked: (n,) rows it looked at one by one, or None where that is all.
        share: (n,) estimated share of bad rows in the group that a row lies in, where it named one (0 elsewhere), or None where it estimates none.
        id, version, code, operating, alarms: of the check, and the SHA-256 hex of the source it ran; filled in by the battery.
    """

    outcome: Outcome
    rows: NDArray[np.float64] | None = None
    row_p: NDArray[np.float64] | None = None
    supplier_p: NDArray[np.float64] | None = None
    cell_p: dict[tuple[int, int], float] = field(default_factory=dict)
    suspects: tuple[int, ...] = ()
    exhibits: dict[str, bytes] = field(default_factory=dict)
    expected: float = 0.0
    precision: float | None = None
    recall: float | None = None
    looked: NDArray[np.bool_] | None = None
    share: NDArray[np.float64] | None = None
    id: str = ""
    version: int = 0
    code: str = ""
    operating: str = ""
    alarms: str = ""

    @property
    def looking(self) -> bool:
        """Whether it could look at all."""
        return isinstance(self.outcome, Found | Passed)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a screening's statement: the outcome, which check said it, and what may be expected of it."""
        out = outcome_to_json(self.outcome) | {"version": self.version, "code": self.code}
        out |= {"setAside": len(self.suspects), "operatingPoint": self.operating, "falseAlarms": self.alarms}
        known = {"expectedPrecision": self.precision, "expectedRecall": self.recall}
        return out | {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: an id, a version that rises with every change of what it says, and a function of a `View`.

    operating: where it draws its line, in words. alarms: the false alarms to expect there; says so where nothing is promised.
    of: kinds of rows that it says something about; on others it is not run, and the screening says that.
    """

    id: str
    version: int
    run: Callable[[View], CheckReport]
    operating: str = ""
    alarms: str = ""
    of: tuple[Kind, ...] = KINDS

    @property
    def code(self) -> str:
        """SHA-256 hex of the check's module, of what checks share, and of the features."""
        return _digest(str(sys.modules[self.run.__module__].__file__))


@cache
def _digest(module: str) -> str:
    here = Path(__file__).parent
    shared = [*here.glob("_*.py"), *(here.parent.parent / "features").glob("*.py")]
    total = hashlib.sha256()
    for path in sorted({Path(module), *shared}):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
