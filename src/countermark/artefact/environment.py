"""Digest of an installed environment: interpreter, packages, system libraries, links and all.

Unlike a tree of data, an environment has symbolic links and compiled caches. Each entry is bound as it is
(file by content, link by target), in path order, so that a replaced library or a redirected link shows.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from countermark.errors import Unusable

_DOMAIN = b"countermark/environment/v1\0"
_WINDOW = 1 << 20


def digest_environment(roots: Iterable[tuple[str, Path]]) -> str:
    """Hex SHA-256 over everything below the roots.

    Args:
        roots: (name inside the run, folder or file on this machine), in any order.

    Raises:
        Unusable: something cannot be read.
    """
    total = hashlib.sha256(_DOMAIN)
    for name, root in sorted(roots):
        for path, line in _lines(root):
            total.update(f"{name}\0{path}\0".encode("utf-8", "surrogateescape") + line)
    return total.hexdigest()


def _lines(root: Path) -> Iterator[tuple[str, bytes]]:
    """(relative path, 33 to n bytes that bind the entry), in path order."""
    if not root.is_dir():
        yield "", _bind(root)
        return
    for folder, names, files in os.walk(root):
        names.sort()
        links = [n for n in names if Path(folder, n).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(folder, name)
            yield str(path.relative_to(root)), _bind(path)


def _bind(path: Path) -> bytes:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return b"L" + hashlib.sha256(os.fsencode(path.readlink())).digest()
        if not stat.S_ISREG(mode):
            return b"S" + hashlib.sha256(str(stat.S_IFMT(mode)).encode()).digest()
        with path.open("rb", buffering=0) as file:
            return (b"X" if mode & stat.S_IXUSR else b"F") + hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise Unusable(f"cannot read {path} of the environment", why=str(error)) from error
