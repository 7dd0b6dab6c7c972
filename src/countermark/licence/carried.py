"""What was carried here from the licensor, and how it moves the times that a host remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from countermark import dsse
from countermark.errors import Refusal
from countermark.keys.trust import Trust
from countermark.licence import clock as times
from countermark.licence import word
from countermark.licence.anchors import Ticks
from countermark.licence.chain import Chain
from countermark.licence.clock import Memory
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import State
from countermark.statement.predicates.beacon import Beacon
from countermark.statement.predicates.licence_claims import Lease

_Said = TypeVar("_Said")


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
class Listener:
    """Hears the licensor's word at one moment, for one licence.

    Attributes:
        system: what this host's clock shows, POSIX seconds. ticks: of the chip whose clock takes part.
    """

    chain: Chain
    trust: Trust
    system: int
    ticks: Ticks | None

    def spoken(self, words: Words, state: State, seen: int) -> tuple[Memory, int, list[str]]:
        """Resets that answer this state, then beacons in order of their times; what does not hold is left out and told.

        Args:
            seen: highest time that this host's clock showed.

        Returns:
            The memory, the highest time that was shown as it counts from now on, and notes.

        Raises:
            LicenceRefused: ``clock_rollback``.
        """
        memory, notes, system, ticks = state.memory, list[str](), self.system, self.ticks
        now = times.date(max(system, memory.mark))
        for said in _held(word.lines(words.resets), lambda e: word.reset(e, self.trust, now), "reset", notes):
            if said.answers == times.code_of(state.id, memory, max(seen, system)):
                seen = times.seconds(said.time)
                memory = times.reset(memory, seen, system, ticks)
        lease = self.chain.claims.lease
        if isinstance(lease, Lease):
            project = self.chain.project
            beacons = _held(word.lines(words.beacons), lambda e: word.beacon(e, lease, project), "beacon", notes)
            for beacon in sorted(beacons, key=lambda one: one.context.time):
                memory, seen = self._beacon(beacon, lease.max_age, (state, memory, seen), notes)
        return memory, seen, notes

    def _beacon(
        self, said: Beacon, max_age: int, known: tuple[State, Memory, int], notes: list[str]
    ) -> tuple[Memory, int]:
        state, memory, seen = known
        at = word.when(said.context)
        answered = at >= memory.mark and said.answers == times.code_of(state.id, memory, max(seen, self.system))
        try:
            newer = times.take_beacon(memory, at, said.epoch, max_age, self.system, self.ticks)
        except LicenceRefused as error:
            if error.claim != "beacon":
                raise
            notes.append(f"a beacon of {said.context.time} was left out: {error.what}")
            return memory, seen
        if answered:  # it serves once: the code is another one from now on
            return replace(newer, resets=newer.resets + 1), at
        return newer, max(seen, min(at, newer.mark))

    def listed(self, words: Words, memory: Memory) -> tuple[Memory, tuple[word.Listed, ...]]:
        """Lists of revoked licences, which are authentic times as well.

        Raises:
            Refusal: one is malformed or not the licensor's. LicenceRefused: ``clock_rollback``.
        """
        lists = []
        now = times.date(max(self.system, memory.mark))
        for at, line in enumerate((one for one in words.lists.splitlines() if one), 1):
            envelope = dsse.Envelope.from_bytes(line, what=f"list of revoked licences {at}")
            listed = word.revoked(envelope, self.chain, self.trust, now)
            lists.append(listed)
            if listed.first == 0:
                said = word.when(listed.said.context)
                memory = times.take_word(memory, said, self.system, epoch=listed.said.epoch, ticks=self.ticks)
        return memory, tuple(lists)


def _held(lines: list[bytes], verify: Callable[[dsse.Envelope], _Said], what: str, notes: list[str]) -> list[_Said]:
    """What holds; the rest is left out and told, so that junk on a stick stops no plant."""
    good = []
    for line in lines:
        try:
            good.append(verify(dsse.Envelope.from_bytes(line, what=what)))
        except Refusal as error:
            notes.append(f"a {what} was left out: {error.what}")
    return good
