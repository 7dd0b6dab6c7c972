"""Pickles of joblib: arrays stand as plain bytes between the opcodes, or in files of their own beside."""

from __future__ import annotations

import re

from countermark.checks.model._nested import NestingJudge
from countermark.checks.model._streams import plain
from countermark.formats.limits import Malformed, OverLimit, Unaccounted
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import wrong
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Captured, Made, Name, Value, number
from countermark.sandbox.task import Source

DEEPEST = 16
_MODULES = frozenset(
    f"{package}.numpy_pickle{version}"
    for package in ("joblib", "sklearn.externals.joblib")
    for version in ("", "_compat")
)
_WRAPPERS = frozenset(f"{module}.NumpyArrayWrapper" for module in _MODULES)
_BESIDE = frozenset(f"{module}.{name}" for module in _MODULES for name in ("NDArrayWrapper", "ZNDArrayWrapper"))
_PLAIN_NAME = re.compile(r"[^/\\:\x00]{1,255}")
_DTYPE = re.compile(r"[<>|=]?([biufcSUVmMO?])([0-9]{1,9})?")


class JoblibJudge(NestingJudge):
    """Steps over the arrays that joblib writes between the opcodes.

    Attributes:
        wrapped: whether there were any. beside: files that hold an array each, as joblib before 0.10 wrote them.
    """

    depth = 0

    def __init__(self, path: str, inside: str = "") -> None:
        super().__init__(path, inside)
        self.wrapped = False
        self.beside: list[str] = []

    def name(self, module: str, qualname: str, at: int) -> Name:
        """From the first wrapper on, dictionaries keep what they hold: the wrapper's state tells an array's length."""
        self.machine.captures |= module in _MODULES
        return super().name(module, qualname, at)

    def build(self, target: Value, state: Value, at: int, after: int) -> int:
        """BUILD of a wrapper: its array follows, or lies in a file."""
        after = super().build(target, state, at, after)
        full = target.of.full if isinstance(target, Made) and target.of is not None else ""
        if full in _BESIDE:
            self._file(state, at)
        if full not in _WRAPPERS:
            return after
        self.wrapped = True
        if self.machine.frame_end not in (0, after) or not isinstance(state, Captured):
            raise wrong("joblib", "an array wrapper inside of a frame, or without a state", at)
        self.machine.frame_end = 0
        return self._array(state.items, after, at)

    def _file(self, state: Value, at: int) -> None:
        """An array in a file: joblib opens it in the folder of this one."""
        name = state.items.get("filename") if isinstance(state, Captured) else None
        if not isinstance(name, str):
            raise Unaccounted("pickle-joblib", "an array in a file whose name cannot be told", offset=at)
        if not _PLAIN_NAME.fullmatch(name) or name in (".", ".."):
            self.refuse("beside", f"reads an array from {name[:100]!r}, which is no file beside this one", at)
        self.beside.append(name)

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
        outer = self.machine
        self.depth += 1
        if self.depth > DEEPEST:
            raise OverLimit("nested pickles", self.depth, DEEPEST, offset=at)
        after = follow(self.opened(outer.source, self), at)
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


def follow_all(source: Source, judge: JoblibJudge) -> None:
    """The pickles of a file, with arrays between the opcodes or without; a file with arrays holds one pickle.

    Raises:
        Malformed, OverLimit: as `plain`. Unaccounted: arrays in one of several pickles.
    """
    if plain(source, judge, opened=judge.opened) > 1 and judge.wrapped:
        raise Unaccounted("pickle-joblib", "arrays in one of several pickles")
    if judge.wrapped:
        _second_reading(source, judge)


def _second_reading(source: Source, judge: JoblibJudge) -> None:
    """What `pickle.load` makes of the file: it knows no arrays, and takes their bytes for opcodes.

    Joblib's own arrays stop it at once. A file whose arrays name something more was made to be read in two ways.
    """
    other = NestingJudge(judge.path)
    stop = _stopped(source, other)
    if stop is not None and stop.answer == "unproven":
        raise stop
    more = sorted(name for name in other.names.keys() - judge.names.keys() if "\0" not in name)
    if more:
        judge.refuse("second-reading", f"read by pickle.load, bytes of an array name {more[0][:200]}", 0)
    judge.findings += [finding for finding in other.findings if finding not in judge.findings]


def _stopped(source: Source, judge: NestingJudge) -> Malformed | None:
    """Why a loader stops before STOP, None where it does not; what it did before stays with the judge."""
    try:
        follow(judge.opened(source, judge))
    except Malformed as error:
        return error
    return None
