"""Tree digest `cm-tree/v1`: one name for a folder's exact content.

``digest = H("cm-tree/v1\\0" || profile || file count || total bytes || Merkle root)`` over the files
sorted by UTF-8 path bytes. A leaf binds path, size, executable bit and the Merkle root over 4 MiB
chunks. Chunk tree and file tree use prefixes of their own, so that no part of one can pass for a
part of the other (the second-preimage rule of RFC 6962, section 2.1).
"""

from __future__ import annotations

import hashlib
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from countermark import canonical, merkle
from countermark.canonical import Fields
from countermark.errors import StatementRefused, TreeRefused

CHUNK_BYTES = 4 << 20
PROFILE_SHA256 = b"\x01"
CHUNKS = merkle.Hashing(b"\x10", b"\x11", hashlib.sha256)
FILES = merkle.Hashing(b"\x20", b"\x21", hashlib.sha256)
DIGEST_NAME = "cmTreeV1"
MAX_FILES = 50_000_000
MAX_PATH_BYTES = 4096
_DOMAIN = b"cm-tree/v1\0"
_LEAF = struct.Struct(">I")
_SIZE = struct.Struct(">QB")
_TOTALS = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file: path relative to the root with ``/``, size in bytes, executable bit, chunk root (32 bytes)."""

    path: str
    size: int
    executable: bool
    root: bytes

    def leaf(self) -> bytes:
        """Leaf hash in the file tree."""
        path = self.path.encode()
        return FILES.leaf(_LEAF.pack(len(path)) + path + _SIZE.pack(self.size, self.executable) + self.root)

    def to_json(self) -> list[Any]:
        """``[path, size, executable, root hex]``: one line of a manifest."""
        return [self.path, self.size, self.executable, self.root.hex()]

    @classmethod
    def from_json(cls, value: Any) -> TreeEntry:
        """Parse one manifest line.

        Raises:
            StatementRefused, TreeRefused: malformed, or a name that no tree may hold.
        """
        match value:
            case [str(path), int(size), bool(executable), str(root)] if not isinstance(size, bool) and size >= 0:
                check_path(path)
                return cls(path, size, executable, bytes.fromhex(Fields({"root": root}, "manifest line").hex("root")))
        raise StatementRefused("a manifest line is not [path, size, executable, root]", why=f"seen: {value!r:.80}")

    def moved(self, path: str) -> TreeEntry:
        """The same file under another path."""
        return TreeEntry(path, self.size, self.executable, self.root)


@dataclass(frozen=True, slots=True)
class Tree:
    """Entries sorted by path bytes, and the digest over them."""

    entries: tuple[TreeEntry, ...]
    digest: str

    @property
    def total_bytes(self) -> int:
        """Sum of all file sizes."""
        return sum(e.size for e in self.entries)

    def manifest(self) -> bytes:
        """One canonical JSON line per file."""
        return b"".join(canonical.to_bytes(e.to_json()) + b"\n" for e in self.entries)


def check_path(path: str) -> None:
    """Refuse names that systems disagree on or that leave the folder.

    Raises:
        TreeRefused: absolute, ``..``, empty part, backslash, NUL, too long, or not NFC.
    """
    parts = path.split("/")
    if not path or "\0" in path or "\\" in path or any(p in ("", ".", "..") for p in parts):
        raise TreeRefused(f"{path!r:.120} is not a name inside a folder", mend="use plain relative names")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise TreeRefused(f"{path[:60]!r}... is longer than {MAX_PATH_BYTES} bytes")
    if not unicodedata.is_normalized("NFC", path):
        raise TreeRefused(f"{path!r:.120} is not NFC", why="two systems would write it with different bytes",
                          mend="rename it in composed form")  # fmt: skip


def chunk_root(chunks: Iterable[bytes | memoryview]) -> bytes:
    """Merkle root over a file's chunks; an empty file has the root of zero chunks."""
    return merkle.root((CHUNKS.leaf(bytes(c) if isinstance(c, memoryview) else c) for c in chunks), CHUNKS)


def bytes_root(data: bytes | memoryview) -> bytes:
    """Chunk root of bytes that are already in private memory."""
    if len(data) <= CHUNK_BYTES:
        return CHUNKS.leaf(bytes(data)) if len(data) else merkle.root((), CHUNKS)
    return chunk_root(data[i : i + CHUNK_BYTES] for i in range(0, len(data), CHUNK_BYTES))


def tree_of(entries: Iterable[TreeEntry]) -> Tree:
    """Sort entries and digest them; the bytes behind them are not needed.

    Raises:
        TreeRefused: no files, or names equal after NFC and case folding.
    """
    ordered = tuple(sorted(entries, key=lambda e: e.path.encode()))
    if not ordered:
        raise TreeRefused("there are no files here", why="an empty folder says nothing", mend="check the path")
    _refuse_twins(e.path for e in ordered)
    root = merkle.root((e.leaf() for e in ordered), FILES)
    totals = _TOTALS.pack(len(ordered), sum(e.size for e in ordered))
    return Tree(ordered, hashlib.sha256(_DOMAIN + PROFILE_SHA256 + totals + root).hexdigest())


def _refuse_twins(paths: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        folded = path if path.isascii() and path.islower() else path.casefold()
        if folded in seen:
            raise TreeRefused(f"{seen[folded]!r} and {path!r} are one file on some systems", mend="rename one of them")
        seen[folded] = path


def parse_manifest(lines: Iterable[bytes]) -> Iterator[TreeEntry]:
    """Entries of a manifest, one line at a time.

    Raises:
        StatementRefused, TreeRefused: a malformed line or name, or too many lines.
    """
    for number, line in enumerate(lines):
        if number >= MAX_FILES:
            raise StatementRefused(f"manifest has more than {MAX_FILES} lines")
        yield TreeEntry.from_json(canonical.from_bytes(line, what=f"manifest line {number + 1}", max_bytes=32768))


@dataclass(frozen=True, slots=True)
class Difference:
    """How one file differs from what was signed."""

    path: str
    kind: str
    expected: str = ""
    seen: str = ""
    cause: str = ""

    def __str__(self) -> str:
        line = f"{self.kind}: {self.path}"
        if self.expected or self.seen:
            line += f" (expected {self.expected or 'nothing'}, seen {self.seen or 'nothing'})"
        return f"{line}; {self.cause}" if self.cause else line


def compare(expected: Tree, seen: Tree) -> tuple[Difference, ...]:
    """File-level reasons why two trees have different digests; renames are recognised."""
    wanted = {e.path: e for e in expected.entries}
    found = {e.path: e for e in seen.entries}
    missing = [wanted[p] for p in sorted(wanted.keys() - found.keys())]
    extra = {p: found[p] for p in sorted(found.keys() - wanted.keys())}
    out = [_changed(wanted[p], found[p]) for p in sorted(wanted.keys() & found.keys()) if wanted[p] != found[p]]
    for entry in missing:
        twin = next((p for p, e in extra.items() if (e.root, e.size) == (entry.root, entry.size)), None)
        if twin:
            del extra[twin]
            out.append(Difference(entry.path, "renamed", entry.path, twin))
        else:
            out.append(Difference(entry.path, "missing", entry.root.hex()[:16]))
    out += [Difference(p, "extra", "", e.root.hex()[:16], "a file that nobody signed") for p, e in extra.items()]
    return tuple(out)


def _changed(expected: TreeEntry, seen: TreeEntry) -> Difference:
    if expected.root == seen.root:
        return Difference(expected.path, "executable bit changed", str(expected.executable), str(seen.executable))
    cause = f"size {expected.size} became {seen.size}" if expected.size != seen.size else "same size, other bytes"
    if seen.size < 1024 < expected.size:
        cause += "; a pointer file of a large-file store?"
    return Difference(expected.path, "changed", expected.root.hex()[:16], seen.root.hex()[:16], cause)
