"""Which beacons a host has to keep: without those between, a late one is too far after the mark; with all of them, files only grow.

A beacon moves the mark by at most one lease (`clock.take_beacon`), so that a host needs a chain of them whose gaps are no longer than that,
from wherever its mark stands. Of beacons that lie closer together, all but the last within a lease of the one kept before can go: the marks
that can be reached from any mark stay the same (a property test compares).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from countermark import dsse
from countermark.errors import StatementRefused
from countermark.licence.clock import seconds
from countermark.licence.word import MOST_BEACONS
from countermark.statement.predicates.beacon import Beacon
from countermark.statement.statement import Statement

NEWEST, ANSWERS = 32, 32
"""Of the newest, and of the newest that answer a host's code, so many are kept whatever lies beside them."""
MOST_PAST = 1024
"""Of those that are not after the mark and hold the chain together, so many: they serve a state that has to begin anew, and nothing else."""


@dataclass(frozen=True, slots=True)
class Told:
    """A beacon as it lies in a file, not verified here.

    Attributes:
        line: its envelope. at: POSIX seconds. epoch: of the list that it names. answers: a host's code, or "".
    """

    line: bytes
    at: int
    epoch: int
    answers: str


def told(line: bytes) -> Told:
    """What a line says; its signature was verified when it was taken, and is again whenever it is to count.

    Raises:
        StatementRefused: no beacon.
    """
    said = Beacon.from_json(
        Statement.from_bytes(dsse.Envelope.from_bytes(line, what="beacon").statement_bytes()).predicate
    )
    return Told(line, seconds(said.context.time), said.epoch, said.answers)


def needed(lines: Iterable[bytes], max_age: int, mark: int = 0) -> list[bytes]:
    """The lines that are worth keeping, by their times.

    Args:
        lines: of beacons, in any order. max_age: of the lease, seconds. mark: newest authentic time that this host counted already,
            POSIX seconds; 0 where it counted none.

    Raises:
        StatementRefused: a line is no beacon; or more hold the chain together than a host reads.
    """
    found = sorted({told(line) for line in lines}, key=lambda one: (one.at, one.line))
    kept = {*found[-NEWEST:], *[one for one in found if one.answers][-ANSWERS:], *_named(found)}
    chain = _chain(found, max_age)
    past = [one for one in chain if one.at <= mark]
    kept.update(past[-MOST_PAST:], chain[len(past) :])
    if len(kept) > MOST_BEACONS:
        raise StatementRefused(
            f"{len(kept)} beacons that are no more than a lease apart", why=f"a host reads at most {MOST_BEACONS}",
            mend="take them in parts, the oldest first, and load between; or take a newer list of revoked licences, which counts without them",
        )  # fmt: skip
    return [one.line for one in found if one in kept]


def _named(found: Sequence[Told]) -> list[Told]:
    """The newest of those that name the highest list: it must not be forgotten."""
    return [max(found, key=lambda one: (one.epoch, one.at))] if found else []


def _chain(found: Sequence[Told], max_age: int) -> list[Told]:
    """The oldest, and then always the last one within a lease of the one before; across a longer gap, the next."""
    out: list[Told] = []
    for one in found:
        if len(out) > 1 and one.at <= out[-2].at + max_age:
            out[-1] = one
        else:
            out.append(one)
    return out
