"""The broker's side of a licence's meter: of each admitted host the head of its state, and the one next step that it takes.

Order of work: the request is well formed; the meter was admitted and the key is one of its hosts'; the signature holds; the step follows the newest;
the host did not take too many; it is logged, durably; only then it is answered. An operator's end is logged before it is told to anybody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from countermark.broker.admitted import Admitted, Meter
from countermark.broker.meter_log import EVERY_HOST, MeterLog, Moved
from countermark.broker.pace import Pace
from countermark.errors import PolicyRefused, StatementRefused, Unusable
from countermark.ledger.note import NoteKey, sign_note
from countermark.licence.anchors import ZERO, extended
from countermark.licence.metered import Asked, Held

_log = logging.getLogger("countermark.broker")
NOT_HERE = "no meter of that licence and host is here"
MOST_STEPS, STEPS_PER_SECOND = 3600, 1.0
"""A guard takes a step a minute, one a load and one a block of queries; more a host cannot need for long, and each lies on the disk for ever."""


class Meters:
    """The meters of a broker; threads may share it.

    Args:
        admitted: which there are. log: open for writing. key, sign: by which answers are signed. clock: POSIX seconds. ticks: seconds that
            nobody sets, for how fast a host goes.
    """

    def __init__(
        self,
        admitted: Admitted,
        log: MeterLog,
        key: NoteKey,
        sign: Callable[[bytes], bytes],
        clock: Callable[[], float],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admitted, self._log, self._key, self._sign, self._clock = admitted, log, key, sign, clock
        self._held = newest(log.records())
        self._pace = Pace(MOST_STEPS, STEPS_PER_SECOND, ticks)
        self._lock, self._busy = threading.Lock(), dict[tuple[str, str], threading.Lock]()
        self.enter_ends()

    def answer(self, data: bytes) -> bytes:
        """Answer a request: what is held after it, signed.

        Args:
            data: as `Asked.to_bytes` gives it.

        Raises:
            Refusal: malformed, not admitted, not signed by that host, ended, or a step that does not follow the newest. Unusable: the host
            takes too many, or it could not be logged.
        """
        asked = Asked.from_bytes(data)
        host = asked.key.id
        self._meter(asked.licence, host)
        asked.verify()
        with self._one_by_one(asked.licence, host):  # whoever waited here may have been ended meanwhile
            now = self._moved(asked, host, ended=self._ended(self._meter(asked.licence, host)))
        now = replace(now, at=int(self._clock()))
        note = sign_note(now.text(self._key.name, asked.licence, host, asked.nonce), self._key, self._sign)
        return note.to_bytes()

    def enter_ends(self) -> None:
        """Log what the operator ended since: of all meters, whether their hosts ask or not. One that is malformed, or cannot be read, stops no other.

        Raises:
            Unusable: an end could not be logged.
        """
        for licence in self._admitted.names():
            try:
                meter = self._admitted.find(licence)
            except (StatementRefused, Unusable) as error:  # a host that asks for it is told, and gets nothing
                _log.error("meter %s grants nothing: %s (%s)", licence, error.what, error.why)
                continue
            if meter is not None:
                self._ended(meter)

    def _ended(self, meter: Meter) -> bool:
        """Whether the operator ended all hosts of a licence: by his file, or by the log, which outlives the file."""
        key = meter.licence, EVERY_HOST
        with self._one_by_one(*key):
            if meter.ended and key not in self._held:
                self._log.append(Moved(int(self._clock()), *key, 0, ZERO.hex(), ended=True))
                self._held[key] = Held(0, ZERO, ended=True)
            return key in self._held

    def _meter(self, licence: str, host: str) -> Meter:
        found = self._admitted.find(licence)
        if found is None or host not in found.hosts:
            raise PolicyRefused(NOT_HERE, mend="the broker's operator admits it: `countermark broker meter LICENCE`")
        return found

    def _one_by_one(self, licence: str, host: str) -> threading.Lock:
        with self._lock:
            return self._busy.setdefault((licence, host), threading.Lock())

    def _moved(self, asked: Asked, host: str, *, ended: bool) -> Held:
        kept = self._held.get((asked.licence, host), Held(0, ZERO))
        before = replace(kept, ended=kept.ended or ended)
        # A host's own end is logged, also where the operator ended all: the host shows the note.
        if asked.step is None and (kept.ended or not asked.end):
            return before
        new = replace(before, ended=True) if asked.step is None else _next(before, asked)
        if asked.step is not None:
            self._pace.take((asked.licence, host))
        self._log.append(Moved(int(self._clock()), asked.licence, host, new.count, new.head.hex(), new.ended))
        self._held[asked.licence, host] = new
        return new


def _next(before: Held, asked: Asked) -> Held:
    step = asked.step
    if step is None or before.ended or asked.end:
        raise PolicyRefused("this meter was ended", why="the licence was given back, moved or revoked",
                            mend="ask the licensor for a new licence")  # fmt: skip
    if step.count != before.count + 1 or step.previous != before.head:
        raise PolicyRefused(
            "this step does not follow the newest", why=f"{before.count} were taken, step {step.count} was asked",
            mend="the state of this host is an older copy, or another process was first: start again with the newest state",
        )  # fmt: skip
    return Held(step.count, extended(before.head, step.entry))


def newest(records: Iterable[Moved]) -> dict[tuple[str, str], Held]:
    """By licence and host what a log says last."""
    return {(one.licence, one.host): Held(one.count, bytes.fromhex(one.head), one.ended) for one in records}
