"""How often one who may do a thing does it: many at once, and then one more each so often (a token bucket)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from countermark.errors import Unusable


class Pace:
    """Counts by key, in memory; threads may share it. What a key is must be checked before: each one is remembered.

    Args:
        most: at once, 1 and up. per_second: how many come back. ticks: seconds that only grow.
    """

    def __init__(self, most: int, per_second: float, ticks: Callable[[], float]) -> None:
        self._most, self._per_second, self._ticks = most, per_second, ticks
        self._left: dict[Hashable, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key: Hashable) -> None:
        """Take one.

        Raises:
            Unusable: none is left now.
        """
        with self._lock:
            now = self._ticks()
            left, at = self._left.get(key, (float(self._most), now))
            left = min(float(self._most), left + (now - at) * self._per_second)
            if left < 1:
                raise Unusable(
                    f"more than {self._most} in a short time", why=f"then {self._per_second:g} a second is taken",
                    mend="wait, and take larger blocks",
                )  # fmt: skip
            self._left[key] = left - 1, now
