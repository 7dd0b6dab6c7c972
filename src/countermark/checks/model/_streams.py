"""Streams of pickles as the libraries lay them out: plain, torch in a zip, torch of before, joblib with its arrays inline."""

from __future__ import annotations

import re
from dataclasses import dataclass

from countermark.checks.model._judge import PickleJudge
from countermark.formats import torch_layout, zipped
from countermark.formats.limits import Malformed, ModelLimits, OverLimit, Unaccounted
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Captured, Listed, Made, Name, Value, number
from countermark.formats.source import Memory
from countermark.sandbox.task import Source

MOST_PICKLE = 64 << 20
DEEPEST = 16
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_DTYPE = re.compile(r"[<>|=]?([biufcSUVmMO?])([0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Storage:
    """What a pickle says of one storage of torch: its key, how many elements it has, and the bytes of one."""

    key: str
    count: int
    width: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.count * self.width


class TorchJudge(PickleJudge):
    """Knows the ids that torch gives its storages.

    Attributes:
        storages: as the pickle names them, by key.
    """

    def __init__(self, path: str, inside: str = "") -> None:
        super().__init__(path, inside)
        self.storages: dict[str, Storage] = {}

    def persistent(self, id: Value, at: int) -> Value:
        """``("storage", class, key, location, count)``, and a view of it where the format is the old one."""
        if isinstance(id, tuple) and len(id) in (5, 6) and id[0] == "storage" and isinstance(id[1], Name):
            kind, key, count = id[1], id[2], number(id[4])
            width = torch_layout.ELEMENT_BYTES.get(kind.qualname)
            if (
                kind.entry is not None
                and width
                and isinstance(key, str)
                and count is not None
                and isinstance(id[3], str)
            ):
                return self._storage(kind, Storage(key, count, width), at)
        if isinstance(id, tuple) and len(id) == 4 and id[0] == "module" and isinstance(id[1], Name):
            return id[1]  # a class with the text of its source, which loaders compare and do not run
        return super().persistent(id, at)

    def _storage(self, kind: Name, named: Storage, at: int) -> Value:
        if self.storages.setdefault(named.key, named) != named:
            raise wrong("storage", f"storage {named.key[:40]!r} has two sizes", at)
        return Made(kind, facts=named.count)


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


def _element(dtype: Value) -> tuple[str, int]:
    """Kind and bytes of one element, as far as `numpy.dtype`'s argument tells; ("", 0) where it does not."""
    if (
        not isinstance(dtype, Made)
        or not isinstance(dtype.args, tuple)
        or not dtype.args
        or not isinstance(dtype.args[0], str)
    ):
        return "", 0
    match = _DTYPE.fullmatch(dtype.args[0])
    if match is None:
        return "", 0
    structured = (
        match[1] == "V"
        and isinstance(dtype.state, tuple)
        and len(dtype.state) > 4
        and not v.is_kind(dtype.state[4], v.NONE)
    )
    return match[1], 0 if structured else int(match[2] or 1) * (4 if match[1] == "U" else 1)


def plain(source: Source, judge: PickleJudge, at: int = 0) -> None:
    """One pickle that fills the rest of the file.

    Raises:
        Malformed: it does not hold, or bytes follow.
    """
    _ends(follow(Machine(source, judge), at), source)


def joblib(source: Source, judge: JoblibJudge) -> None:
    """One pickle with arrays between its opcodes; raises as `plain`."""
    judge.machine = Machine(source, judge)
    _ends(follow(judge.machine), source)


def _ends(at: int, source: Source) -> None:
    if at != source.size:
        raise wrong("tail", f"{source.size - at} bytes after the STOP", at)


def torch_legacy(source: Source, judge: TorchJudge) -> None:
    """Magic number, protocol, system, the object, the keys of its storages, and the storages.

    Raises:
        Malformed: another order, or storages of other sizes than the object says.
    """
    at = 0
    for _ in range(3):
        at = follow(Machine(source, judge), at)
    at = follow(Machine(source, judge), at)
    keys = Machine(source, judge)
    keys.captures = True
    at = follow(keys, at)
    listed = keys.stack[-1].items if isinstance(keys.stack[-1], Listed) else None
    if listed is None or len(listed) != len(set(map(str, listed))) or set(listed) != judge.storages.keys():
        raise wrong("storage", "the list of storages is another than the object names", at)
    for key in listed:
        said, named = int.from_bytes(source.read(at, 8), "little"), judge.storages[key]
        if said != named.count:
            raise wrong("storage", f"storage {key!r} has {said} elements, the object names {named.count}", at)
        at += 8 + named.size
        if at > source.size:
            raise Malformed("truncated", f"storage {key!r} ends beyond the file", offset=source.size)
    _ends(at, source)


def torch_zip(source: Source, archive: zipped.Archive, root: str, judge: TorchJudge, limits: ModelLimits) -> list[str]:
    """``data.pkl`` and the storages it names; returns the names of members that belong to no such archive.

    Raises:
        Malformed: a storage that is not there, or of another size.
    """
    storages, records, others = torch_layout.parted(archive, root)
    member = next(m for m in archive.members if m.name == f"{root}data.pkl")
    plain(Memory(inflated(source, member)), judge)
    for named in judge.storages.values():
        held = storages.get(named.key)
        if held is None or held.size != named.size:
            raise Malformed(
                "pickle-storage", f"storage {named.key[:40]!r} of {named.size} bytes",
                offset=held.header_at if held else None, why=f"the archive holds {held.size} of it" if held else "it is not there",
            )  # fmt: skip
    for record in records:
        if record.size > 64:
            raise Malformed("pickle-record", f"{record.name!r} of {record.size} bytes", offset=record.header_at)
    return [*(m.name for m in others), *(f"{root}data/{key}" for key in storages.keys() - judge.storages.keys())]


def inflated(source: Source, member: zipped.Member) -> bytes:
    """A member's bytes.

    Raises:
        OverLimit: more than 64 MiB. Malformed: damaged.
    """
    if member.size > MOST_PICKLE:
        raise OverLimit("pickle bytes", member.size, MOST_PICKLE, offset=member.header_at)
    return b"".join(zipped.chunks(source, member))
