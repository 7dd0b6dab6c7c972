"""What changed between two deliveries, row by row, in one pass over two sorted lists of files.

Neither list is ever in memory; only what was added or removed is, so that a file which only moved can be told from one that
went. A delivery file stands for its folder: the data need not be here.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from countermark.artefact.folder import Progress
from countermark.artefact.stream import Outputs, manifest_entries, stream_folder, stream_manifest
from countermark.artefact.tree import TreeEntry
from countermark.errors import StatementRefused, TreeRefused, Unusable
from countermark.lifecycle import parcel

KINDS = ("added", "removed", "changed", "relabelled", "moved")
MOST_PAIRED = 2_000_000
MAX_HEAD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is not as it was: kind, its path before and now ("" where there is none)."""

    kind: str
    before: str
    now: str

    @property
    def label(self) -> str:
        """Its class, by the folder it lies in."""
        return label_of(self.now or self.before)


@dataclass(slots=True)
class Differences:
    """All changes, counted and by class; the list holds no more than was asked for.

    Attributes:
        same: rows that are as they were. unpaired: whether there were too many to tell moves from losses.
    """

    same: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    unpaired: bool = False

    def add(self, change: Change, most: int) -> None:
        """Count a change, and keep it while there is room."""
        self.counts[change.kind] += 1
        self.by_label.setdefault(change.label, Counter())[change.kind] += 1
        if len(self.changes) < most:
            self.changes.append(change)


def label_of(path: str) -> str:
    """The class that a path puts a row in: its first folder, "" where there is none."""
    return path.partition("/")[0] if "/" in path else ""


def compare(old: Iterable[TreeEntry], new: Iterable[TreeEntry], *, most: int = 1000) -> Differences:
    """Compare two trees, each in path order.

    Args:
        most: changes to list; all are counted.

    Raises:
        StatementRefused: a tree is not in path order.
    """
    out = Differences()
    gone, come = list[TreeEntry](), list[TreeEntry]()
    for before, now in _merged(old, new):
        if before is None or now is None:
            _sorted_away(out, gone, come, before, now, most)
        elif (before.root, before.size) == (now.root, now.size):
            out.same += 1
        else:
            out.add(Change("changed", before.path, now.path), most)
    for change in _paired(gone, come):
        out.add(change, most)
    return out


def _sorted_away(
    out: Differences,
    gone: list[TreeEntry],
    come: list[TreeEntry],
    before: TreeEntry | None,
    now: TreeEntry | None,
    most: int,
) -> None:
    """Keep what is on one side only, until there is too much of it."""
    if len(gone) + len(come) >= MOST_PAIRED:
        out.unpaired = True
        out.add(Change("added", "", now.path) if now else Change("removed", before.path if before else "", ""), most)
    elif now is not None:
        come.append(now)
    elif before is not None:
        gone.append(before)


def _merged(old: Iterable[TreeEntry], new: Iterable[TreeEntry]) -> Iterator[tuple[TreeEntry | None, TreeEntry | None]]:
    left, right = _ordered(old), _ordered(new)
    before, now = next(left, None), next(right, None)
    while before is not None or now is not None:
        if now is None or (before is not None and before.path < now.path):
            yield before, None
            before = next(left, None)
        elif before is None or now.path < before.path:
            yield None, now
            now = next(right, None)
        else:
            yield before, now
            before, now = next(left, None), next(right, None)


def _ordered(entries: Iterable[TreeEntry]) -> Iterator[TreeEntry]:
    last = ""
    for entry in entries:
        if entry.path <= last:
            raise StatementRefused(
                f"{entry.path!r:.120} stands after {last!r:.120}", why="two lists are compared in path order"
            )
        last = entry.path
        yield entry


def _paired(gone: list[TreeEntry], come: list[TreeEntry]) -> Iterator[Change]:
    """What went and came with the same content only moved; under another class, it was relabelled."""
    by_content: dict[tuple[bytes, int], list[TreeEntry]] = {}
    for entry in reversed(come):
        by_content.setdefault((entry.root, entry.size), []).append(entry)
    taken: set[str] = set()
    for entry in gone:
        if twins := by_content.get((entry.root, entry.size)):
            twin = twins.pop()
            taken.add(twin.path)
            kind = "moved" if label_of(entry.path) == label_of(twin.path) else "relabelled"
            yield Change(kind, entry.path, twin.path)
        else:
            yield Change("removed", entry.path, "")
    yield from (Change("added", "", entry.path) for entry in come if entry.path not in taken)


@contextmanager
def listed(path: Path, progress: Progress | None = None) -> Iterator[tuple[str, Iterator[TreeEntry]]]:
    """The digest and the entries of a delivery file, or of a folder that is read here.

    Raises:
        TreeRefused, StatementRefused: malformed, or its list is not the one that was signed. Unusable: unreadable.
    """
    if path.is_dir():
        with tempfile.TemporaryFile() as listing:
            digest = stream_folder(path, outputs=Outputs(listing), progress=progress).digest
            listing.seek(0)
            yield digest, manifest_entries(listing)
        return
    try:
        opened = path.open("rb")
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=str(error), mend="a folder, or a .cmdelivery file") from error
    with opened:
        yield _delivery(opened, path.name)


def _delivery(opened: IO[bytes], name: str) -> tuple[str, Iterator[TreeEntry]]:
    head = parcel.parse_head(opened.readline(MAX_HEAD_BYTES).rstrip(b"\n"), what=name)
    begin = opened.tell()
    digest = stream_manifest(opened).digest
    if digest != head.statement.digest:
        raise TreeRefused(
            f"{name}: the list of files is not the signed one", why=f"signed {head.statement.digest}, listed {digest}"
        )
    opened.seek(begin)
    return digest, (entry for entry in manifest_entries(opened))
