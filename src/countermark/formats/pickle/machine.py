"""The state of CPython's unpickler, its values abstract: stack, marks, memo, frames, and the bytes still to be read.

Source: CPython 3.11 `Modules/_pickle.c`. What the C and the Python unpickler take differently is refused: a stream that two
loaders understand differently is no evidence of either.
"""

from __future__ import annotations

from typing import Protocol

from countermark.formats.limits import Malformed, OverLimit
from countermark.formats.pickle.values import UNSET, Name, Value
from countermark.sandbox.task import Source

WINDOW = 1 << 20
MARGIN = 16
"""Bytes of nothing after each window: no opcode that is read without asking for more is longer."""
MEMO_LIMIT = STACK_LIMIT = 1 << 24
LINE_LIMIT = 1 << 24
_LINE = 1 << 8
_PADDING = bytes(MARGIN)


class Judge(Protocol):
    """Decides what a stream may name and call; each answer is the abstract value that comes out."""

    def begins(self, source: Source) -> None:
        """A stream begins; the offsets that follow are of this source."""
        ...

    def name(self, module: str, qualname: str, at: int) -> Name:
        """A global is named."""
        ...

    def call(self, role: str, function: Value, args: Value, at: int) -> Value:
        """Something is called; the `role` is the opcode's name in lower case: reduce, newobj, newobj_ex, inst or obj."""
        ...

    def build(self, target: Value, state: Value, at: int, after: int) -> int:
        """BUILD sets the state of something; returns where the stream goes on, `after` as a rule."""
        ...

    def extend(self, role: str, target: Value, at: int) -> None:
        """What is no plain list, dictionary or set is appended to: append, setitem or additems."""
        ...

    def persistent(self, id: Value, at: int) -> Value:
        """The loader is asked for what it keeps under an id."""
        ...


class Machine:
    """One stream's state; made anew for each.

    Attributes:
        stack, marks, memo: as in the unpickler. captures: whether dictionaries of up to `most` entries keep their values.
        holds: whether bytes and long text are kept as the place where they lie.
        protocol: as announced. frame_end: offset where the current frame ends, 0 outside of frames.
    """

    def __init__(self, source: Source, judge: Judge) -> None:
        self.source = source
        self.judge = judge
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.memo: list[Value] = []
        self.captures = False
        self.holds = False
        self.most = 64
        self.protocol = 0
        self.frame_end = 0
        self._base = 0
        self._data = _PADDING
        judge.begins(source)

    def window(self, at: int) -> tuple[int, bytes]:
        """Where a window that holds the byte `at` begins, and its bytes with a margin of nothing behind them."""
        if not self._base <= at < self._base + len(self._data) - MARGIN:
            self._base = at
            self._data = self.source.read(at, min(WINDOW, self.source.size - at)) + _PADDING
        return self._base, self._data

    def reach(self, at: int, count: int) -> int:
        """The offset after `count` bytes of an argument, which need not be read.

        Raises:
            Malformed: they are not there, or lie in another frame.
        """
        if at + count > self.source.size:
            raise wrong("truncated", f"{count} bytes where {max(self.source.size - at, 0)} are left", at)
        if self.frame_end and at + count > self.frame_end:
            raise wrong("frame", "an argument crosses the end of its frame", at)
        return at + count

    def take(self, at: int, count: int) -> bytes:
        """Exactly `count` bytes of an argument; raises as `reach`."""
        self.reach(at, count)
        return self.source.read(at, count)

    def line(self, at: int) -> tuple[bytes, int]:
        """The bytes up to a line feed, and the offset after it.

        Raises:
            Malformed: there is none. OverLimit: none within 16 MiB.
        """
        count = _LINE
        while True:
            data = self.source.read(at, min(count, self.source.size - at))
            end = data.find(b"\n")
            if end >= 0:
                return data[:end], self.reach(at, end + 1)
            if len(data) < count:
                raise wrong("truncated", "a line without end", at)
            if count >= LINE_LIMIT:
                raise OverLimit("line", count, LINE_LIMIT, offset=at)
            count *= 16

    def pop(self, at: int) -> Value:
        """The top of the stack, above the last mark.

        Raises:
            Malformed: there is none.
        """
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise wrong("stack", "the stack is empty", at)
        return self.stack.pop()

    def top(self, at: int) -> Value:
        """As `pop`, and it stays."""
        value = self.pop(at)
        self.stack.append(value)
        return value

    def since_mark(self, at: int) -> list[Value]:
        """What stands above the last mark, which goes.

        Raises:
            Malformed: there is no mark.
        """
        if not self.marks:
            raise wrong("stack", "there is no MARK", at)
        start = self.marks.pop()
        out = self.stack[start:]
        del self.stack[start:]
        return out

    def recall(self, index: int, at: int) -> None:
        """Push what the memo holds.

        Raises:
            Malformed: nothing.
        """
        value = self.memo[index] if 0 <= index < len(self.memo) else UNSET
        if value is UNSET:
            raise wrong("memo", f"memo entry {index} is not there", at)
        self.stack.append(value)

    def remember(self, index: int, at: int) -> None:
        """Put the top of the stack into the memo.

        Raises:
            Malformed: an index that no pickler would have reached yet. OverLimit: too many.
        """
        value = self.top(at)
        if not 0 <= index <= at + 1:
            raise wrong("memo", f"memo entry {index} at byte {at}", at)
        if index >= MEMO_LIMIT:
            raise OverLimit("memo", index, MEMO_LIMIT, offset=at)
        self.memo.extend([UNSET] * (index + 1 - len(self.memo)))
        self.memo[index] = value

    def settle(self, at: int) -> None:
        """Check the end of the file, of a frame, and of the room there is, wherever an opcode ended.

        Raises:
            Malformed, OverLimit: an opcode went beyond.
        """
        if at >= self.source.size:
            raise wrong("truncated", "the stream ends before its STOP", min(at, self.source.size))
        if self.frame_end and at >= self.frame_end:
            if at > self.frame_end:
                raise wrong("frame", "an opcode crosses the end of its frame", at)
            self.frame_end = 0
        if len(self.memo) > MEMO_LIMIT:
            raise OverLimit("memo", len(self.memo), MEMO_LIMIT, offset=at)
        if len(self.stack) > STACK_LIMIT:
            raise OverLimit("stack", len(self.stack), STACK_LIMIT, offset=at)


def wrong(rule: str, what: str, at: int) -> Malformed:
    """A refusal under ``pickle-RULE``."""
    return Malformed(f"pickle-{rule}", what, offset=at, why="loaders stop here, or go on differently")
