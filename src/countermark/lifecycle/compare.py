"""What changed between two deliveries, row by row, in one pass over two sorted lists of files.

Neither list is ever in memory; only what was added or removed is, so that a file which only moved can be told from one that
went. A delivery file stands for its folder: the data need not be here.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
Label = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is not as it was: kind, its path before and now ("" where there is none)."""

    kind: str
    before: str
    now: str


def label_of(path: str) -> str:
    """The class that a path puts a row in: its first folder, "" where there is none."""
    return path.partition("/")[0] if "/" in path else ""


@dataclass(slots=True)
class Differences:
    """All changes, counted and by class; the list holds no more than was asked for.

    Attributes:
        most: changes to list. label: the class of a path.
        same: rows that are as they were. unpaired: whether there were too many to tell moves from losses.
    """

    most: int = 1000
    label: Label = label_of
    same: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    unpaired: bool = False

    def add(self, kind: str, before: str, now: str) -> None:
        """Count a change, and keep it while there is room."""
        self.counts[kind] += 1
        self.by_label.setdefault(self.label(now or before), Counter())[kind] += 1
        if len(self.changes) < self.most:
            self.changes.append(Change(kind, before, now))


def compare(
    old: Iterable[TreeEntry], new: Iterable[TreeEntry], *, most: int = 1000, paired: int = MOST_PAIRED,
    label: Label = label_of,
) -> Differences:  # fmt: skip
    """Compare two trees, each in path order.

    Args:
        most: changes to list; all are counted. paired: entries on one side only that are kept in memory, to tell a move
            from a loss. label: the class of a path.

    Raises:
        StatementRefused: a tree is not in path order.
    """
    out = Differences(most, label)
    gone, come = list[TreeEntry](), list[TreeEntry]()
    for before, now in _merged(old, new):
        if before is not None and now is not None:
            if (before.root, before.size) == (now.root, now.size):
                out.same += 1
            else:
                out.add("changed", before.path, now.path)
        elif len(gone) + len(come) >= paired:
            out.unpaired = paired > 0
            out.add("added" if now else "removed", before.path if before else "", now.path if now else "")
        elif now is not None:
            come.append(now)
        elif before is not None:
            gone.append(before)
    _pair(out, gone, come)
    return out


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


def _pair(out: Differences, gone: list[TreeEntry], come: list[TreeEntry]) -> None:
    """What went and came with the same content only moved; under another class, it was relabelled."""
    by_content: dict[tuple[bytes, int], list[TreeEntry]] = {}
    for entry in reversed(come):
        by_content.setdefault((entry.root, entry.size), []).append(entry)
    taken: set[str] = set()
    for entry in gone:
        if twins := by_content.get((entry.root, entry.size)):
            twin = twins.pop()
            taken.add(twin.path)
            kind = "moved" if out.label(entry.path) == out.label(twin.path) else "relabelled"
            out.add(kind, entry.path, twin.path)
        else:
            out.add("removed", entry.path, "")
    for entry in come:
        if entry.path not in taken:
            out.add("added", "", entry.path)


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
