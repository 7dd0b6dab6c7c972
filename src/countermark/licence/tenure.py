"""A licence in use on this host: its state, the licensor's word and the clock brought together, at load, per query and on lapse.

The host's clocks come in as functions. Between two looks a query costs two clock readings and a subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from countermark import dsse
from countermark.errors import Refusal
from countermark.keys.trust import Trust
from countermark.licence import clock as times
from countermark.licence import word
from countermark.licence.anchors import Anchor, EvidenceVerifier, HostProver, Ticks, TrustedClock
from countermark.licence.chain import Chain
from countermark.licence.clock import Memory, Reading
from countermark.licence.decide import Granted, Request, decide
from countermark.licence.host import ProvenHost, prove
from countermark.licence.meter import BLOCK, Meter
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import Seen, State, Store, fresh
from countermark.statement.predicates.beacon import Beacon
from countermark.statement.predicates.licence_claims import Lease
from countermark.statement.predicates.licence_host import Kind
from countermark.workspace.place import Workspace

_Said = TypeVar("_Said")
LOOK_SECONDS, KEEP_SECONDS = 60, 60
"""How often the licensor's word is read again while a licence is in use, and how far the clock moves before it is kept."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was carried here from the licensor, as bytes of files; empty where there is none.

    Attributes:
        beacons, resets: one envelope a line. lists: one list of revoked licences a line.
    """

    beacons: bytes = b""
    lists: bytes = b""
    resets: bytes = b""


@dataclass(frozen=True, slots=True)
class Elements:
    """What of this host takes part.

    Attributes:
        anchor, clock: None where there is none. provers, verifiers: by kind of binding.
    """

    anchor: Anchor | None = None
    clock: TrustedClock | None = None
    provers: Mapping[Kind, HostProver] = field(default_factory=dict)
    verifiers: Mapping[Kind, EvidenceVerifier] = field(default_factory=dict)


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
            memory, seen, notes = self._spoken(begun, kept.clock, system, ticks)
            memory, lists = self._listed(memory, system, ticks)
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

    def _spoken(self, state: State, seen: int, system: int, ticks: Ticks | None) -> tuple[Memory, int, list[str]]:
        """Resets that answer this state, then beacons in order of their times; what does not hold is left out and told."""
        words, memory, notes = self._words(), state.memory, list[str]()
        now = times.date(max(system, memory.mark))
        for said in _held(word.lines(words.resets), lambda e: word.reset(e, self._trust, now), "reset", notes):
            if said.answers == times.code_of(state.id, memory, max(seen, system)):
                seen = times.seconds(said.time)
                memory = times.reset(memory, seen, system, ticks)
        lease = self.chain.claims.lease
        if isinstance(lease, Lease):
            project = self.chain.project
            beacons = _held(word.lines(words.beacons), lambda e: word.beacon(e, lease, project), "beacon", notes)
            for beacon in sorted(beacons, key=lambda one: one.context.time):
                memory, seen = self._beacon(beacon, lease.max_age, (state, memory, seen), system, ticks, notes)
        return memory, seen, notes

    def _beacon(
        self,
        said: Beacon,
        max_age: int,
        known: tuple[State, Memory, int],
        system: int,
        ticks: Ticks | None,
        notes: list[str],
    ) -> tuple[Memory, int]:
        state, memory, seen = known
        at = word.when(said.context)
        answered = at >= memory.mark and said.answers == times.code_of(state.id, memory, max(seen, system))
        try:
            newer = times.take_beacon(memory, at, said.epoch, max_age, system, ticks)
        except LicenceRefused as error:
            if error.claim != "beacon":
                raise
            notes.append(f"a beacon of {said.context.time} was left out: {error.what}")
            return memory, seen
        if answered:  # it serves once: the code is another one from now on
            return replace(newer, resets=newer.resets + 1), at
        return newer, max(seen, min(at, newer.mark))

    def _listed(self, memory: Memory, system: int, ticks: Ticks | None) -> tuple[Memory, tuple[word.Listed, ...]]:
        lists = []
        now = times.date(max(system, memory.mark))
        for at, line in enumerate((one for one in self._words().lists.splitlines() if one), 1):
            envelope = dsse.Envelope.from_bytes(line, what=f"list of revoked licences {at}")
            listed = word.revoked(envelope, self.chain, self._trust, now)
            lists.append(listed)
            if listed.first == 0:
                said = word.when(listed.said.context)
                memory = times.take_word(memory, said, system, epoch=listed.said.epoch, ticks=ticks)
        return memory, tuple(lists)

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


def _held(lines: list[bytes], verify: Callable[[dsse.Envelope], _Said], what: str, notes: list[str]) -> list[_Said]:
    """What holds; the rest is left out and told, so that junk on a stick stops no plant."""
    good = []
    for line in lines:
        try:
            good.append(verify(dsse.Envelope.from_bytes(line, what=what)))
        except Refusal as error:
            notes.append(f"a {what} was left out: {error.what}")
    return good
