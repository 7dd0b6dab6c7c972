"""Counting: loads one by one, queries in blocks that are drawn before they are used.

A query costs a comparison and a subtraction; a block costs one durable write and one step of the anchor. A process that dies
loses what it had not used of its block, so that a crash costs at most a block and can never give one back. Every link of the
chain is charged, so that sublicences on one host share what is above them. Without an anchor the count is held against honest
users and crashes alone, and is called advisory.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace

from countermark.licence import claim_words
from countermark.licence.chain import Chain, Link
from countermark.licence.clock import stamp
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import MOST_HOSTS, State, Usage
from countermark.licence.store import Store
from countermark.statement.predicates.licence_claims import Quota

BLOCK = 1000
ADVISORY = "advisory: the host's owner can restore the count; only an anchor (TPM, broker) can notice it"


def counting(anchor: str) -> str:
    """What the count is worth, for people."""
    return f"anchored in {anchor}" if anchor else ADVISORY


def window(quota: Quota, now: int) -> tuple[int, float]:
    """Number of the window that `now` lies in, and when it ends, POSIX seconds."""
    if not quota.window:
        return 0, math.inf
    number = now // quota.window
    return number, float((number + 1) * quota.window)


@dataclass(frozen=True, slots=True)
class _Left:
    link: Link
    quota: Quota
    window: int
    ends: float
    left: int


class Meter:
    """Draws for one process that uses a licence.

    Args:
        store: of the root licence's state. chain: verified. block: queries drawn at once.
    """

    def __init__(self, store: Store, chain: Chain, *, block: int = BLOCK) -> None:
        self._store, self._chain, self._block = store, chain, block
        self._quotas = [(link, q) for link in chain.links if (q := link.claims.max_queries) is not None]
        self._lock = threading.Lock()
        self._have, self._until = (0, -math.inf) if self._quotas else (1 << 62, math.inf)

    @property
    def counting(self) -> str:
        """What the count is worth, for people."""
        return counting(self._store.anchor)

    def take(self, queries: int, now: float) -> bool:
        """Use queries of the block at hand.

        Args:
            queries: 1 or more. now: effective time, POSIX seconds.

        Returns:
            False where the block does not suffice, or its window has ended: `draw` then.
        """
        with self._lock:
            if queries > self._have or now >= self._until:
                return False
            self._have -= queries
            return True

    def draw(self, queries: int, now: int) -> None:
        """Draw a block and use queries of it.

        Raises:
            LicenceRefused: ``max_queries``: so many are not left in this window; ``state``: see `Store.read`.
            Unusable, MissingExtra: the state or its anchor cannot be reached; nothing was used.
        """
        with self._store.lock():
            kept = self._withdrawn(now)
            try:
                kept += self._drawn(queries - kept, queries, now)
                kept -= queries
            finally:
                with self._lock:
                    self._have = kept

    def _withdrawn(self, now: float) -> int:
        """Take what is left of the block out, so that whoever asks meanwhile waits for the lock of the state, not of the count."""
        with self._lock:
            kept, self._have = self._have if now < self._until else 0, 0
        return kept

    def _drawn(self, need: int, asked: int, now: int) -> int:
        """Draw at least `need`; returns how many were drawn."""
        state = _known(self._store.read())
        if need <= 0:
            return 0
        rows = [_left(link, quota, state, now) for link, quota in self._quotas]
        _refuse_spent(rows, need, asked)
        block = max(need, min(self._block, *(row.left for row in rows)))
        self._store.write(replace(state, usage=_charged(state, rows, block)))
        self._until = min(row.ends for row in rows)
        return block

    def load(self, host: str) -> None:
        """Count one load of the subject, on a host.

        Args:
            host: as its evidence names it; "" where no host is bound.

        Raises:
            LicenceRefused: ``max_loads``, ``max_hosts``: no more are left; ``state``. Unusable, MissingExtra: as `draw`.
        """
        with self._store.lock():
            state = _known(self._store.read())
            usage = dict(state.usage)
            for link in self._chain.links:
                usage[link.digest] = _loaded(link, state.of(link.digest), host)
            self._store.write(replace(state, usage=usage))

    def close(self, now: int) -> None:
        """Give back what was drawn and not used: an orderly end loses nothing.

        Raises:
            As `draw`.
        """
        if not self._quotas:
            return
        with self._store.lock():
            back = self._withdrawn(now)
            state = self._store.read() if back else None
            if state is not None:
                rows = [_left(link, quota, state, now) for link, quota in self._quotas]
                same = [row for row in rows if row.window == state.of(row.link.digest).window]
                self._store.write(replace(state, usage=_charged(state, same, -back)))


def _known(state: State | None) -> State:
    if state is None:
        raise LicenceRefused("state", expected="a state of this licence", seen="none",
                             mend="it was removed while in use: start again")  # fmt: skip
    return state


def _left(link: Link, quota: Quota, state: State, now: int) -> _Left:
    number, ends = window(quota, now)
    return _Left(link, quota, number, ends, max(0, quota.count - state.of(link.digest).in_window(number)))


def _refuse_spent(rows: list[_Left], need: int, asked: int) -> None:
    for row in rows:
        if need > row.left:
            again = (
                "ask the licensor for more"
                if math.isinf(row.ends)
                else f"the next window begins at {stamp(int(row.ends))}"
            )
            raise LicenceRefused(
                "max_queries", expected=f"at most {claim_words.queries(row.quota)}",
                seen=f"{row.quota.count - row.left} drawn, {asked} asked", mend=again,
            )  # fmt: skip


def _charged(state: State, rows: list[_Left], queries: int) -> dict[str, Usage]:
    usage = dict(state.usage)
    for row in rows:
        before = state.of(row.link.digest)
        number = max(row.window, before.window)
        drawn = max(0, before.in_window(number) + queries)
        usage[row.link.digest] = replace(before, window=number, drawn=drawn)
    return usage


def _loaded(link: Link, before: Usage, host: str) -> Usage:
    claims, hosts = link.claims, before.hosts if host in before.hosts or not host else (*before.hosts, host)
    if claims.max_loads is not None and before.loads >= claims.max_loads:
        raise LicenceRefused("max_loads", expected=f"at most {claims.max_loads}", seen=f"{before.loads + 1}",
                             mend="ask the licensor for a licence with more loads")  # fmt: skip
    most = MOST_HOSTS if claims.max_hosts is None else claims.max_hosts
    if max(1, len(hosts)) > most:
        raise LicenceRefused("max_hosts", expected=f"at most {most}", seen=f"{max(1, len(hosts))}",
                             mend="give a host back (`countermark license move`), or ask for more")  # fmt: skip
    return replace(before, loads=before.loads + 1, hosts=hosts)
