"""What a ledger asks of the place it is kept in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Object = tuple[str, bytes]


class Store(Protocol):
    """Named byte strings with durable, atomic writes.

    Names are relative paths with ``/`` between their parts, as `tiles` makes them. Guarantees that
    an implementation gives and the contract tests check:

    - `publish` returns only when every object given is durable: it survives power loss. Each object
      appears whole or not at all; no order among those of one call is promised. When it raises, any
      subset may have been stored, durable or not, and what stood there before may have stayed.
    - An object read once reads the same until someone publishes or discards that name.
    - `discard` may be undone by a crash, and never touches anything but the folder named.
    - `lock` admits one holder at a time, across threads, processes and store objects for the same
      place, and is let go when its holder dies. Reading needs no lock.
    - Trouble of the medium raises OSError, nothing else.
    """

    def read(self, name: str, limit: int) -> bytes | None:
        """The object's bytes, or None where there is none.

        Raises:
            OSError: it cannot be read, is not a plain file, or is longer than `limit` bytes.
        """
        ...

    def publish(self, objects: Sequence[Object]) -> None:
        """Store the objects durably, replacing what has the same names.

        Raises:
            OSError: any subset may have been stored.
        """
        ...

    def discard(self, folder: str) -> None:
        """Remove the objects directly inside `folder`, and the folder; nothing there is no error.

        Raises:
            OSError: some may be left.
        """
        ...

    def lock(self, wait_s: float) -> AbstractContextManager[None]:
        """Hold the one writer's place.

        Args:
            wait_s: how long to wait for another holder; 0 asks once.

        Raises:
            Unusable: another one still holds it.
        """
        ...
