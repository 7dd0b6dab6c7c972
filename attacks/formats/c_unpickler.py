"""A confined process that hands streams to CPython's own unpicklers, with classes of its own for whatever they name.

Only for streams that this repository made itself. Nothing is imported for them: `find_class` gives a class without
effects, and the process has no files, no network, half a gigabyte and a minute.

Lines of JSON on both sides: hex of a stream in, what each unpickler did out.
"""

from __future__ import annotations

import io
import json
import pickle
import sys

from countermark.sandbox.confinement import confine
from countermark.sandbox.limits import Limits


class Stub:
    """Takes every call, state and item."""

    def __new__(cls, *args, **keywords):
        return object.__new__(cls)

    def __init__(self, *args, **keywords):
        pass

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        """As a list."""

    def extend(self, values):
        """As a list."""

    def add(self, value):
        """As a set."""

    def update(self, values):
        """As a set."""


def _made(base):
    class Asks(base):
        def __init__(self, file):
            super().__init__(file, encoding="latin1")
            self.names, self.ids = [], 0

        def find_class(self, module, name):
            self.names.append([module, name])
            return type("Stub", (Stub,), {})

        def persistent_load(self, pid):
            self.ids += 1
            return Stub()

    return Asks


UNPICKLERS = {"C": _made(pickle.Unpickler), "Python": _made(pickle._Unpickler)}


def tried(which: str, data: bytes) -> dict:
    """What one unpickler did: its error or the kind of what it made, the names it asked for, and where it stopped."""
    file = io.BytesIO(data)
    reader = UNPICKLERS[which](file)
    error = kind = why = ""
    try:
        value = reader.load()
        kind = "class" if isinstance(value, type) else type(value).__name__
    except Exception as caught:  # noqa: BLE001 - whatever loading raises is the answer
        error, why = type(caught).__name__, str(caught)[:200]
    return {"error": error, "why": why, "kind": kind, "names": reader.names, "ids": reader.ids, "end": file.tell()}


def main() -> None:
    """Confine this process, say what holds it, answer line by line."""
    held = confine(Limits(memory_bytes=512 << 20, cpu_seconds=3600))
    print(json.dumps(held.to_json()), flush=True)
    for line in sys.stdin:
        data = bytes.fromhex(line)
        print(json.dumps({which: tried(which, data) for which in UNPICKLERS}), flush=True)


if __name__ == "__main__":
    main()
