"""``cm-sums/v1``: the sums of one delivery as bytes. Whole numbers, nothing that could run; bounded before it allocates.

docs/reference/formats/sums.md has the layout.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from countermark import canonical
from countermark.errors import FormatRefused
from countermark.features.grid import MOST_FEATURES
from countermark.features.sums import EXACT, MOST_CLASSES, Sums

MAGIC = b"cm-sums/v1\n"
MOST_HEADER_BYTES = 1 << 20
MOST_NAME = 512
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 32
_NAMES = {"classes", "count", "delivery", "features", "space", "supplier"}


@dataclass(frozen=True, slots=True)
class Delivered:
    """The sums of one delivery, and whose it is."""

    supplier: str
    delivery: str
    sums: Sums


def to_bytes(one: Delivered) -> bytes:
    """The file. The same sums give the same bytes, on every machine.

    Raises:
        FormatRefused: names that a reader would refuse.
    """
    sums = one.sums
    header = canonical.to_bytes(
        {
            "classes": list(sums.classes), "count": [int(n) for n in sums.count], "delivery": one.delivery,
            "features": sums.features, "space": sums.space, "supplier": one.supplier,
        }
    )  # fmt: skip
    _facts(canonical.object_from_bytes(header))
    triangle = sums.second[np.triu_indices(sums.features)]
    body = b"".join(np.ascontiguousarray(a).astype("<i8").tobytes() for a in (sums.first, triangle))
    data = MAGIC + _LENGTH.pack(len(header)) + header + body
    return data + hashlib.sha256(data).digest()


def from_bytes(data: bytes) -> Delivered:
    """Read the file.

    What is checked is that it is whole, and that its numbers could be sums of products; whether they are those of the
    rows, only the rows tell.

    Raises:
        FormatRefused, StatementRefused: malformed, damaged, over a limit, or numbers that no rows have.
    """
    head = len(MAGIC) + _LENGTH.size
    if data[: len(MAGIC)] != MAGIC or len(data) < head + _DIGEST_BYTES:
        raise FormatRefused("these are no sums", why="the mark cm-sums/v1 is not there")
    (length,) = _LENGTH.unpack_from(data, len(MAGIC))
    if length > min(MOST_HEADER_BYTES, len(data) - head - _DIGEST_BYTES):
        raise FormatRefused(f"a heading of {length} bytes", why=f"the limit is {MOST_HEADER_BYTES}, and the file's end")
    facts = _facts(canonical.object_from_bytes(data[head : head + length], what="the heading of these sums"))
    c, d = len(facts["classes"]), facts["features"]
    expected = head + length + 8 * (c * d + d * (d + 1) // 2) + _DIGEST_BYTES
    if len(data) != expected:
        raise FormatRefused(f"sums of {len(data)} bytes", why=f"{expected} by their heading")
    if hashlib.sha256(data[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
        raise FormatRefused("these sums are damaged", why="their digest differs", mend="make them again from the rows")
    return Delivered(facts["supplier"], facts["delivery"], _sums(facts, np.frombuffer(data, "<i8", c * d + d * (d + 1) // 2, head + length)))  # fmt: skip


def _sums(facts: dict[str, Any], numbers: Any) -> Sums:
    c, d = len(facts["classes"]), facts["features"]
    first = numbers[: c * d].reshape(c, d)
    second = np.zeros((d, d))
    second[np.triu_indices(d)] = numbers[c * d :]
    diagonal = second.diagonal().copy()
    second += np.triu(second, 1).T
    root = np.sqrt(diagonal.clip(0))
    fits = (numbers >= -EXACT).all() and (numbers <= EXACT).all() and (diagonal >= 0).all()
    # What Cauchy and Schwarz allow, with room for the rounding of the roots.
    if not fits or (np.abs(second) > np.outer(root, root) * (1 + 1e-9) + 1e-3).any():
        raise FormatRefused("these numbers are no sums of products")
    count = np.array(facts["count"], np.int64)
    if (first.astype(np.float64) ** 2 > (count[:, None] * diagonal) * (1 + 1e-9)).any():
        raise FormatRefused("these numbers are no sums of as many rows")
    return Sums(facts["space"], tuple(facts["classes"]), count, first.astype(np.float64), second)


def _facts(header: dict[str, Any]) -> dict[str, Any]:
    if set(header) != _NAMES:
        raise FormatRefused("the heading of these sums has other members", why=f"{sorted(_NAMES ^ set(header))!r:.200}")
    classes, count, features = header["classes"], header["count"], header["features"]
    if not isinstance(classes, list) or not isinstance(count, list) or not len(classes) == len(count) <= MOST_CLASSES:
        raise FormatRefused("classes and counts do not belong together", why=f"up to {MOST_CLASSES}, one count each")
    for name in (*classes, header["delivery"], header["space"], header["supplier"]):
        if not isinstance(name, str) or not 0 < len(name) <= MOST_NAME or canonical.unprintable(name):
            raise FormatRefused(f"{name!r:.80} is no name")
    if classes != sorted(set(classes)):
        raise FormatRefused("classes out of order, or twice")
    if not all(type(n) is int and 0 < n < 2**53 for n in count):
        raise FormatRefused("a class of no rows, or of no number of them")
    if type(features) is not int or not 1 <= features <= MOST_FEATURES:
        raise FormatRefused(f"{features!r:.40} features", why=f"1 to {MOST_FEATURES}")
    return header
