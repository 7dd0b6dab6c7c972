"""`model/npy`: arrays of plain numbers, alone or in a strict zip."""

from __future__ import annotations

from countermark.checks.model._check import Look, ModelFile, refused
from countermark.formats import npy
from countermark.formats.limits import Malformed

ID = "model/npy"
VERSION = 1
NAMES = frozenset({"npy", "npz"})


def looks_at(file: ModelFile) -> bool:
    """The magic of an array, or a zip whose first member is one."""
    first_member = file.head[:2] == b"PK" and b".npy" in file.head[30:400]
    return file.head.startswith(npy.MAGIC) or first_member


def look(file: ModelFile) -> Look:
    """Account for every byte; members of an .npz are inflated in pieces and their CRC compared."""
    zip_file = file.head[:2] == b"PK" or (file.extension == "npz" and not file.head.startswith(npy.MAGIC))
    try:
        arrays = list(npy.read_npz(file.source).arrays.values()) if zip_file else [npy.read_npy(file.source)]
    except Malformed as error:
        return refused(ID, "npz" if zip_file else "npy", file, error)
    total = sum(array.data_bytes for array in arrays)
    return Look(
        ID, "npz" if zip_file else "npy", "proven", f"{len(arrays)} arrays, {total} bytes",
        counts=(("tensors", len(arrays)), ("parameter bytes", total)),
    )  # fmt: skip
