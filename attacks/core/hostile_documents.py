"""JSON on which readers disagree, or that never ends.

python attacks/core/hostile_documents.py
"""

from __future__ import annotations

import json
import sys

from both_sides import Attack, report

from countermark import canonical
from countermark.artefact.tree import TreeEntry
from countermark.canonical import Fields

TWICE = b'{"state":"refused","state":"admitted"}'
DEEP = b"[" * 1_000_000
INFINITE = b'{"accuracy":1e999}'
NAN = b'{"accuracy":NaN}'
HALF = b'["\\ud800.png",1,false,"' + b"0" * 64 + b'"]'
MANY = b"[" + b"[]," * 3_000_000 + b"0]"
SLOW = b"{" + b",".join(b'"%d":0' % n for n in range(60_000)) + b',"1":1,"2":1}'
QUOTES = b"[" * 66 + b'"' * 8_000_000
FLOAT = b'{"threshold":1.9999999999999999}'
HUGE = b'["a",99999999999999999999999,false,"' + b"0" * 64 + b'"]'
UPWARDS = b'["../../.ssh/authorized_keys",1,false,"' + b"0" * 64 + b'"]'
ABSOLUTE = b'["/etc/passwd",1,false,"' + b"0" * 64 + b'"]'


def quadratic(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The usual way to find doubled keys."""
    names = [n for n, _ in pairs]
    return {"doubled": [n for n in names if names.count(n) > 1]}


def attacks() -> list[Attack]:
    """Every hostile document."""
    read = canonical.from_bytes
    return [
        Attack("one key with two values", lambda: json.loads(TWICE)["state"], lambda: read(TWICE)),
        Attack("a million levels", lambda: json.loads(DEEP), lambda: read(DEEP)),
        Attack("a number that overflows", lambda: json.loads(INFINITE), lambda: read(INFINITE)),
        Attack("not a number", lambda: json.loads(NAN), lambda: read(NAN)),
        Attack("half a character", json.loads(HALF)[0].encode, lambda: read(HALF)),
        Attack("nine megabytes of brackets", lambda: len(json.loads(MANY)), lambda: read(MANY)),
        Attack("four million strings at too great a depth", lambda: json.loads(QUOTES), lambda: read(QUOTES)),
        Attack("doubled keys among many", lambda: json.loads(SLOW, object_pairs_hook=quadratic), lambda: read(SLOW)),
        Attack("a float where an integer is due", lambda: int(json.loads(FLOAT)["threshold"]),
               lambda: Fields(read(FLOAT), "x").integer("threshold")),
        Attack("a size no field can hold", lambda: json.loads(HUGE)[1].to_bytes(8), lambda: TreeEntry.from_json(read(HUGE))),
        Attack("a manifest that climbs out", lambda: json.loads(UPWARDS)[0], lambda: TreeEntry.from_json(read(UPWARDS))),
        Attack("a manifest that begins at the root", lambda: json.loads(ABSOLUTE)[0],
               lambda: TreeEntry.from_json(read(ABSOLUTE))),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(report(attacks()))
