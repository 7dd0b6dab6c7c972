"""`training/numpy-allow-pickle`: arrays of objects are pickles."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import ABSENT, Program
from countermark.checks.training._rule import Hit, Rule

_PLACES = {
    "numpy.load": 2,
    "numpy.lib.format.read_array": 1,
    "numpy.lib.format.open_memmap": None,
    "numpy.lib.npyio.NpzFile": 2,
}


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls(*_PLACES):
        given = call.value("allow_pickle", _PLACES[call.name])
        if given is not False and given is not ABSENT:
            yield Hit(call.code, call.node, f"{call.name} with allow_pickle")


RULE = Rule(
    "training/numpy-allow-pickle", "high", _find,
    why="an array of objects is a pickle: whoever wrote the file runs code in this training",
    fix="leave allow_pickle out; keep texts as fixed-width or in a table",
    cannot_tell="what the file holds",
)  # fmt: skip
