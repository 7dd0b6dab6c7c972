"""Fingerprints of licensed copies: make an owner's key, mark a copy for a licensee, trace a copy that turned up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import FormatRefused, Unusable
from countermark.lifecycle.desk import read_file
from countermark.lifecycle.weights import FLOATS, Floats, WeightsFile, to_bytes
from countermark.tracing.key import FingerprintKey, licensee_name, weights_digest
from countermark.tracing.spread import LEAST_MODEL, STRENGTH, carries
from countermark.tracing.trace import FALSE_ACCUSATION, Fingerprints, Traced
from countermark.workspace.disk import Disk

MOST_LICENSEES, MAX_LIST_BYTES = 1_000_000, 64 << 20


@dataclass(frozen=True, slots=True)
class Marked:
    """A copy that was written.

    Attributes:
        tensors, weights: how many carry the mark. left: tensors that do not. sha256: of the copy. commitment: of the key. original: hex
            digest of the original's weights.
    """

    tensors: int
    weights: int
    left: int
    sha256: str
    commitment: str
    original: str


@dataclass(frozen=True, slots=True)
class Tracing:
    """What a copy told, and what that was computed from: SHA-256 of the copy's file, the rest as in `Marked`."""

    traced: Traced
    sha256: str
    commitment: str
    original: str
    unread: tuple[str, ...]


def new_key(path: Path) -> FingerprintKey:
    """Make a key and write it, mode 0600; a file that exists is never replaced.

    Raises:
        Unusable: it exists, or cannot be written.
    """
    key = FingerprintKey.generate()
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except FileExistsError as error:
        raise Unusable(f"{path} exists", why="a key is never overwritten", mend="name another file") from error
    except OSError as error:
        raise Unusable(f"cannot write {path}", why=error.strerror or str(error), mend="check the path") from error
    Disk().write(path, key.to_bytes())
    return key


def read_licensees(path: Path) -> list[str]:
    """Names of licensees, one a line; empty lines do not count.

    Raises:
        Unusable: none, more than a million, one twice, or one that cannot be a name.
    """
    try:
        lines = read_file(path, MAX_LIST_BYTES).decode().splitlines()
    except UnicodeDecodeError as error:
        raise Unusable(f"{path} is not UTF-8") from error
    names = [line for line in lines if line]
    for name in names:
        licensee_name(name)
    if not names or len(names) > MOST_LICENSEES:
        raise Unusable(f"{path} names {len(names)} licensees", mend=f"1 to {MOST_LICENSEES:,}, one a line")
    if len(set(names)) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise Unusable(f"{path} names {twice!r} twice", mend="name each licensee once")
    return names


@contextmanager
def _original(path: Path) -> Iterator[tuple[WeightsFile, dict[str, Floats], bytes]]:
    """An original's file, its tensors of two and more axes, and the digest of those that carry marks.

    Raises:
        FormatRefused: malformed, or too small for a fingerprint.
    """
    with WeightsFile(path) as file:
        arrays = {n: file.array(n) for n, t in file.tensors.items() if t.dtype in FLOATS and len(t.shape) >= 2}
        carriers = {name: array for name, array in arrays.items() if carries(array)}
        weights = sum(array.size for array in carriers.values())
        if weights < LEAST_MODEL:
            raise FormatRefused(
                f"{path.name} has {weights:,} weights that could carry a fingerprint, of {LEAST_MODEL:,} that it takes",
                why="they lie in matrices of floating-point numbers inside the file, each of 1,024 numbers or more",
                mend="an ONNX file with data beside it is saved as one file first" if file.unread else "",
            )
        shown = ((name, file.tensors[name]) for name in sorted(carriers))
        digest = weights_digest((name, one.dtype, one.shape, file.content(name)) for name, one in shown)
        yield file, arrays, digest


def mark(
    model: Path, licensee: str, key: FingerprintKey, out: Path, *, strength: float = STRENGTH, disk: Disk | None = None
) -> Marked:
    """Write a licensee's copy of a model.

    Raises:
        Unusable: `out` exists or cannot be written, or the licensee's name is none. FormatRefused: see `_original`.
    """
    licensee_name(licensee)
    if out.exists():
        raise Unusable(f"{out} exists", mend="name a new file; nothing is overwritten")
    with _original(model) as (file, arrays, digest):
        prints = Fingerprints(key, digest, strength)
        carriers = {name: array for name, array in arrays.items() if carries(array)}
        placed = dict(sorted(carriers.items(), key=lambda one: file.tensors[one[0]].begin))

        def changed() -> Iterator[tuple[str, bytes]]:
            for name, array in prints.mark(licensee, placed):
                yield name, to_bytes(file.tensors[name].dtype, file.content(name), (placed[name], array))

        disk = disk or Disk()
        disk.folder(out.parent)
        disk.pour(out, file.pieces(changed()), mode=0o600)
        left = len(file.tensors) + len(file.unread) - len(carriers)
    with WeightsFile(out) as copy:
        written = copy.sha256
    return Marked(len(carriers), sum(a.size for a in carriers.values()), left, written, key.commitment, digest.hex())


def trace(
    suspect: Path,
    original: Path,
    key: FingerprintKey,
    licensees: list[str],
    *,
    rate: float = FALSE_ACCUSATION,
    strength: float = STRENGTH,
) -> Tracing:
    """Whom a copy speaks of.

    Args:
        rate: probability that anybody innocent on the list is named. strength: as it was marked with.

    Raises:
        FormatRefused: one of the files is malformed, or the original too small. Unusable: one cannot be read.
    """
    with _original(original) as (_, known, digest), WeightsFile(suspect) as file:
        arrays = {name: file.array(name) for name, one in file.tensors.items() if len(one.shape) >= 2}
        traced = Fingerprints(key, digest, strength).trace(known, arrays, licensees, rate)
        return Tracing(traced, file.sha256, key.commitment, digest.hex(), tuple(file.unread))
