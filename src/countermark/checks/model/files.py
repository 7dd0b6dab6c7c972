"""`model/files`: plain files with plain names; links and devices lead a loader to bytes nobody inspected."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from countermark.errors import Unusable
from countermark.finding import Finding, Where

ID = "model/files"


def walk(path: Path) -> tuple[list[tuple[str, Path]], list[Finding]]:
    """Regular files by relative path, and a finding for every entry that is something else."""
    if not path.is_dir() or path.is_symlink():
        return ([(path.name, path)], []) if _regular(path) else ([], [_odd(path.name, path)])
    files: list[tuple[str, Path]] = []
    odd: list[Finding] = []
    pending = [path]
    while pending:
        folder = pending.pop()
        for entry in sorted(_entries(folder), key=lambda e: e.name):
            place = Path(entry.path)
            relative = place.relative_to(path).as_posix()
            if entry.is_dir(follow_symlinks=False):
                pending.append(place)
            elif entry.is_file(follow_symlinks=False) and relative.isprintable():
                files.append((relative, place))
            else:
                odd.append(_odd(relative, place))
    return sorted(files), sorted(odd, key=lambda f: f.where.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise Unusable(f"{folder} cannot be read: {error.strerror}") from error


def _regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _odd(relative: str, place: Path) -> Finding:
    mode = place.lstat().st_mode
    kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
    if stat.S_ISREG(mode):
        kind = "a file whose name is not plain text"
    shown = relative.encode("utf-8", "backslashreplace").decode()
    return Finding(
        ID, "not-a-plain-file", "high", 1.0, f"{shown} is {kind}", Where(path=shown),
        why="a loader would follow it to bytes that were not inspected", fix="deliver plain files only",
        cannot_tell="what it leads to; it was not opened",
    )  # fmt: skip
