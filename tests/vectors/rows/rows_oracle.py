"""`cm-row/v1` and `cm-rows/v1` over plain Python objects, written from docs/reference/formats/rows.md; shares no code.

Values: None, bool, int (also for times, in the unit of the type), float, str, bytes, list, dict; a map is a list of pairs.
A float may be given as its bits (bytes, little-endian), for NaN payloads; a decimal is its unscaled integer.
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

FLOATS = {"float16": "<e", "float32": "<f", "float64": "<d"}
EIGHT = ("time64", "timestamp", "duration")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def run(kind: Any, items: list[Any]) -> bytes:
    return bytes(0 if x is None else 1 for x in items) + b"".join(value(kind, x) for x in items if x is not None)


def value(kind: Any, x: Any) -> bytes:
    if isinstance(kind, dict):
        ((word, inner),) = kind.items()
        if word == "list":
            return u64(len(x)) + run(inner, x)
        if word == "map":
            return u64(len(x)) + run(inner[0], [k for k, _ in x]) + run(inner[1], [v for _, v in x])
        assert word == "struct"
        return cells(inner, x)
    if kind == "bool":
        return b"\1" if x else b"\0"
    if kind == "null":
        return b""
    if kind in ("text", "bytes"):
        raw = x.encode() if isinstance(x, str) else x
        return u64(len(raw)) + raw
    if kind in FLOATS:
        return x if isinstance(x, bytes) else struct.pack(FLOATS[kind], x)
    if kind.startswith(("int", "uint")) and not kind.startswith("interval"):
        return x.to_bytes(int(kind.lstrip("uint")) // 8, "little", signed=kind[0] == "i")
    if kind.startswith("decimal"):
        return x.to_bytes(32, "little", signed=True)
    if kind.startswith("interval"):
        return struct.pack("<iiq", *x)
    return x.to_bytes(4 if kind in ("date32",) or kind.startswith("time32") else 8, "little", signed=True)


def cells(kinds: dict[str, Any], row: dict[str, Any]) -> bytes:
    out = b""
    for name in sorted(kinds, key=lambda n: n.encode()):
        out += b"\0" if row[name] is None else b"\1" + value(kinds[name], row[name])
    return out


def schema(kinds: dict[str, Any]) -> bytes:
    """RFC 8785, for names in which UTF-16 and code points sort alike."""
    text = json.dumps(kinds, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def row_digest(kinds: dict[str, Any], row: dict[str, Any]) -> str:
    return hashlib.sha256(b"cm-row/v1\0" + schema(kinds) + cells(kinds, row)).hexdigest()


def tree(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x31" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def root(rows: dict[str, str]) -> str:
    leaves = []
    for name, digest in sorted(rows.items(), key=lambda item: item[0].encode()):
        raw = name.encode()
        leaves.append(hashlib.sha256(b"\x30" + len(raw).to_bytes(4, "big") + raw + bytes.fromhex(digest)).digest())
    return hashlib.sha256(b"cm-rows/v1\0" + len(rows).to_bytes(8, "big") + tree(leaves)).hexdigest()
