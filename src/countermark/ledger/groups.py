"""Group commit: many callers, one durable write.

The first caller to find nobody writing leads: it takes what waits, up to a limit, and commits it for
all. The others wait for their result. No thread of its own, nothing to start or stop.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from countermark.errors import CountermarkError, Unusable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Ticket(Generic[Item, Result]):
    items: Sequence[Item]
    results: list[Result] | None = None
    error: CountermarkError | None = None

    @property
    def done(self) -> bool:
        return self.results is not None or self.error is not None


class GroupCommit(Generic[Item, Result]):
    """Joins concurrent submissions into groups.

    Every submission lies wholly in one group, groups are committed one after the other and in the
    order of submission, and a submission returns only after its group's `commit` returned.
    """

    def __init__(
        self, commit: Callable[[list[Item]], Sequence[Result]], *, limit: int = 1000, gather_s: float = 0.0
    ) -> None:
        """Make an empty queue.

        Args:
            commit: makes items durable, all or none, and gives one result per item.
            limit: items per group; one larger submission is a group of its own.
            gather_s: seconds, at most 0.2, that a leader lets others join when some committed with it last time.
        """
        self._commit = commit
        self._limit = limit
        self._gather_s = min(gather_s, 0.2)
        lock = threading.Lock()
        self._arrived = threading.Condition(lock)  # the leader waits here for company
        self._ended = threading.Condition(lock)  # everybody else waits here for the leader
        self._waiting: deque[_Ticket[Item, Result]] = deque()
        self._leading = False
        self._crowd = 1

    def submit(self, items: Sequence[Item]) -> list[Result]:
        """Commit `items`, perhaps together with those of other threads.

        Raises:
            CountermarkError: as `commit` raised it for the group that held these items; where it raised
                anything else, its own thread sees that and the others see Unusable.
        """
        ticket: _Ticket[Item, Result] = _Ticket(items)
        with self._arrived:
            self._waiting.append(ticket)
            self._arrived.notify()
        while not ticket.done:
            group = self._lead_or_wait(ticket)
            if group:
                self._run(group)
        if ticket.error is not None:
            raise ticket.error
        return ticket.results or []

    def _lead_or_wait(self, ticket: _Ticket[Item, Result]) -> list[_Ticket[Item, Result]]:
        """The group to commit, if this thread is to lead; else nothing, once something changed."""
        with self._ended:
            self._ended.wait_for(lambda: ticket.done or not self._leading)
            if ticket.done:
                return []
            self._leading = True
            group: list[_Ticket[Item, Result]] = []
            try:
                self._gather()
                group = self._take()
            finally:
                if not group:  # interrupted while gathering: somebody else has to lead
                    self._leading = False
                    self._ended.notify_all()
            return group

    def _gather(self) -> None:
        """Wait briefly for as many callers as came last time: they are about to come again."""
        deadline = time.monotonic() + self._gather_s
        while len(self._waiting) < self._crowd:
            left = deadline - time.monotonic()
            if left <= 0 or not self._arrived.wait(left):
                return

    def _take(self) -> list[_Ticket[Item, Result]]:
        group = [self._waiting.popleft()]
        count = len(group[0].items)
        while self._waiting and count + len(self._waiting[0].items) <= self._limit:
            group.append(self._waiting.popleft())
            count += len(group[-1].items)
        return group

    def _run(self, group: list[_Ticket[Item, Result]]) -> None:
        results: Sequence[Result] = ()
        # What the others are told when this thread leaves with something unforeseen, such as an interrupt.
        error: CountermarkError | None = Unusable("the write was interrupted", mend="reopen and look what was kept")
        try:
            results = self._commit([item for ticket in group for item in ticket.items])
            error = None
        except CountermarkError as raised:
            error = raised
        finally:
            with self._ended:
                self._settle(group, results, error)

    def _settle(
        self, group: list[_Ticket[Item, Result]], results: Sequence[Result], error: CountermarkError | None
    ) -> None:
        at = 0
        for ticket in group:
            ticket.error = error
            ticket.results = None if error else list(results[at : at + len(ticket.items)])
            at += len(ticket.items)
        self._leading = False
        self._crowd = len(group)
        self._ended.notify_all()
