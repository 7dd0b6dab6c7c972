"""Digests of trees that never are in memory: entries pass by in order, and only sums, hashes and a few runs stay.

Whether two names are one file on some systems is told from 64-bit hashes of the folded names, sorted on disk; where
two are equal the names are looked at again, so that the answer is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from countermark import merkle
from countermark.artefact import folder, tree, walk
from countermark.artefact.folder import Progress
from countermark.artefact.profile import SHA256, Profile
from countermark.artefact.reading import Known, Reader
from countermark.artefact.spill import Sorter
from countermark.artefact.tree import MAX_FILES, TreeEntry
from countermark.errors import StatementRefused, TreeRefused

MAX_LINE_BYTES = 32768
MAX_ALIKE = 1000
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Summary:
    """What a tree comes to: digest in hex, number of files, sum of their bytes, and the hash it was made under."""

    digest: str
    files: int
    total_bytes: int
    profile: Profile = SHA256


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a passing tree is written down: one canonical JSON line, and one 32-byte leaf hash, for each file."""

    manifest: IO[bytes] | None = None
    leaves: IO[bytes] | None = None


def stream_folder(
    root: Path,
    *,
    profile: Profile = SHA256,
    outputs: Outputs = Outputs(),
    progress: Progress | None = None,
    threads: int = 2,
    known: Known | None = None,
) -> Summary:
    """Digest a folder of any number of files in bounded memory; the digest is that of `folder.read_folder`.

    Args:
        progress: called with (files done, bytes done). known: roots of files that need not be read again.

    Raises:
        TreeRefused, Unusable: as `folder.read_folder`; more than 50,000,000 files.
    """
    with ThreadPoolExecutor(threads) as pool:
        reader = Reader(None, None, pool, threads, profile, known)
        passing = folder.told(folder.entries(root, reader), progress)
        try:
            return summarise(passing, lambda: walk.paths(root), profile, outputs)
        except OSError as error:
            raise walk.unreadable(root, error) from error


def stream_manifest(manifest: IO[bytes], profile: Profile = SHA256, outputs: Outputs = Outputs()) -> Summary:
    """Digest what a manifest lists, from where `manifest` stands, which must be a file that seeks.

    Raises:
        StatementRefused, TreeRefused: malformed, out of order, names that no tree may hold.
    """
    begin = manifest.tell()

    def names() -> Iterator[str]:
        manifest.seek(begin)
        return (entry.path for entry in manifest_entries(manifest))

    return summarise(manifest_entries(manifest), names, profile, outputs)


def manifest_entries(manifest: IO[bytes]) -> Iterator[TreeEntry]:
    """Entries of a manifest, one bounded line at a time.

    Raises:
        StatementRefused, TreeRefused: a malformed line or name, or too many lines.
    """
    return tree.parse_manifest(iter(lambda: manifest.readline(MAX_LINE_BYTES + 1), b""))


def summarise(
    entries: Iterable[TreeEntry], again: Callable[[], Iterable[str]], profile: Profile, outputs: Outputs = Outputs()
) -> Summary:
    """Digest entries that come in the order of the tree, keeping none of them.

    Args:
        again: gives all paths once more, should two look alike.

    Raises:
        TreeRefused: no files, too many, names equal after NFC and case folding. StatementRefused: out of order.
    """
    tally = _Tally(outputs.manifest)
    root = merkle.root(_written(tree.leaves(tally.passing(entries), profile), outputs.leaves), profile.files)
    digest = tree.tree_digest(tally.files, tally.total, root, profile)
    tally.refuse_twins(again)
    return Summary(digest, tally.files, tally.total, profile)


def _written(leaves: Iterator[bytes], file: IO[bytes] | None) -> Iterator[bytes]:
    if file is None:
        yield from leaves
        return
    for leaf in leaves:
        file.write(leaf)
        yield leaf


class _Tally:
    """Counts what passes, and remembers a hash of every folded name."""

    def __init__(self, manifest: IO[bytes] | None) -> None:
        self.files = self.total = 0
        self._manifest = manifest
        self._names = Sorter()

    def passing(self, entries: Iterable[TreeEntry]) -> Iterator[TreeEntry]:
        last, add = "", self._names.add
        for entry in entries:
            path = entry.path
            if path <= last:
                raise StatementRefused(f"{path!r:.120} stands after {last!r:.120}",
                                       why="the files of a tree are sorted by path bytes")  # fmt: skip
            last = path
            self.files += 1
            self.total += entry.size
            if self.files > MAX_FILES:
                raise TreeRefused(f"there are more than {MAX_FILES} files here")
            add(_hashed(path))
            if self._manifest is not None:
                self._manifest.write(entry.line().encode())
            yield entry

    def refuse_twins(self, again: Callable[[], Iterable[str]]) -> None:
        alike = self._alike()
        if not alike:
            return
        tree.refuse_twins(path for path in again() if _hashed(path) in alike)
        raise TreeRefused(
            "two names here are one file on some systems, and were gone when they were looked at again",
            mend="wait until whoever changes these files is done, then try again",
        )

    def _alike(self) -> set[str]:
        """Hashes that several names share; some of them where they are many."""
        found: set[str] = set()
        last = ""
        for name in self._names.merged():
            if name == last:
                found.add(name)
                if len(found) >= MAX_ALIKE:
                    self._names.close()
                    break
            last = name
        return found


def _hashed(path: str) -> str:
    # Keyed anew in each process, so that nobody can choose names that look alike here and are not.
    return f"{hash(path.lower() if path.isascii() else tree.folded(path)) & _MASK:016x}"
