"""Pictures whose suppliers nobody signed for: read by a pattern over their paths, for a first look."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.artefact.folder import read_folder
from countermark.artefact.tree import TreeEntry
from countermark.errors import Unusable
from countermark.formats.image import content_format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = ("supplier", "label")


@dataclass(frozen=True, slots=True)
class Claimed:
    """Rows: uint8 (n, 64, 64, 3) pictures, and for each its path, the supplier and label its path claims, its file."""

    images: NDArray[np.uint8]
    paths: tuple[str, ...]
    suppliers: tuple[str, ...]
    labels: tuple[str, ...]
    files: tuple[bytes, ...]


def matcher(pattern: str) -> re.Pattern[str]:
    """Regular expression of a pattern such as ``{supplier}/{label}/*``.

    Raises:
        Unusable: it names no label, or something else than supplier and label.
    """
    named = re.findall(r"{(\w*)}", pattern)
    if set(named) - set(NAMES) or len(set(named)) != len(named) or "label" not in named:
        raise Unusable(f"pattern {pattern!r} is not understood", mend="for instance '{supplier}/{label}/*'")
    out = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", out))


def read_claimed(photos: Path, pattern: str, progress: Callable[[str, float], None] | None = None) -> Claimed:
    """Read pictures below a folder by a pattern over their paths.

    Raises:
        Unusable: nothing matches. FormatRefused: a picture does not decode. TreeRefused: odd files.
    """
    from countermark.lifecycle.screen import decode

    rule, files = matcher(pattern), dict[str, bytes]()

    def keep(entry: TreeEntry, data: bytes) -> None:
        if content_format(data[:16]) and rule.fullmatch(entry.path):
            files[entry.path] = data

    read_folder(photos, sink=keep)
    if not files:
        raise Unusable(f"no picture below {photos} matches {pattern!r}", mend="--label-from '{supplier}/{label}/*'")
    found = [rule.fullmatch(path) for path in files]
    groups = [m.groupdict() for m in found if m]
    images = decode(list(files.values()), list(files), progress)
    suppliers = tuple(g.get("supplier", "claimed by nobody") for g in groups)
    return Claimed(images, tuple(files), suppliers, tuple(g["label"] for g in groups), tuple(files.values()))


def to_csv(rows: Claimed, flagged: Iterable[bool]) -> str:
    """CSV of the flagged rows; cells that a spreadsheet would run as formulas are disarmed."""
    from countermark.lifecycle.review import plain_cell

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["row", "supplier", "label"])
    for path, supplier, label, bad in zip(rows.paths, rows.suppliers, rows.labels, flagged, strict=True):
        if bad:
            table.writerow([plain_cell(c) for c in (path, supplier, label)])
    return text.getvalue()
