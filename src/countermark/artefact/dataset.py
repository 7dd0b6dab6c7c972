"""Datasets: which file of a tree is a row, and of which class.

Two layouts: a folder per class, or files plus ``metadata.csv``, ``metadata.jsonl`` or ``metadata.parquet`` with the columns
``file_name`` and ``label``. Parquet is read in a confined child.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from countermark import canonical
from countermark.artefact import table_records
from countermark.artefact.tree import Tree, check_path
from countermark.errors import FormatRefused, TreeRefused
from countermark.formats.source import Memory
from countermark.sandbox.limits import ChildFailed

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
        MissingExtra: the metadata are Parquet, and pyarrow is absent.
    """
    paths = [e.path for e in tree.entries]
    metadata = [p for p in paths if p in METADATA]
    if len(metadata) > 1:
        raise TreeRefused(f"there are {' and '.join(metadata)}", why="one of them decides", mend="keep one")
    if not metadata:
        return _folder_per_class(paths)
    size = next(e.size for e in tree.entries if e.path == metadata[0])
    if size > MAX_METADATA_BYTES:
        raise TreeRefused(f"{metadata[0]} is larger than {MAX_METADATA_BYTES} bytes", mend="split the delivery")
    files = set(paths) - set(metadata)
    rows = _parse(metadata[0], read(metadata[0]), len(files))
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


def _parse(name: str, data: bytes, most: int) -> dict[str, str]:
    rows: dict[str, str] = {}
    for number, (path, label) in enumerate(_records(name, data), 1):
        if number > most:  # a small file may hold very many rows
            raise TreeRefused(f"{name} has more than {most} rows", why=f"there are {most} files")
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


def _records(name: str, data: bytes) -> Iterable[tuple[object, object]]:
    if name.endswith(".parquet"):
        return _of_table(name, data)
    if name.endswith(".jsonl"):
        lines = [line for line in data.splitlines() if line.strip()]
        values = [canonical.object_from_bytes(line, what=name, max_bytes=65536) for line in lines]
        return [(v.get("file_name"), v.get("label")) for v in values]
    try:
        table = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        return [(r.get("file_name"), r.get("label")) for r in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TreeRefused(f"{name} is not CSV in UTF-8", why=str(error)) from error


def _of_table(name: str, data: bytes) -> Iterator[tuple[object, object]]:
    try:
        yield from table_records.texts(Memory(data), "file_name", "label")
    except (FormatRefused, ChildFailed) as error:
        raise TreeRefused(f"{name}: {error.what}", why=error.why, mend=error.mend) from error
