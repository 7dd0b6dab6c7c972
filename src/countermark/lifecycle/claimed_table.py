"""Rows of tables whose suppliers nobody signed for: parsed in a confined child, screened as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.artefact.bucket import SCHEMES, Bucket
from countermark.artefact.labelled import Columns
from countermark.artefact.rows import TABLES, check_id, files_of
from countermark.errors import FormatRefused, Unusable
from countermark.formats.limits import OverLimit
from countermark.formats.source import FileSource
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.task import Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.features.columns import Column

_TASKS = "countermark.features._columns_task"
_LIMITS = Limits(memory_bytes=4 << 30, cpu_seconds=120, wall_seconds=300.0)
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class ReadTable:
    """Columns by name, in order, and those left out, with the reason."""

    columns: dict[str, Column]
    left: tuple[str, ...]


@dataclass(slots=True)
class Parts:
    """One table while it is read: what each column is, its values batch by batch, and its words."""

    heads: list[tuple[str, int, str]]
    left: tuple[str, ...]
    values: list[NDArray[np.float64]] = field(default_factory=list)
    words: list[list[str]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(part.shape[1] for part in self.values)

    def only(self, names: Sequence[str]) -> Parts:
        """The same with these columns alone, in this order."""
        at = [[head[0] for head in self.heads].index(name) for name in names]
        heads, words = [self.heads[i] for i in at], [self.words[i] for i in at]
        return Parts(heads, self.left, [part[at] for part in self.values], words)


def read_table(place: str, columns: Columns, progress: Progress | None = None) -> ReadTable:
    """All rows of the tables at a path or URL, in memory as doubles.

    Args:
        place: a Parquet or Arrow file, a folder of such, or an ``s3://``, ``gs://`` or ``az://`` URL of either. All have the
            same columns; where there are several, ids are preceded by the file's name.
        columns: `label`, `supplier` and `id` name columns.

    Raises:
        Unusable: nothing is there. FormatRefused: malformed, over a limit, or tables that do not fit each other.
        MissingExtra: pyarrow is absent. ChildFailed: a reader died.
    """
    whole = [c for c in (columns.label, columns.supplier, columns.id) if c]
    sources = _sources(place)
    parts = []
    for at, (name, source) in enumerate(sources):
        try:
            with reader() as child:
                parts.append(read_one(source, whole, child))
        except FormatRefused as error:
            raise FormatRefused(f"{name}: {error.what}", why=error.why, mend=error.mend) from error
        if progress:
            progress("read", (at + 1) / len(sources))
    if wrong := [name for (name, _), one in zip(sources, parts, strict=True) if one.heads != parts[0].heads]:
        raise FormatRefused(
            f"{wrong[0]} has other columns than {sources[0][0]}", mend="screen tables of one form together"
        )
    read = ReadTable(joined(parts), parts[0].left)
    for text in (t for name in whole if name in read.columns for t in read.columns[name].words):
        check_id(text)  # these are printed, and name rows
    return read


def holds_no_pictures(place: str) -> bool:
    """Whether a path names a table, or a folder of tables, whose first has no column of bytes; its schema is read in a child.

    Raises:
        As `read_table`.
    """
    path = Path(place)
    if place.startswith(SCHEMES) or not path.exists() or (path.is_dir() and not _only_tables(path)):
        return False
    if path.is_file() and path.suffix not in TABLES:
        return False
    with FileSource(files_of(path)[0]) as source, Child(_LIMITS) as child:
        return child.ask(f"{_TASKS}:pictures", {}, sources=[source]).json.get("columns") == 0


def _only_tables(folder: Path) -> bool:
    names = [child for child in folder.iterdir() if child.name[0] != "."]
    return bool(names) and all(child.suffix in TABLES for child in names)


def _sources(place: str) -> list[tuple[str, Source]]:
    if place.startswith(SCHEMES):
        bucket = Bucket(place)
        found: list[tuple[str, Source]] = [(bucket.below(one), bucket.opened(one)) for one in bucket.files()]
    else:
        found = [(file.name, FileSource(file)) for file in files_of(Path(place))]
    if not found or any(not name.endswith(TABLES) for name, _ in found):
        raise Unusable(f"{place} holds something else than tables", mend=f"files that end in {', '.join(TABLES)}")
    return found


def reader() -> Child:
    """A confined child for `read_one`, a context manager."""
    return Child(_LIMITS)


def read_one(source: Source, whole: Sequence[str], child: Child) -> Parts:
    """Every column of one table that checks can look at.

    Args:
        whole: columns of text whose words are all kept. child: as `reader` makes one; it is gone after an error.

    Raises:
        FormatRefused: malformed, or over a limit. MissingExtra: pyarrow is absent. ChildFailed: the reader died.
    """
    from countermark.features.columns import MOST_CELLS

    out = _begun(child.ask(f"{_TASKS}:begin", {"whole": list(whole)}, sources=[source]).json)
    out.words = [[] for _ in out.heads]
    cells = 0
    while (part := _more(child, source, out)).shape[1]:
        out.values.append(part)
        cells += part.size
        if cells > MOST_CELLS:
            raise OverLimit("cells", cells, MOST_CELLS)
    return out


def _begun(said: dict[str, Any]) -> Parts:
    from countermark.features.columns import KINDS, MOST_COLUMNS

    told, left = said.get("columns"), said.get("left")
    match told, left:
        case list(), list() if len(told) <= MOST_COLUMNS and all(isinstance(line, str) for line in left):
            heads = [tuple(head) for head in told if isinstance(head, list)]
            fits = all(
                len(h) == 3
                and isinstance(h[0], str)
                and type(h[1]) is int
                and 0 <= h[1] < len(KINDS)
                and isinstance(h[2], str)
                for h in heads
            )
            if fits and len(heads) == len(told) and len({h[0] for h in heads}) == len(heads):
                for name, _, _ in heads:
                    check_id(name)
                return Parts(heads, tuple(left))
    raise ChildFailed("the confined reader answered with no columns")


def _more(child: Child, source: Source, out: Parts) -> NDArray[np.float64]:
    """The next values, float64 (columns, rows); nothing of the answer is taken on trust."""
    import numpy as np

    from countermark.features.columns import KINDS

    reply = child.ask(f"{_TASKS}:more", {}, sources=[source])
    words = reply.json.get("words")
    if not isinstance(words, dict) or len(reply.arrays) != 1 or reply.arrays[0].dtype != "<f8":
        raise ChildFailed("the confined reader answered with no rows")
    for at, new in words.items():
        if (
            not at.isdecimal()
            or int(at) >= len(out.heads)
            or not isinstance(new, list)
            or not all(isinstance(w, str) for w in new)
        ):
            raise ChildFailed("the confined reader answered with words of no column")
        out.words[int(at)] += new
    if len(reply.arrays[0].shape) != 2 or reply.arrays[0].shape[0] != len(out.heads):
        raise ChildFailed("the confined reader answered with other columns than it named")
    values = np.frombuffer(reply.arrays[0].data, "<f8").reshape(reply.arrays[0].shape).astype(np.float64)
    for (_, kind, _), codes, known in zip(out.heads, values, out.words, strict=True):
        there = codes[~np.isnan(codes)]
        if KINDS[kind] == "category" and len(there) and not (
            (there == np.floor(there)) & (there >= 0) & (there < len(known))
        ).all():  # fmt: skip
            raise ChildFailed("the confined reader answered with a word that it never told")
    return values


def joined(parts: Sequence[Parts]) -> dict[str, Column]:
    """The columns of all tables behind each other; words of each table are given the codes of the first that has them.

    Args:
        parts: one or more, whose columns have the same names, kinds and order.
    """
    import numpy as np

    from countermark.features.columns import KINDS, Column

    out = {}
    for at, (name, kind, declared) in enumerate(parts[0].heads):
        known: dict[str, int] = {}
        values = []
        for one in parts:
            codes = np.concatenate([v[at] for v in one.values]) if one.values else np.zeros(0)
            if KINDS[kind] == "category":
                table = np.array([known.setdefault(w, len(known)) for w in one.words[at]] or [0], np.float64)
                codes = np.where(np.isnan(codes), np.nan, table[np.nan_to_num(codes).astype(np.intp)])
            values.append(codes)
        out[name] = Column(name, KINDS[kind], np.concatenate(values), tuple(known), declared)
    return out
