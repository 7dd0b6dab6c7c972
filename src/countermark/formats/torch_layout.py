"""How torch lays out what it saves: names of members, storages and their sizes, the legacy order of pickles.

Source: `torch/serialization.py` of torch 0.4 to 2.13, and `caffe2/serialize/inline_container.h`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from countermark.formats.zipped import Archive, Member

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
ELEMENT_BYTES = {
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4, "UntypedStorage": 1,
}  # fmt: skip
"""Bytes of one element of a storage, by the name of its class."""
_RECORDS = re.compile(r"(?:version|byteorder|\.data/serialization_id|\.format_version|\.storage_alignment)")
_STORAGE = re.compile(r"data/([0-9]{1,20})")  # torch 1.6 named a storage by its address


def root_of(archive: Archive) -> str | None:
    """The folder that everything lies in, where this is a torch archive; None elsewhere."""
    found = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl" and name.count("/") <= 1]
    return found[0][: -len("data.pkl")] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Layout:
    """The members of a torch archive.

    Attributes:
        pickle: ``data.pkl``. storages: by key. records: small ones of the format. others: whatever else is there.
    """

    pickle: Member
    storages: dict[str, Member]
    records: list[Member]
    others: list[Member]


def parted(archive: Archive, root: str) -> Layout:
    """Every member in its place."""
    out = Layout(next(m for m in archive.members if m.name == f"{root}data.pkl"), {}, [], [])
    for member in archive.members:
        inside = member.name[len(root) :] if member.name.startswith(root) else "/"
        if match := _STORAGE.fullmatch(inside):
            out.storages[match[1]] = member
        elif _RECORDS.fullmatch(inside):
            out.records.append(member)
        elif inside != "data.pkl":
            out.others.append(member)
    return out
