"""How the times that a host must not forget are written: the memory that is anchored, and beside it what the clock showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.licence.anchors import Ticks
from countermark.licence.clock import LAST, Memory, Paired

MOST_SEEN_BYTES = 4096


def to_json(memory: Memory) -> dict[str, Any]:
    """JSON object of the memory."""
    chip = memory.chip
    return {
        "mark": memory.mark,
        "epoch": memory.epoch,
        "resets": memory.resets,
        "chip": _chip_json(chip) if chip else None,
    }


def from_json(value: Any) -> Memory:
    """Parse strictly.

    Raises:
        StatementRefused: malformed.
    """
    fields = Fields(value, "licence state: memory")
    chip = fields.optional("chip")
    out = Memory(
        _moment(fields, "mark"), fields.integer("epoch"), fields.integer("resets"), _chip(chip) if chip else None
    )
    fields.done()
    return out


def _chip_json(pair: Paired) -> dict[str, Any]:
    ticks = pair.ticks
    return {
        "milliseconds": ticks.milliseconds,
        "resets": ticks.resets,
        "safe": ticks.safe,
        "chip": ticks.chip,
        "at": pair.at,
    }


def _chip(value: Any) -> Paired:
    fields = Fields(value, "licence state: chip")
    ticks = Ticks(
        fields.integer("milliseconds"), fields.integer("resets"), fields.boolean("safe"), fields.text("chip", most=128)
    )
    out = Paired(ticks, _moment(fields, "at"))
    fields.done()
    return out


def _moment(fields: Fields, name: str) -> int:
    value = fields.integer(name)
    if value > LAST:
        raise StatementRefused(f"licence state: {name} is {value}, which is no date",
                               mend="put the newest state back; where it is lost, the licensor grants anew")  # fmt: skip
    return value


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest time that the clock showed, and when since the machine began that was.

    Attributes:
        clock: POSIX seconds. boot: names the run of the machine, "" where that is not known. elapsed: seconds since it began.
    """

    clock: int
    boot: str = ""
    elapsed: int = 0

    def now(self, boot: str, elapsed: float) -> int:
        """The least time that it is now: in the same run of the machine its own count goes on, whatever is done to clock and files."""
        same = boot and boot == self.boot and elapsed > self.elapsed
        return self.clock + int(elapsed - self.elapsed) if same and self.clock else self.clock

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({"seen": self.clock, "boot": self.boot, "elapsed": self.elapsed})

    @classmethod
    def from_bytes(cls, data: bytes) -> Seen:
        """Parse strictly.

        Raises:
            StatementRefused: malformed or too large.
        """
        fields = Fields(canonical.from_bytes(data, what="licence clock", max_bytes=MOST_SEEN_BYTES), "licence clock")
        out = cls(_moment(fields, "seen"), fields.text("boot", most=64), fields.integer("elapsed"))
        fields.done()
        return out
