"""Convert: shards of records into a data set that can be delivered, one file a row.

Nothing of a shard's layout is trusted: archives are read strictly, tables in a confined child, names and classes are
those that a tree may hold, and a row that would cover another is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark.artefact import shards
from countermark.artefact.records import Record
from countermark.artefact.rows import files_of
from countermark.errors import CountermarkError, FormatRefused, Unusable
from countermark.formats.source import FileSource
from countermark.workspace.disk import Disk

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written: rows per class, and from how many shards."""

    classes: dict[str, int]
    shards: int

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(self.classes.values())


def convert(source: Path, target: Path, *, field: str = "label", disk: Disk | None = None,
            progress: Progress | None = None) -> Converted:  # fmt: skip
    """Write the records of `source` as one folder per class into a new folder.

    Args:
        field: JSON member or column that holds the class. progress: called with (rows, bytes) so far.

    Raises:
        Unusable: `target` exists, or cannot be written. FormatRefused, TreeRefused: a shard is malformed or ambiguous;
        nothing is left then. MissingExtra: a table without pyarrow.
    """
    if target.exists():
        raise Unusable(f"{target} exists", mend="name a new folder")
    to = disk or Disk()
    found = files_of(source)
    stage = target.with_name(f".{target.name}.part")
    if stage.exists():
        to.discard(stage)
    try:
        counted = _write(found, stage, to, field, progress)
        to.move(stage, target)
    except CountermarkError:
        if stage.exists():
            to.discard(stage)
        raise
    return Converted(dict(sorted(counted.items())), len(found))


def _write(found: list[Path], stage: Path, to: Disk, field: str, progress: Progress | None) -> Counter[str]:
    counted: Counter[str] = Counter()
    made, taken, size = {to.folder(stage, staged=True)}, set[str](), 0
    for shard in found:
        for record in _records(shard, field):
            path = shards.path_of(record, shard.name, several=len(found) > 1)
            if path.casefold() in taken:
                raise FormatRefused(f"two records would be {path}", why=f"the second one is in {shard.name}")
            taken.add(path.casefold())
            folder = stage / record.label
            if folder not in made:
                made.add(to.folder(folder, staged=True))
            to.add(stage / path, record.data, mode=0o644)
            counted[record.label] += 1
            size += len(record.data)
            if progress:
                progress(sum(counted.values()), size)
    if not counted:
        raise FormatRefused("there is not one record in these shards")
    to.settle(made)
    return counted


def _records(shard: Path, field: str) -> Iterator[Record]:
    with FileSource(shard) as source:
        yield from shards.read(shard.name, source, field)
