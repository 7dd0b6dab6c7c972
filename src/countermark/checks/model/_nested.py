"""Pickles that hold other pickles: tensors of torch written by plain pickle carry their storage as a file of torch's own."""

from __future__ import annotations

from countermark.checks.model._judge import PickleJudge
from countermark.checks.model._shapes import held_bytes
from countermark.checks.model._streams import MOST_PICKLE
from countermark.checks.model._torch import TorchJudge, torch_legacy
from countermark.formats.limits import Malformed, OverLimit
from countermark.formats.pickle import values as v
from countermark.formats.pickle.machine import Judge, Machine, wrong
from countermark.formats.pickle.values import Held, Made, Name, Value
from countermark.formats.source import Memory, Slice
from countermark.sandbox.task import Source

_LOADER = "torch.storage._load_from_bytes"


class NestingJudge(PickleJudge):
    """Follows the bytes that a storage of torch is made of.

    Attributes:
        machine: the one that is running.
    """

    machine: Machine

    def __init__(self, path: str, inside: str = "") -> None:
        super().__init__(path, inside)
        self._storages: dict[Held | str, Value] = {}

    def opened(self, source: Source, judge: Judge) -> Machine:
        """A machine for the next stream, and the one that is running from now on."""
        self.machine = Machine(source, judge)
        return self.machine

    def name(self, module: str, qualname: str, at: int) -> Name:
        """As `PickleJudge.name`. A pickler names the loader before the bytes: from then on, the places of bytes are kept."""
        made = super().name(module, qualname, at)
        self.machine.holds |= made.full == _LOADER
        return made

    def call(self, role: str, function: Value, args: Value, at: int) -> Value:
        """As `PickleJudge.call`; what a storage is made of is followed.

        Raises:
            Malformed: it is no storage as torch writes one into a pickle.
        """
        out = super().call(role, function, args, at)
        if role != "reduce" or not isinstance(function, Name) or function.full != _LOADER:
            return out
        held = held_bytes(args)
        if held is None:
            return out  # refused for its arguments
        if held not in self._storages:
            self._storages[held] = self._storage(held, at)
        return self._storages[held]

    def _storage(self, held: Held | str, at: int) -> Value:
        """What `torch.load` makes of the bytes: the legacy order of pickles, with one storage as its object."""
        inner = TorchJudge(self.path, f"bytes of a storage, called for at {at}")
        source = _bytes_of(self.machine.source, held, at)
        body = Machine(source, inner)
        try:
            torch_legacy(source, inner, body)
        except Malformed as error:
            self.findings += inner.findings
            raise error if error.answer == "unproven" else wrong("nested", f"a storage: {error.what}", at) from error
        self.findings += inner.findings
        for full, roles in inner.names.items():
            self.names.setdefault(full, set()).update(roles)
        for full in inner.doubts:
            self.doubts.setdefault(full, at)
        made = body.stack[-1]
        if not isinstance(made, Made) or type(made.facts) is not int:
            raise wrong("nested", f"{v.kind(made)} where a storage is due", at)
        return made


def _bytes_of(source: Source, held: Held | str, at: int) -> Source:
    """What was held, as a source of its own.

    Raises:
        OverLimit: more than 64 MiB of text. Malformed: text that is not Latin-1.
    """
    if isinstance(held, Held) and held.kind == v.BYTES:
        return Slice(source, held.at, held.size)
    if isinstance(held, Held) and held.size > MOST_PICKLE:
        raise OverLimit("nested bytes", held.size, MOST_PICKLE, offset=at)
    try:
        text = held if isinstance(held, str) else source.read(held.at, held.size).decode(held.encoding)
        return Memory(text.encode("latin-1"))
    except UnicodeError:
        raise wrong("nested", "text that stands for no bytes", at) from None
