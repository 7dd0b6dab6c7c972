"""What a ledger asks of the place it is kept in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from countermark.errors import LedgerRefused

Object = tuple[str, bytes]
HEAD = "checkpoint"


class Store(Protocol):
    """Named byte strings, and one head that stands for all of them.

    Names are relative paths with ``/`` between their parts, as `tiles` makes them. Objects in one folder
    whose name ends in ``.p`` are successive forms of one thing, each a beginning of the next: a store keeps
    the newest that a head came with, and may drop those that came and went between two looks of a reader.
    Guarantees that an implementation gives and the contract tests check:

    - `commit` is one step: all its objects and then its head are durable when it returns, and survive power
      loss. The head is replaced only where it still is the one that the writer names; so of two writers who
      go on from one head, one is refused, even where both believe that they hold the lock.
    - When it raises OSError its fate is unknown: nothing of it, or all of it. Nothing may be committed
      before `lock` was left and entered anew; from then on `read` shows which it is, and that is durable.
    - No reader sees a head whose objects are not there, at any time; after a crash it may see an older head
      than the writer had reached, never one that had not been reached. Each store says when.
    - An object read once reads the same until someone commits or discards that name.
    - `discard` may be undone by a crash, and never touches anything but the folder named.
    - `lock` is entered before `commit` and `discard`. Where the place has locks it admits one holder at a
      time, across threads, processes and store objects, and is let go when its holder dies. It ends what a
      dead writer left half done. Reading needs no lock.
    - Trouble of the medium raises OSError, nothing else.
    """

    def read(self, name: str, limit: int) -> bytes | None:
        """The object's bytes, or None where there is none.

        Raises:
            OSError: it cannot be read, is not a plain object, or is longer than `limit` bytes.
        """
        ...

    def commit(self, objects: Sequence[Object], head: bytes, replaces: bytes | None) -> None:
        """Store the objects durably, replacing what has the same names, and make `head` the head.

        Args:
            objects: none of them named as the head is.
            replaces: the head as this writer last saw it; None where there was none.

        Raises:
            LedgerRefused: the head is another one by now; nothing that anybody could read was changed.
            OSError: it is unknown whether this commit stands.
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
            Unusable: another one still holds it. OSError: what a dead writer left cannot be ended.
        """
        ...


def head_moved(detail: str) -> LedgerRefused:
    """The refusal of a `commit` whose head is not the newest any more."""
    return LedgerRefused(
        "another writer went on with this ledger",
        why=f"{detail}; signing on from an older head would fork it",
        mend="run the command again: it goes on from the newest head",
    )
