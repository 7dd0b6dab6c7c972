"""The memory twin of the stores: the same guarantees, and failures on command.

Tests make every single write fail twice: once lost, once kept although it was reported to fail.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Literal

from countermark.errors import Unusable
from countermark.ledger.stores.protocol import HEAD, Object, head_moved

Fate = Literal["lost", "kept"]


class MemoryStore:
    """`Store` in a dictionary.

    Attributes:
        objects: what is stored, by name; tests may look and tamper.
        writes: number of commits and folder removals asked for so far.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.writes = 0
        self._failing: dict[int, Fate] = {}
        self._lock = threading.Lock()

    def fail(self, at: int, fate: Fate) -> None:
        """Make write number `at` (0-based, counted by `writes`) raise OSError.

        Args:
            fate: "lost" stores nothing of it; "kept" stores it and raises all the same.
        """
        self._failing[at] = fate

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Store.read`."""
        data = self.objects.get(name)
        if data is not None and len(data) > limit:
            raise OSError(f"{name} is {len(data)} bytes; the limit is {limit}")
        return data

    def commit(self, objects: Sequence[Object], head: bytes, replaces: bytes | None) -> None:
        """As `Store.commit`."""
        if self.objects.get(HEAD) != replaces:
            raise head_moved("the head is not the one that this writer saw last")
        fate = self._count()
        if fate != "lost":
            self.objects |= dict(objects) | {HEAD: head}
        if fate is not None:
            raise OSError(f"a commit fails on command ({fate})")

    def discard(self, folder: str) -> None:
        """As `Store.discard`."""
        fate = self._count()
        if fate != "lost":
            inside = [name for name in self.objects if name.rpartition("/")[0] == folder]
            for name in inside:
                del self.objects[name]
        if fate is not None:
            raise OSError(f"removal of {folder} fails on command ({fate})")

    @contextlib.contextmanager
    def lock(self, wait_s: float) -> Iterator[None]:
        """As `Store.lock`."""
        if not self._lock.acquire(timeout=wait_s):
            raise Unusable("another writer holds this ledger", mend="wait for it to end, then retry")
        try:
            yield
        finally:
            self._lock.release()

    def _count(self) -> Fate | None:
        self.writes += 1
        return self._failing.pop(self.writes - 1, None)
