"""The broker's side of a licence's meter: which hosts' states it keeps the heads of, and the one next step that it takes.

A meter is admitted by the operator from the licence itself: the digest of a payload says which keys stand in it, so that a file that nobody signed
opens a meter that no host's licence asks for. Order of work: the request is well formed; the meter was admitted and the key is one of its
hosts'; the signature holds; the step follows the newest; it is logged, durably; only then it is answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from countermark import canonical
from countermark.broker.meter_log import MeterLog, Moved
from countermark.canonical import Fields
from countermark.dsse import Envelope
from countermark.errors import PolicyRefused, StatementRefused, Unusable
from countermark.keys.verifier import verify_envelope
from countermark.ledger.note import NoteKey, sign_note
from countermark.licence import chain as chains
from countermark.licence.anchors import ZERO, extended
from countermark.licence.metered import Asked, Held
from countermark.statement.predicates.licence import LICENCE, Licence
from countermark.statement.statement import Statement
from countermark.workspace.disk import Disk

FORMAT = 1
FOLDER = "meters"
MOST_HOSTS, MOST_BYTES = 64, 16 << 10
NOT_HERE = "no meter of that licence and host is here"


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter as it was admitted.

    Attributes:
        licence: payload digest of the owner's grant, hex. hosts: ids of the keys that may draw, hex. ended: whether none may any more.
    """

    licence: str
    hosts: frozenset[str]
    ended: bool = False

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(
            {"format": FORMAT, "licence": self.licence, "hosts": sorted(self.hosts), "ended": self.ended}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Meter:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="meter", max_bytes=MOST_BYTES), "meter")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a meter of another format", mend="a newer Countermark may read it")
        out = cls(fields.hex("licence"), frozenset(fields.texts("hosts")), fields.boolean("ended"))
        fields.done()
        return out


def of_licence(data: bytes, broker: NoteKey) -> Meter:
    """The meter of a licence file: the hosts of all links that name this broker.

    The digest of the first says whose key it is that signed the second, and so on, so that nobody adds hosts to another's licence.

    Raises:
        StatementRefused: malformed. SignatureRefused: a link was not signed by the licensee above. PolicyRefused: no link names this broker.
    """
    envelopes = chains.from_file(data)
    hosts: set[str] = set()
    links = [_link(envelope) for envelope in envelopes]
    for (above, signed), (link, envelope) in pairwise(zip(links, envelopes, strict=True)):
        if link.parent != signed.digest:
            raise StatementRefused(
                "the links of this licence do not stand in order", mend="the owner's grant is the first"
            )
        key = above.claims.licensee.key
        verify_envelope(envelope, {key.id: key})
    for link in links:
        binding = link.claims.host
        if binding is not None and binding.broker == broker.vkey():
            hosts |= {key.id for key in binding.keys}
    if not 1 <= len(hosts) <= MOST_HOSTS:
        raise PolicyRefused("this licence does not name this broker", why=f"expected {broker.vkey()}",
                            mend="the licensor grants it with `--meter` and this broker's .vkey")  # fmt: skip
    return Meter(envelopes[0].digest, frozenset(hosts))


def _link(envelope: Envelope) -> Licence:
    statement = Statement.from_bytes(envelope.statement_bytes(), what="licence")
    if statement.predicate_type != LICENCE:
        raise StatementRefused("this statement is no licence", why=statement.predicate_type)
    return Licence.from_json(statement.predicate)


class Admitted:
    """Which meters there are, as files; taken while the broker runs. What they are at is the log's."""

    def __init__(self, home: Path, disk: Disk | None = None) -> None:
        self._folder, self._disk = home / FOLDER, disk or Disk()

    def find(self, licence: str) -> Meter | None:
        """The meter of a licence, or None.

        Raises:
            StatementRefused: malformed. Unusable: unreadable.
        """
        try:
            with (self._folder / f"{licence}.json").open("rb") as file:
                return Meter.from_bytes(file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable("a meter cannot be read", why=error.strerror or str(error)) from error

    def admit(self, meter: Meter) -> Meter:
        """Keep a meter; hosts are added to those that it had. One that was ended stays so.

        Raises:
            StatementRefused: too many hosts. Unusable: it cannot be written.
        """
        before = self.find(meter.licence)
        new = (
            meter
            if before is None
            else replace(meter, hosts=before.hosts | meter.hosts, ended=before.ended or meter.ended)
        )
        if len(new.hosts) > MOST_HOSTS:
            raise StatementRefused(f"a meter of {len(new.hosts)} hosts", why=f"at most {MOST_HOSTS}")
        self._disk.write(self._disk.folder(self._folder) / f"{new.licence}.json", new.to_bytes())
        return new


class Meters:
    """The meters of a broker; threads may share it.

    Args:
        admitted: which there are. log: open for writing. key, sign: by which answers are signed. clock: POSIX seconds.
    """

    def __init__(
        self,
        admitted: Admitted,
        log: MeterLog,
        key: NoteKey,
        sign: Callable[[bytes], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._admitted, self._log, self._key, self._sign, self._clock = admitted, log, key, sign, clock
        self._held = newest(log.records())
        self._lock, self._busy = threading.Lock(), dict[tuple[str, str], threading.Lock]()

    def answer(self, data: bytes) -> bytes:
        """Answer a request: what is held after it, signed.

        Args:
            data: as `Asked.to_bytes` gives it.

        Raises:
            Refusal: malformed, not admitted, not signed by that host, ended, or a step that does not follow the newest. Unusable: it
            could not be logged.
        """
        asked = Asked.from_bytes(data)
        host = asked.key.id
        self._meter(asked.licence, host)
        asked.verify()
        with self._one_by_one(asked.licence, host):  # whoever waited here may have been ended meanwhile
            now = self._moved(asked, host, ended=self._meter(asked.licence, host).ended)
        now = replace(now, at=int(self._clock()))
        note = sign_note(now.text(self._key.name, asked.licence, host, asked.nonce), self._key, self._sign)
        return note.to_bytes()

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
        # A host's own end is logged, also where the operator ended all: his file may be put back, and the host shows the note.
        if asked.step is None and (kept.ended or not asked.end):
            return before
        new = replace(before, ended=True) if asked.step is None else _next(before, asked)
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
