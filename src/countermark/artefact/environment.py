"""Digest of an installed environment: interpreter, packages, links and all.

Unlike a tree of data, an environment has symbolic links and compiled caches. Each entry is bound as it is
(file by content, link by target), in path order, so that a replaced library or a redirected link shows.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from pathlib import Path

from countermark.errors import Unusable

_DOMAIN = b"countermark/environment/v1\0"
Roots = Iterable[tuple[str, Path]]


def digest_environment(
    roots: Roots, cache: MutableMapping[str, str] | None = None, *, hidden: Collection[Path] = ()
) -> str:
    """Hex SHA-256 over everything below the roots.

    Args:
        roots: (name inside the run, folder or file on this machine), in any order.
        cache: fingerprint of all file states (device, inode, size, times) -> digest. For the one who signs, on
            its own machine; a gate leaves it out and always reads the bytes.
        hidden: folders that the run finds empty; what lies in them is not part of the environment.

    Raises:
        Unusable: something cannot be read.
    """
    ordered = sorted(roots)
    unseen = frozenset(hidden)
    if cache is None:
        return _digest(ordered, _bind, unseen)
    key = _digest(ordered, _state, unseen)
    if key not in cache:
        cache[key] = _digest(ordered, _bind, unseen)
    return cache[key]


def _digest(roots: list[tuple[str, Path]], bind: Callable[[Path], bytes], hidden: frozenset[Path]) -> str:
    total = hashlib.sha256(_DOMAIN)
    for name, root in roots:
        for path in _files(root, hidden):
            inside = path.relative_to(root) if path != root else ""
            total.update(f"{name}\0{inside}\0".encode("utf-8", "surrogateescape") + bind(path))
    return total.hexdigest()


def _files(root: Path, hidden: frozenset[Path]) -> Iterator[Path]:
    """Every file and link below `root`, in path order; links are not followed, hidden folders not entered."""
    if not root.is_dir():
        yield root
        return
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if Path(folder, n) not in hidden)
        links = [n for n in names if Path(folder, n).is_symlink()]
        for name in sorted([*files, *links]):
            yield Path(folder, name)


def _state(path: Path) -> bytes:
    status = path.lstat()
    return repr(
        (status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    ).encode()


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
