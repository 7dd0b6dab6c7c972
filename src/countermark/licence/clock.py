"""What time a licence takes it to be. Readings in, values or refusals out; nothing here asks a clock.

Authentic are times that a licensor signed: the grant, lists of revoked licences, beacons. The *mark* is the newest of these. The
system clock never raises it. Beside it a host remembers the highest time its own clock ever showed (`seen`), only to notice
that the clock went back, and never to believe it: a clock that ran ahead expires a lease, and a beacon that answers this host's
code, or an owner's reset, takes that back. The idea of a windback limit of a day is that of FlexNet and LM-X.

All times are POSIX seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from countermark.canonical import sha256_hex, to_bytes
from countermark.keys.document import moment
from countermark.licence.anchors import Ticks
from countermark.licence.claim_words import span
from countermark.licence.refusal import LicenceRefused

WINDBACK = 24 * 3600
"""How far a clock may stand behind what is known, in seconds: time zones and summer time set by hand, and no more."""
LAST = 250_000_000_000
"""In the year 9892: later ones come from files that were edited or chips that were set forward, and have no date once a lease is added."""


@dataclass(frozen=True, slots=True)
class Paired:
    """A chip's clock and the authentic time that held when it was read."""

    ticks: Ticks
    at: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a host remembers about the time of one licence; kept under the anchor.

    Attributes:
        mark: newest authentic time. epoch: highest epoch of the list of revoked licences that the licensor named.
        resets: how often what was seen was set back, by an answer or an owner's reset. chip: None where no trusted clock takes part.
    """

    mark: int
    epoch: int = 0
    resets: int = 0
    chip: Paired | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The time, for one decision.

    Attributes:
        now: never behind mark, `seen` or the chip's clock. mark: newest authentic time. source: what bounds it, for people.
    """

    now: int
    mark: int
    source: str


def begin(issued: int, system: int, ticks: Ticks | None = None) -> Memory:
    """The memory of a licence that this host sees for the first time.

    Raises:
        LicenceRefused: the licence was issued more than a day after what this machine's clock says.
    """
    _refuse_ahead(issued, system, "this licence was issued")
    return Memory(issued, chip=Paired(ticks, issued) if ticks else None)


def take_word(memory: Memory, said: int, system: int, *, epoch: int = 0, ticks: Ticks | None = None) -> Memory:
    """Another time that a licence key of the licensor signed, such as a list of revoked licences; an old one changes nothing.

    Raises:
        LicenceRefused: it lies more than a day after what this machine's clock says.
    """
    if said > memory.mark:
        _refuse_ahead(said, system, "the licensor signed a list")
    return _raised(memory, said, epoch, ticks)


def take_beacon(memory: Memory, said: int, epoch: int, max_age: int, system: int, ticks: Ticks | None = None) -> Memory:
    """A beacon by the time key; an old one changes nothing but the epoch.

    One beacon moves the mark by at most `max_age`, and never past this machine's clock by more than a day, so that a single
    beacon with a wrong date cannot lock a plant out for ever. Who was away for longer brings the beacons of that time, in order.

    Raises:
        LicenceRefused: it lies too far after the mark, or after the clock.
    """
    if said > memory.mark + max_age:
        raise LicenceRefused(
            "beacon", expected=f"within {span(max_age)} after {stamp(memory.mark)}", seen=stamp(said),
            mend="bring the beacons in between as well (`countermark license beacon --since DATE`), or an owner's reset",
        )  # fmt: skip
    if said > memory.mark:
        _refuse_ahead(said, system, "the licensor signed a beacon")
    return _raised(memory, said, epoch, ticks)


def reading(memory: Memory, seen: int, system: int, ticks: Ticks | None, code: str, told: int | None = None) -> Reading:
    """The time to decide by.

    Args:
        seen: highest time that this host's clock showed before. system: what it shows now. ticks: of the chip whose clock takes
            part. code: of this host's state, for whoever helps. told: by the broker that counts, now. Like the system clock it is
            believed for this decision alone, and neither raises the mark nor is remembered: one that is wrong locks nobody out for ever.

    Raises:
        LicenceRefused: ``clock_rollback``: the clock is more than a day behind what is known, or the chip's clock went back.
    """
    known = {"the newest authentic time": memory.mark, "the highest time this host's clock showed": seen}
    if told is not None:
        known["the broker's clock"] = min(told, LAST)
    if memory.chip is not None:
        known["the chip's clock"] = _by_chip(memory.chip, ticks, code)
    source, floor = max(known.items(), key=lambda item: item[1])
    if system < floor - WINDBACK:
        raise LicenceRefused(
            "clock_rollback",
            expected=f"not before {stamp(floor - WINDBACK)} ({source})",
            seen=stamp(system),
            mend=way_back(code),
        )
    return Reading(max(system, floor), memory.mark, "the system clock" if system >= floor else source)


def way_back(code: str) -> str:
    """What to do when the time is in doubt."""
    return (
        f"set the clock right; if it once stood ahead, the licensor answers with `countermark license beacon --answer {code}`, "
        f"or an owner with `countermark license beacon --reset {code}`"
    )


def code_of(state: str, memory: Memory, seen: int) -> str:
    """Sixteen hex digits that name this state as it is; an answer to them serves no other host, and this one once.

    Args:
        state: id of the state, hex. seen: highest time that the clock showed; its day counts, so that a code stays for a while.
    """
    return sha256_hex(to_bytes({"state": state, "mark": memory.mark, "day": seen // 86_400, "resets": memory.resets}))[
        :16
    ]


def reset(memory: Memory, to: int, system: int, ticks: Ticks | None) -> Memory:
    """An owner's reset, which was found to answer this state's code.

    The epoch that was named before is forgotten with the time: one that no list ever reaches would lock the plant out for ever. The
    lists and beacons that lie here, and each that comes, name it again.

    Raises:
        LicenceRefused: it sets a time that lies more than a day after this machine's clock.
    """
    _refuse_ahead(to, system, "the owner's reset sets")
    return Memory(to, resets=memory.resets + 1, chip=Paired(ticks, to) if ticks else None)


def date(seconds: int) -> datetime:
    """The same as a date, UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def stamp(seconds: int) -> str:
    """RFC 3339 UTC."""
    return date(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> int:
    """POSIX seconds of RFC 3339 UTC.

    Raises:
        StatementRefused: another form.
    """
    return int(moment(text).timestamp())


def _raised(memory: Memory, said: int, epoch: int, ticks: Ticks | None) -> Memory:
    higher = replace(memory, epoch=max(memory.epoch, epoch))
    if said <= memory.mark:
        return higher
    # The pair is made anew only where that moves the chip's time forward: an old beacon must not set it back.
    later = ticks is not None and (memory.chip is None or said > _by_chip(memory.chip, ticks, ""))
    return replace(higher, mark=said, chip=Paired(ticks, said) if later and ticks else memory.chip)


def _by_chip(pair: Paired, ticks: Ticks | None, code: str) -> int:
    """The least time that it can be, by what the chip counted since."""
    before = pair.ticks
    if ticks is None or ticks.chip != before.chip or ticks.resets < before.resets:
        raise LicenceRefused("clock_rollback", expected=f"the clock of chip {before.chip[:16]}",
                             seen=f"chip {ticks.chip[:16]}" if ticks else "no trusted clock", mend=way_back(code))  # fmt: skip
    if ticks.milliseconds < before.milliseconds:
        if ticks.safe:
            raise LicenceRefused("clock_rollback", expected=f"at least {before.milliseconds} ms on the chip's clock",
                                 seen=f"{ticks.milliseconds} ms", mend=way_back(code))  # fmt: skip
        return pair.at  # after a power cut it may show up to 70 minutes less, and says so
    return min(LAST, pair.at + (ticks.milliseconds - before.milliseconds) // 1000)


def _refuse_ahead(said: int, system: int, what: str) -> None:
    if said > system + WINDBACK:
        raise LicenceRefused(
            "clock_rollback", expected=f"at least {stamp(said)}, when {what}", seen=f"{stamp(system)} on this machine's clock",
            mend="set this machine's clock; if it is right, the licensor's was not: leave that file out, and ask for another",
        )  # fmt: skip
