"""Tells streams of protocol 0 from text: they begin without a mark, and any text begins like one of them.

Source: CPython 3.11 `Modules/_pickle.c`, the `load_*` functions.
"""

from __future__ import annotations

from codecs import escape_decode

from countermark.formats.limits import Malformed
from countermark.formats.pickle.machine import Judge, Machine
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Made, Name, Value
from countermark.sandbox.task import Source

_MANY = 1 << 16
"""Opcodes of the rarer kinds; text whose lines all begin with one letter leads through many, but not through so many."""


def runs(source: Source) -> bool:
    """Whether loaders get from the first byte to a call, to a STOP that ends the file, or on and on.

    Text may begin with opcodes, and even with lines that name something; none goes on to call it.
    """
    try:
        return follow(_Machine(source, _Asks()), 0) == source.size
    except _Called:
        return True
    except Malformed as error:
        return error.answer == "unproven" or _goes_on(source, error.offset or 0)


def _goes_on(source: Source, at: int) -> bool:
    """Whether loaders take a literal that no pickler writes, and that the machine refuses."""
    line = source.read(at, min(1 << 16, source.size - at)).partition(b"\n")[0]
    code, line = line[:1], line[1:].strip()
    try:
        if code in (b"I", b"L"):
            int(line.removesuffix(b"L"), 0)
        elif code == b"F":
            float(line)
        elif code == b"S":
            return len(line) > 1 and line[:1] == line[-1:] and line[:1] in (b"'", b'"') and bool(escape_decode(line))
        else:
            return False
    except ValueError:
        return False
    return True


class _Machine(Machine):
    """Takes memo entries that no pickler would have reached, as loaders do."""

    def __init__(self, source: Source, judge: Judge) -> None:
        super().__init__(source, judge)
        self._far: dict[int, Value] = {}
        self._steps = 0

    def remember(self, index: int, at: int) -> None:
        if index <= at + 1:
            self._far.pop(index, None)
            super().remember(index, at)
        else:
            self._far[index] = self.top(at)

    def settle(self, at: int) -> None:
        self._steps += 1
        if self._steps > _MANY:
            raise _Called
        super().settle(at)

    def recall(self, index: int, at: int) -> None:
        if index in self._far:
            self.stack.append(self._far[index])
        else:
            super().recall(index, at)


class _Called(Exception):
    """A stream calls something, or goes on and on."""


class _Asks:
    """A judge that wants to know one thing."""

    def begins(self, source: Source) -> None:
        """Nothing is shown."""

    def name(self, module: str, qualname: str, at: int) -> Name:
        """Anything may be named."""
        return Name(module, qualname, at)

    def call(self, role: str, function: Value, args: Value, at: int) -> Value:
        """That is it."""
        raise _Called

    def build(self, target: Value, state: Value, at: int, after: int) -> int:
        """As good as a call."""
        raise _Called

    def extend(self, role: str, target: Value, at: int) -> None:
        """As good as a call."""
        raise _Called

    def persistent(self, id: Value, at: int) -> Value:
        """Loaders may know the id."""
        return Made(None)
