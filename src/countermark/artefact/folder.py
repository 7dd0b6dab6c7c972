"""Reading a folder once: walk by directory descriptors, hash the private copy, hand the bytes on.

Links are never followed. A file that changes while it is read is caught because what was hashed
is what is handed on, never a second read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from countermark.artefact import reading, tree, walk
from countermark.artefact.profile import SHA256, Profile
from countermark.artefact.reading import Known, Noted, Pending, Reader, Sink, Wants
from countermark.artefact.tree import Tree, TreeEntry

Progress = Callable[[int, int], None]
AHEAD = 32  # files whose reading may have begun


def read_folder(
    root: Path,
    *,
    sink: Sink | None = None,
    wants: Wants | None = None,
    progress: Progress | None = None,
    threads: int = 2,
    profile: Profile = SHA256,
    known: Known | None = None,
) -> Tree:
    """Digest a folder, or a single file, and keep its entries in memory; `stream.stream_folder` keeps none.

    Args:
        root: the folder; a regular file is a tree of one entry named after it.
        sink: called with each entry and its private bytes, the whole file.
        wants: called with path and size in bytes before a file is read: whether the sink gets it. What the sink
            does not get is never whole in memory; it streams in pieces over `threads` threads.
        progress: called with (files done, bytes done).
        profile: the hash. known: roots of files that need not be read again; for signers only.

    Raises:
        TreeRefused: links, devices, odd names, empty folders, no files, a file that changed meanwhile.
        Unusable: something cannot be read.
    """
    with ThreadPoolExecutor(threads) as pool:
        reader = Reader(sink, wants, pool, threads, profile, known)
        return tree.tree_of(told(entries(root, reader), progress), profile)


def entries(root: Path, reader: Reader) -> Iterator[TreeEntry]:
    """Every file of a folder, read once and in the order of the tree.

    Raises:
        As `read_folder`.
    """
    waiting: deque[TreeEntry | Noted | Pending] = deque()
    try:
        for place in walk.walk(root):
            for name in place.files:
                one = reading.begun(place, name, reader)
                if not waiting and not isinstance(one, Pending):
                    yield _done(one, reader)
                    continue
                waiting.append(one)
                while waiting and (len(waiting) > AHEAD or not isinstance(waiting[0], Pending)):
                    yield _done(waiting.popleft(), reader)
        while waiting:
            yield _done(waiting.popleft(), reader)
    except OSError as error:
        raise walk.unreadable(root, error) from error
    finally:
        for left in waiting:
            if isinstance(left, Pending):
                left.close()


def _done(one: TreeEntry | Noted | Pending, reader: Reader) -> TreeEntry:
    if isinstance(one, Pending):
        one = one.result(reader.known)
    if isinstance(one, Noted):
        if reader.known is not None:
            reader.known.record(one.entry.path, one.status, one.entry.root)
        return one.entry
    return one


def told(these: Iterable[TreeEntry], progress: Progress | None) -> Iterator[TreeEntry]:
    """The same entries, while `progress` is told how far they are."""
    done = 0
    for number, entry in enumerate(these, 1):
        yield entry
        if progress:
            done += entry.size
            progress(number, done)
