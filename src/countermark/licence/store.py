"""The files of a licence's state, and an anchor that notices an older copy of them.

Written first, anchored second: a crash in between is seen at the next start and finished then. The highest time that the clock
showed lies in a file beside the state, because it changes by the minute and an anchor wears out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from countermark import canonical
from countermark.errors import Unusable
from countermark.licence.anchors import ZERO, Anchor, Anchored, extended
from countermark.licence.kept_times import Seen
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import MOST_STATE_BYTES, MOST_USAGES, State, parse
from countermark.workspace.place import Workspace

FOLDER = "licences"


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
        return Seen(0) if data is None else Seen.from_bytes(data)

    def remember(self, seen: Seen) -> None:
        """Keep what the clock showed.

        Raises:
            Unusable: it cannot be written.
        """
        self._space.disk.write(self._seen, seen.to_bytes())


def _counts(held: Anchored) -> bool:
    """Whether an anchor was used already; one with a head may share its counter with others."""
    return bool(held.count) if held.head is None else held.head != ZERO


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_STATE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error), mend="check its permissions") from error
