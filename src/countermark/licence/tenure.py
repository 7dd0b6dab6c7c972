"""A licence in use on this host: its state, the licensor's word and the clock brought together, at load, per query and on lapse.

The host's clocks come in as functions. Between two looks a query costs two clock readings and a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from countermark.keys.trust import Trust
from countermark.licence import clock as times
from countermark.licence import word
from countermark.licence.anchors import Anchor, Elements, Ticks
from countermark.licence.carried import Listener, Words
from countermark.licence.chain import Chain
from countermark.licence.clock import Reading
from countermark.licence.decide import Granted, Request, decide
from countermark.licence.host import ProvenHost, prove
from countermark.licence.kept_times import Seen
from countermark.licence.meter import BLOCK, Meter
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import State, fresh
from countermark.licence.store import Store
from countermark.workspace.place import Workspace

LOOK_SECONDS, KEEP_SECONDS = 60, 60
"""How often the licensor's word is read again while a licence is in use, and how far the clock moves before it is kept."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The state after a look, the time, and what was said.

    Attributes:
        code: sixteen hex digits that name this state, for whoever helps.
    """

    state: State
    reading: Reading
    lists: tuple[word.Listed, ...]
    notes: tuple[str, ...]
    code: str


class Tenure:
    """One licence, held on one host by one process.

    Args:
        chain: verified under `trust`. clock: POSIX seconds, as this machine has it. elapsed: seconds that only run forward, as a
            monotonic clock. words: reads what was carried here, each time anew. boot: names the run of the machine, if `elapsed` counts
            from its beginning; then restarting this process forgets no time.
    """

    def __init__(
        self, space: Workspace, chain: Chain, trust: Trust, *, clock: Callable[[], float], elapsed: Callable[[], float],
        words: Callable[[], Words] = Words, elements: Elements | None = None, block: int = BLOCK, boot: str = "",
    ) -> None:  # fmt: skip
        self.chain, self._trust, self._clock, self._elapsed, self._words = chain, trust, clock, elapsed, words
        self._elements, self._boot = elements or Elements(), boot
        self._store = Store(space, chain.root.digest, self._elements.anchor)
        self.meter = Meter(self._store, chain, block=block)
        self._base = self._base_elapsed = self._until = 0.0
        self._looked: Looked | None = None
        self.granted: Granted | None = None

    @property
    def anchor(self) -> Anchor | None:
        """What notices an older state, where there is something."""
        return self._elements.anchor

    def look(self, *, keep: bool = True) -> Looked:
        """Read the licensor's word and the clocks, and move the state forward.

        Args:
            keep: false only tells what would be: nothing is written, and no anchor is asked.

        Raises:
            LicenceRefused: ``clock_rollback`` or ``state``. Refusal: a list is malformed or not the licensor's.
            Unusable, MissingExtra: something cannot be read or written.
        """
        with self._store.lock():
            system = int(self._clock())
            ticks = self._elements.clock.ticks() if self._elements.clock else None
            state = self._store.read() if keep else self._store.peek()
            begun = state or fresh(
                self.chain.root.digest, times.begin(int(self.chain.issued.timestamp()), system, ticks)
            )
            self._refuse_given_up(begun)
            kept = self._store.seen()
            words, listener = self._words(), Listener(self.chain, self._trust, system, ticks)
            memory, seen, notes = listener.spoken(words, begun, kept.clock)
            memory, lists = listener.listed(words, memory)
            if memory != begun.memory or state is None:
                moved = replace(begun, memory=memory)
                begun = self._store.write(moved) if keep else moved
            ran = (
                0
                if seen < kept.clock
                else max(kept.now(self._boot, self._elapsed()), int(self._now(0)) if self._looked else 0)
            )
            reading, code = self._read(begun, max(seen, ran), kept.clock if keep else None, system, ticks)
            self._base, self._base_elapsed = float(reading.now), self._elapsed()
            self._looked = Looked(begun, reading, lists, tuple(notes), code)
            return self._looked

    def _read(self, state: State, seen: int, kept: int | None, system: int, ticks: Ticks | None) -> tuple[Reading, str]:
        """The time; what the clock showed is kept where it moved, where an answer set it back, and always before a refusal."""
        highest = max(seen, system)
        code = times.code_of(state.id, state.memory, highest)
        try:
            reading = times.reading(state.memory, seen, system, ticks, code, self._store.told)
        except LicenceRefused:
            if kept is not None:
                self._store.remember(Seen(highest, self._boot, int(self._elapsed())))
            raise
        if kept is not None and (highest - kept >= KEEP_SECONDS or highest < kept):
            self._store.remember(Seen(highest, self._boot, int(self._elapsed())))
        return reading, code

    def _now(self, system: float) -> float:
        """Effective time: what this process has run for since the last look counts, whatever is done to the clock meanwhile."""
        return max(system, self._base + self._elapsed() - self._base_elapsed)

    def _refuse_given_up(self, state: State) -> None:
        if state.given_up:
            raise LicenceRefused("state", expected="a licence that is held here", seen="one that was handed back",
                                 mend="ask the licensor for a new licence")  # fmt: skip

    def host(self) -> ProvenHost:
        """Ask this host who it is.

        Raises:
            LicenceRefused: ``host``. Unusable, MissingExtra: its element cannot be used.
        """
        binding = self.chain.claims.host
        if binding is None:
            raise LicenceRefused("host", expected="a binding, or the word none", seen="nothing: no host is granted",
                                 mend="ask the licensor for a licence that names a host (`license grant --host`)")  # fmt: skip
        return prove(binding, self.chain.leaf.digest, self._elements.provers, self._elements.verifiers)

    def check(self, request: Request) -> Granted:
        """Look and decide, without counting.

        Raises:
            LicenceRefused: it is not allowed. Others as `look`.
        """
        looked = self.look()
        granted = decide(request, self.chain, looked.reading, looked.lists, looked.state.memory.epoch)
        self.granted = replace(granted, notes=(*looked.notes, *granted.notes))
        self._until = min(granted.until, looked.reading.now + LOOK_SECONDS)
        return self.granted

    def load(self, request: Request) -> Granted:
        """Look, decide, and count one load.

        Raises:
            As `check`; LicenceRefused: ``max_loads``, ``max_hosts``.
        """
        granted = self.check(request)
        self.meter.load(request.host.name)
        return granted

    def take(self, queries: int) -> bool:
        """Use queries without any work; False where `renew` has to look first. Nothing is used then.

        Args:
            queries: 1 or more.
        """
        now = self._now(self._clock())
        return now < self._until and self.meter.take(queries, now)

    def renew(self, queries: int) -> None:
        """Look and decide again where it is due, draw a block where that is due, and use the queries.

        Raises:
            LicenceRefused: it is not allowed any more. Others as `look`.
        """
        if self.granted is None:
            raise LicenceRefused("max_loads", expected="a load before the first query", seen="none",
                                 mend="load what is licensed first")  # fmt: skip
        if self._now(self._clock()) >= self._until:
            self.check(self.granted.request)
        self.meter.draw(queries, int(self._now(self._clock())))

    def give_up(self) -> None:
        """Never use this licence here again, before a receipt is signed.

        Raises:
            As `look`.
        """
        looked = self.look()
        with self._store.lock():
            self._store.write(replace(self._store.read() or looked.state, given_up=True))

    def close(self) -> None:
        """Give back what was drawn and not used.

        Raises:
            As `renew`.
        """
        self.meter.close(int(self._now(self._clock())))
