"""What a host must not forget about a licence: a hash-chained state in one file, and an anchor that notices an older copy.

Every state names the head before it; head = SHA-256(head before || SHA-256(entry)), which is also what a TPM computes in an
index of the type TPM2_NT_EXTEND, so that an anchor with a head fits this state and no other. Written first, anchored second: a
crash in between is seen at the next start and finished then. The highest time that the clock showed lies in a file beside it,
because it changes by the minute and an anchor wears out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused, Unusable
from countermark.licence.anchors import ZERO, Anchor, Anchored, Ticks, extended
from countermark.licence.clock import LAST, Memory, Paired
from countermark.licence.refusal import LicenceRefused
from countermark.workspace.place import Workspace

FORMAT = 1
MOST_STATE_BYTES, MOST_HOSTS = 1 << 20, 4096
MOST_USAGES = 1024
"""Links that a host ever used under one grant: a chain has eight, and each sublicence that replaces another is one more."""
FOLDER = "licences"


@dataclass(frozen=True, slots=True)
class Usage:
    """What was drawn under one link.

    Attributes:
        loads: of the subject. window: number of the window that `drawn` queries belong to. hosts: names as evidence showed them.
    """

    loads: int = 0
    window: int = 0
    drawn: int = 0
    hosts: tuple[str, ...] = ()

    def in_window(self, window: int) -> int:
        """Queries drawn in a window; a window before the newest one is spent, so that a clock set back opens none again."""
        return self.drawn if window <= self.window else 0


@dataclass(frozen=True, slots=True)
class State:
    """One state of one licence on one host.

    Attributes:
        root: payload digest of the owner's grant, hex. id: 16 random bytes, hex. sequence: 1, 2, 3... count: of the anchor
            after this state was anchored; 0 without one. anchor: its name, "" without one. given_up: it was handed back here.
        usage: by payload digest of the link.
    """

    root: str
    id: str
    memory: Memory
    sequence: int = 0
    count: int = 0
    anchor: str = ""
    given_up: bool = False
    usage: dict[str, Usage] = field(default_factory=dict)

    def of(self, link: str) -> Usage:
        """What was drawn under a link so far."""
        return self.usage.get(link, Usage())

    def entry(self) -> bytes:
        """Canonical JSON of what is chained."""
        chip = self.memory.chip
        return canonical.to_bytes(
            {
                "format": FORMAT, "root": self.root, "id": self.id, "sequence": self.sequence, "count": self.count,
                "anchor": self.anchor, "given_up": self.given_up,
                "memory": {
                    "mark": self.memory.mark, "epoch": self.memory.epoch, "resets": self.memory.resets,
                    "chip": _chip_json(chip) if chip else None,
                },
                "usage": {
                    link: {"loads": u.loads, "window": u.window, "drawn": u.drawn, "hosts": list(u.hosts)}
                    for link, u in self.usage.items()
                },
            }
        )  # fmt: skip


def parse(data: bytes) -> tuple[State, bytes, bytes]:
    """State, head before it and its own head.

    Raises:
        StatementRefused: malformed or too large.
    """
    whole = Fields(canonical.from_bytes(data, what="licence state", max_bytes=MOST_STATE_BYTES), "licence state")
    before, entry = bytes.fromhex(whole.hex("previous")), whole.object("entry")
    whole.done()
    fields = Fields(entry, "licence state")
    if fields.integer("format") != FORMAT:
        raise StatementRefused("licence state of an unknown format", mend="update Countermark")
    links = fields.object("usage")
    if len(links) > MOST_USAGES:
        raise StatementRefused(f"licence state of {len(links)} links")
    out = State(
        fields.hex("root"), fields.hex("id", size=16), _memory(fields.object("memory")), fields.integer("sequence", least=1),
        fields.integer("count"), fields.text("anchor", most=200), fields.boolean("given_up"),
        {link: _usage(value) for link, value in links.items()},
    )  # fmt: skip
    fields.done()
    return out, before, extended(before, hashlib.sha256(out.entry()).digest())


def _memory(value: Any) -> Memory:
    fields = Fields(value, "licence state: memory")
    chip = fields.optional("chip")
    out = Memory(
        _moment(fields, "mark"), fields.integer("epoch"), fields.integer("resets"), _chip(chip) if chip else None
    )
    fields.done()
    return out


def _moment(fields: Fields, name: str) -> int:
    value = fields.integer(name)
    if value > LAST:
        raise StatementRefused(f"licence state: {name} is {value}, which is no date",
                               mend="put the newest state back; where it is lost, the licensor grants anew")  # fmt: skip
    return value


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


def _usage(value: Any) -> Usage:
    fields = Fields(value, "licence state: usage")
    out = Usage(fields.integer("loads"), fields.integer("window"), fields.integer("drawn"), fields.texts("hosts"))
    fields.done()
    if len(out.hosts) > MOST_HOSTS:
        raise StatementRefused(f"licence state of {len(out.hosts)} hosts")
    return out


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


class Store:
    """The files of one licence's state in a workspace, and their anchor.

    Args:
        root: payload digest of the owner's grant, hex. anchor: where one takes part.

    Attributes:
        told: what time the anchor said it was at the last `read`, POSIX seconds; None where it tells none.
    """

    def __init__(self, space: Workspace, root: str, anchor: Anchor | None = None) -> None:
        self._space, self._root, self._anchor = space, root, anchor
        self.told: int | None = None
        self._folder = space.disk.folder(space.home / FOLDER)
        self._path, self._seen = self._folder / f"{root}.state.json", self._folder / f"{root}.seen"

    @property
    def anchor(self) -> str:
        """Name of the anchor, or ""."""
        return self._anchor.name if self._anchor else ""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the state for one writer, over threads and processes.

        Raises:
            Unusable: the platform has no such lock.
        """
        with self._space.lock(f"licence-{self._root[:16]}.lock"):
            yield

    def read(self) -> State | None:
        """The newest state, checked against the anchor; None where this host never saw the licence. Call it under `lock`.

        Raises:
            LicenceRefused: ``state``: it is older than the anchor, was edited, is gone, or its anchor is missing or another one.
            StatementRefused: malformed. Unusable, MissingExtra: it or the anchor cannot be read.
        """
        data = _read(self._path)
        held = self._anchor.read() if self._anchor else None
        self.told = held.at if held else None
        if data is None:
            if held is not None and _counts(held):
                raise self._rolled_back(f"the state that {self.anchor} counts", "none")
            return None
        state, before, head = parse(data)
        if state.root != self._root:
            raise self._rolled_back(f"the state of licence {self._root[:16]}", state.root[:16])
        if (
            state.anchor and state.anchor != self.anchor
        ):  # one whose count fits by chance, or was brought there, holds nothing of it
            raise LicenceRefused("state", expected=f"anchored in {state.anchor}", seen=self.anchor or "no anchor",
                                 mend="name the anchor that this licence was begun with")  # fmt: skip
        if held is not None and state.anchor:
            self._refuse_old(state, before, head, held)
        elif held is not None and _counts(held):
            raise self._rolled_back(f"a state that {self.anchor} counts", "one without an anchor")
        return state

    def peek(self) -> State | None:
        """The state as it lies in the file, for people: nothing is checked against the anchor.

        Raises:
            StatementRefused: malformed. Unusable: it cannot be read.
        """
        data = _read(self._path)
        return parse(data)[0] if data is not None else None

    def _refuse_old(self, state: State, before: bytes, head: bytes, held: Anchored) -> None:
        unfinished = held.count == state.count - 1 and held.head in (None, before)
        if unfinished and self._anchor:
            held = self._anchor.advance(hashlib.sha256(state.entry()).digest())  # written, not anchored yet: finish it
        if held.count != state.count or held.head not in (None, head):
            raise self._rolled_back(f"state {held.count} of {self.anchor}", f"state {state.count}, or an edited one")

    def _rolled_back(self, expected: str, seen: str) -> LicenceRefused:
        return LicenceRefused("state", expected=expected, seen=seen,
                              mend="put the newest state back; where it is lost, the licensor grants anew, for a new anchor")  # fmt: skip

    def write(self, state: State) -> State:
        """Make the next state durable, then anchor it. Call it under `lock`, with a state that `read` gave or a new one.

        Raises:
            LicenceRefused: ``state``: it grew beyond what `read` takes, or a copy of this host moved the anchor since `read`; nothing was
                written, and what the anchor holds still counts.
            Unusable, MissingExtra: it cannot be written, or the anchor cannot be reached; the old state still counts, or this one
            is anchored at the next `read`.
        """
        data = _read(self._path)
        before = parse(data)[2] if data is not None else ZERO
        held = self._anchor.read() if self._anchor else None
        if held is not None:
            self._refuse_overtaken(state, held)
            before = before if held.head is None else held.head
        new = replace(state, sequence=state.sequence + 1, count=held.count + 1 if held else 0, anchor=self.anchor)
        entry = new.entry()
        whole = canonical.to_bytes({"previous": before.hex(), "entry": canonical.from_bytes(entry)})
        if len(new.usage) > MOST_USAGES or len(whole) > MOST_STATE_BYTES:
            raise LicenceRefused("state", expected=f"at most {MOST_USAGES} licences and {MOST_STATE_BYTES} bytes",
                                 seen=f"{len(new.usage)}, {len(whole)} bytes", mend="ask the licensor for a new grant")  # fmt: skip
        self._space.disk.write(self._path, whole)
        if self._anchor is not None:
            digest = hashlib.sha256(entry).digest()
            self._refuse_other_step(self._anchor.advance(digest), new, extended(before, digest))
        return new

    def _refuse_overtaken(self, state: State, held: Anchored) -> None:
        """The lock is this machine's: a copy of it can draw between `read` and `write`, and what it drew must not be forgotten."""
        if held.count != state.count if state.anchor else _counts(held):
            raise self._rolled_back(
                f"state {state.count}, which was read", f"{held.count} of {self.anchor}: a copy of this host goes on"
            )

    def _refuse_other_step(self, held: Anchored, state: State, head: bytes) -> None:
        """An element that compares nothing takes two steps from one state: whoever comes second finds them both."""
        if held.count != state.count or held.head not in (None, head):
            raise self._rolled_back(
                f"state {state.count} of {self.anchor}", f"{held.count}: a copy of this host goes on"
            )

    def seen(self) -> Seen:
        """What this host's clock showed at most; nought where nothing is remembered.

        Raises:
            StatementRefused: malformed. Unusable: unreadable.
        """
        data = _read(self._seen)
        if data is None:
            return Seen(0)
        fields = Fields(canonical.from_bytes(data, what="licence clock", max_bytes=4096), "licence clock")
        out = Seen(_moment(fields, "seen"), fields.text("boot", most=64), fields.integer("elapsed"))
        fields.done()
        return out

    def remember(self, seen: Seen) -> None:
        """Keep what the clock showed.

        Raises:
            Unusable: it cannot be written.
        """
        said = {"seen": seen.clock, "boot": seen.boot, "elapsed": seen.elapsed}
        self._space.disk.write(self._seen, canonical.to_bytes(said))


def _counts(held: Anchored) -> bool:
    """Whether an anchor was used already; one with a head may share its counter with others."""
    return bool(held.count) if held.head is None else held.head != ZERO


def fresh(root: str, memory: Memory) -> State:
    """The first state of a licence on this host, not written yet."""
    return State(root, secrets.token_hex(16), memory)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_STATE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error), mend="check its permissions") from error
