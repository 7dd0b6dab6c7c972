"""Datasets: which file of a tree is a row, and of which class.

Two layouts: a folder per class, or files plus ``metadata.csv`` / ``metadata.jsonl`` with the columns
``file_name`` and ``label`` (``metadata.parquet`` is named as unread until that extra exists).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from countermark import canonical
from countermark.artefact.tree import Tree, check_path
from countermark.errors import MissingExtra, TreeRefused

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
MAX_METADATA_BYTES = 256 << 20
MAX_LABEL = 200


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows of a tree: path -> label, in path order."""

    layout: str
    labels: dict[str, str]

    def classes(self) -> dict[str, int]:
        """Rows per class, by name."""
        return dict(sorted(Counter(self.labels.values()).items()))


def is_metadata(path: str, size: int) -> bool:
    """Whether `describe` may ask for this file's bytes; larger ones it refuses."""
    return path in METADATA and size <= MAX_METADATA_BYTES


def describe(tree: Tree, read: Callable[[str], bytes]) -> Dataset:
    """Find the layout of a tree.

    Args:
        tree: the folder. read: bytes of one file by path; only metadata files are read.

    Raises:
        TreeRefused: neither layout fits, a row has no file, or a file no row.
        MissingExtra: the metadata are Parquet.
    """
    paths = [e.path for e in tree.entries]
    metadata = [p for p in paths if p in METADATA]
    if len(metadata) > 1:
        raise TreeRefused(f"there are {' and '.join(metadata)}", why="one of them decides", mend="keep one")
    if not metadata:
        return _folder_per_class(paths)
    if metadata[0].endswith(".parquet"):
        raise MissingExtra("metadata.parquet is not read yet", mend="write metadata.csv or metadata.jsonl")
    size = next(e.size for e in tree.entries if e.path == metadata[0])
    if size > MAX_METADATA_BYTES:
        raise TreeRefused(f"{metadata[0]} is larger than {MAX_METADATA_BYTES} bytes", mend="split the delivery")
    rows = _parse(metadata[0], read(metadata[0]))
    files = set(paths) - set(metadata)
    lost = sorted(rows.keys() ^ files)
    if lost:
        which = "has no row in" if lost[0] in files else "is named but missing:"
        raise TreeRefused(f"{lost[0]} {which} {metadata[0]}", mend="every file has one row, every row one file")
    return Dataset("metadata", dict(sorted(rows.items())))


def _folder_per_class(paths: list[str]) -> Dataset:
    loose = [p for p in paths if "/" not in p]
    if loose:
        raise TreeRefused(
            f"{loose[0]} lies outside any class folder", why=f"{len(loose)} such files",
            mend="put each picture in a folder named after its class, or add metadata.csv",
        )  # fmt: skip
    return Dataset("folder-per-class", {p: p.split("/", 1)[0] for p in paths})


def _parse(name: str, data: bytes) -> dict[str, str]:
    rows: dict[str, str] = {}
    for number, (path, label) in enumerate(_records(name, data), 1):
        if not isinstance(path, str) or not isinstance(label, str) or not 1 <= len(label) <= MAX_LABEL:
            raise TreeRefused(f"{name}, row {number}: file_name and label are needed", mend="both are text")
        check_path(path)
        _check_label(label, f"{name}, row {number}")
        if path in rows:
            raise TreeRefused(f"{name}, row {number}: {path} stands there twice")
        rows[path] = label
    return rows


def _check_label(label: str, where: str) -> None:
    """Labels become folder names of the training set."""
    try:
        check_path(label)
    except TreeRefused as error:
        raise TreeRefused(f"{where}: the label {label!r:.80} is no folder name", why=error.what) from error
    if "/" in label:
        raise TreeRefused(f"{where}: the label {label!r:.80} is no folder name", why="it holds a slash")


def _records(name: str, data: bytes) -> list[tuple[object, object]]:
    if name.endswith(".jsonl"):
        lines = [line for line in data.splitlines() if line.strip()]
        values = [canonical.object_from_bytes(line, what=name, max_bytes=65536) for line in lines]
        return [(v.get("file_name"), v.get("label")) for v in values]
    try:
        table = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        return [(r.get("file_name"), r.get("label")) for r in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TreeRefused(f"{name} is not CSV in UTF-8", why=str(error)) from error
