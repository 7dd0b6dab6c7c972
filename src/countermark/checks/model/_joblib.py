"""Pickles of joblib: arrays stand as plain bytes between the opcodes."""

from __future__ import annotations

import re

from countermark.checks.model._judge import PickleJudge
from countermark.checks.model._streams import ends
from countermark.formats.limits import OverLimit, Unaccounted
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Captured, Made, Name, Value, number
from countermark.sandbox.task import Source

DEEPEST = 16
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_DTYPE = re.compile(r"[<>|=]?([biufcSUVmMO?])([0-9]{1,9})?")


class JoblibJudge(PickleJudge):
    """Steps over the arrays that joblib writes between the opcodes."""

    machine: Machine
    depth = 0

    def name(self, module: str, qualname: str, at: int) -> Name:
        """From the first wrapper on, dictionaries keep what they hold: the wrapper's state tells an array's length."""
        self.machine.captures |= module == "joblib.numpy_pickle"
        return super().name(module, qualname, at)

    def build(self, target: Value, state: Value, at: int, after: int) -> int:
        """BUILD of a wrapper: its array follows."""
        after = super().build(target, state, at, after)
        if not (isinstance(target, Made) and target.of is not None and target.of.full == _WRAPPER):
            return after
        if self.machine.frame_end not in (0, after) or not isinstance(state, Captured):
            raise wrong("joblib", "an array wrapper inside of a frame, or without a state", at)
        self.machine.frame_end = 0
        return self._array(state.items, after, at)

    def _array(self, state: dict[str, Value], after: int, at: int) -> int:
        kind, width = _element(state.get("dtype"))
        shape = state.get("shape")
        if kind == "O":
            return self._nested(after)
        sizes = [number(n) for n in shape] if isinstance(shape, tuple) else [None]
        if not width or any(n is None for n in sizes):
            raise Unaccounted("pickle-joblib", "an array whose length cannot be told", offset=at)
        length = width
        for n in sizes:
            length *= n or 0
        if number(state.get("numpy_array_alignment_bytes", v.NONE)) is not None:
            after = self.machine.reach(after + 1, self.machine.take(after, 1)[0])
        return self.machine.reach(after, length)

    def _nested(self, at: int) -> int:
        """An array of objects is a pickle of its own in the midst of the other."""
        outer, self.machine = self.machine, Machine(self.machine.source, self)
        self.depth += 1
        if self.depth > DEEPEST:
            raise OverLimit("nested pickles", self.depth, DEEPEST, offset=at)
        after = follow(self.machine, at)
        self.machine, self.depth = outer, self.depth - 1
        return after


def _element(dtype: Value, depth: int = 0) -> tuple[str, int]:
    """Kind and bytes of one element, as `numpy.dtype`'s argument and its state tell; ("", 0) where they do not."""
    name = dtype.args[0] if isinstance(dtype, Made) and isinstance(dtype.args, tuple) and dtype.args else None
    match = _DTYPE.fullmatch(name) if isinstance(name, str) else None
    if match is None or not isinstance(dtype, Made) or depth > DEEPEST:
        return "", 0
    kind, width = match[1], int(match[2] or 1) * (4 if match[1] == "U" else 1)
    if dtype.state is v.UNSET:
        return kind, 0 if kind in "SUV" and not match[2] else width
    state = dtype.state if isinstance(dtype.state, tuple) and len(dtype.state) >= 6 else (None,) * 6
    size = number(state[5])
    if not v.is_kind(state[2], v.NONE) or (size is not None and (kind not in "SUV" or size != width)):
        return "", 0
    if v.is_kind(state[4], v.NONE):
        return kind, width
    fields = [_field(item, depth) for item in state[4].items.values()] if isinstance(state[4], Captured) else [""]
    return "O" if "O" in fields else kind, 0 if "" in fields or size is None else width


def _field(item: Value, depth: int) -> str:
    """Kind of one field of a structured element: ``(dtype, offset)``, and a title where it has one."""
    return _element(item[0], depth + 1)[0] if isinstance(item, tuple) and len(item) in (2, 3) else ""


def joblib(source: Source, judge: JoblibJudge) -> None:
    """One pickle with arrays between its opcodes; raises as `plain`."""
    judge.machine = Machine(source, judge)
    ends(follow(judge.machine), source)
