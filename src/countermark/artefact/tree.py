"""Tree digest `cm-tree/v1`: one name for a folder's exact content.

``digest = H("cm-tree/v1\\0" || profile || file count || total bytes || Merkle root)`` over the files
sorted by UTF-8 path bytes. A leaf binds path, size, executable bit and the Merkle root over 4 MiB
chunks. Chunk tree and file tree use prefixes of their own, so that no part of one can pass for a
part of the other (the second-preimage rule of RFC 6962, section 2.1).
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, NamedTuple

from countermark import canonical, merkle
from countermark.artefact.profile import SHA256, Profile
from countermark.errors import StatementRefused, TreeRefused

CHUNK_BYTES = 4 << 20
CHUNKS, FILES = SHA256.chunks, SHA256.files
DIGEST_NAME = SHA256.digest_name
MAX_FILES = 50_000_000
MAX_PATH_BYTES = 4096
MAX_FILE_BYTES = canonical.MAX_INTEGER
MAX_TOTAL_BYTES = (1 << 64) - 1
COPIED_BYTES = 64 << 10
_ROOT = re.compile("[0-9a-f]{64}")
_DOMAIN = b"cm-tree/v1\0"
_LEAF = struct.Struct(">I")
_SIZE = struct.Struct(">QB")
_TOTALS = struct.Struct(">QQ")


class TreeEntry(NamedTuple):
    """One file: path relative to the root with ``/``, size in bytes, executable bit, chunk root (32 bytes)."""

    path: str
    size: int
    executable: bool
    root: bytes

    def leaf(self, profile: Profile = SHA256) -> bytes:
        """Leaf hash in the file tree."""
        return next(leaves((self,), profile))

    def to_json(self) -> list[Any]:
        """``[path, size, executable, root hex]``: one line of a manifest."""
        return [self.path, self.size, self.executable, self.root.hex()]

    def line(self) -> str:
        """`to_json` in canonical form (RFC 8785), written by hand because there are as many as files."""
        executable = "true" if self.executable else "false"
        return f'[{encode_basestring(self.path)},{self.size},{executable},"{self.root.hex()}"]\n'

    @classmethod
    def from_json(cls, value: Any) -> TreeEntry:
        """Parse one manifest line.

        Raises:
            StatementRefused, TreeRefused: malformed, or a name that no tree may hold.
        """
        match value:
            case [str(path), int(size), bool(executable), str(root)] if type(size) is int and _ROOT.fullmatch(root):
                check_path(path)
                if not 0 <= size <= MAX_FILE_BYTES:
                    raise StatementRefused(f"{path!r:.120} has the size {size!r:.40}", why="0 to 2**53 - 1 are sizes")
                return cls(path, size, executable, bytes.fromhex(root))
        raise StatementRefused("a manifest line is not [path, size, executable, root]", why=f"seen: {value!r:.80}")

    def moved(self, path: str) -> TreeEntry:
        """The same file under another path.

        Raises:
            TreeRefused: a path that no tree may hold.
        """
        check_path(path)
        return TreeEntry(path, self.size, self.executable, self.root)


@dataclass(frozen=True, slots=True)
class Tree:
    """Entries sorted by path bytes, and the digest over them under a profile."""

    entries: tuple[TreeEntry, ...]
    digest: str
    profile: Profile = SHA256

    @property
    def total_bytes(self) -> int:
        """Sum of all file sizes."""
        return sum(e.size for e in self.entries)

    def manifest(self) -> bytes:
        """One canonical JSON line per file."""
        return "".join(map(TreeEntry.line, self.entries)).encode()


def check_path(path: str) -> None:
    """Refuse names that systems disagree on, that leave the folder, or that forge what a screen shows.

    Raises:
        TreeRefused: absolute, ``..``, empty part, backslash, control character, too long, not UTF-8 or not NFC.
    """
    if is_plain(path) and "//" not in path and "/." not in path and path[0] not in "./" and path[-1] != "/":
        return
    if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
        raise TreeRefused(f"{path!r:.120} is not a name inside a folder", mend="use plain relative names")
    if hidden := canonical.unprintable(path):
        raise TreeRefused(
            f"{path!r:.120} holds the control character {hidden}", why="it could hide or forge what a screen shows",
            mend="rename it",
        )  # fmt: skip
    try:
        size = len(path.encode())
    except UnicodeEncodeError as error:
        raise TreeRefused(f"{path!r:.120} is not UTF-8", mend="rename it") from error
    if size > MAX_PATH_BYTES:
        raise TreeRefused(f"{path[:60]!r}... is longer than {MAX_PATH_BYTES} bytes")
    if not unicodedata.is_normalized("NFC", path):
        raise TreeRefused(f"{path!r:.120} is not NFC", why="two systems would write it with different bytes",
                          mend="rename it in composed form")  # fmt: skip


def is_plain(path: str) -> bool:
    """Whether `path` is short printable ASCII without a backslash: nearly every path, and quickly told."""
    return path.isascii() and path.isprintable() and 0 < len(path) <= MAX_PATH_BYTES and "\\" not in path


def chunk_root(chunks: Iterable[bytes | memoryview], profile: Profile = SHA256) -> bytes:
    """Merkle root over a file's chunks; an empty file has the root of zero chunks."""
    return merkle.root(map(profile.chunks.leaf, chunks), profile.chunks)


def bytes_root(data: bytes | memoryview, profile: Profile = SHA256) -> bytes:
    """Chunk root of bytes that are already in private memory."""
    if len(data) <= COPIED_BYTES:  # one call with a small copy beats two calls
        return profile.new(profile.chunks.leaf_prefix + data).digest() if data else profile.no_bytes()
    view = memoryview(data)
    return chunk_root((view[i : i + CHUNK_BYTES] for i in range(0, len(view), CHUNK_BYTES)), profile)


def tree_of(entries: Iterable[TreeEntry], profile: Profile = SHA256) -> Tree:
    """Sort entries and digest them; the bytes behind them are not needed.

    Raises:
        TreeRefused: no files, more bytes than 64 bits count, or names equal after NFC and case folding.
    """
    # Code points and UTF-8 bytes sort alike, and `check_path` has let no surrogate through.
    ordered = tuple(sorted(entries, key=attrgetter("path")))
    _refuse_twins([e.path for e in ordered])
    total = sum(e.size for e in ordered)
    root = merkle.root(leaves(ordered, profile), profile.files)
    return Tree(ordered, tree_digest(len(ordered), total, root, profile), profile)


def tree_digest(files: int, total: int, root: bytes, profile: Profile = SHA256) -> str:
    """The digest, in hex, over what a tree comes to.

    Args:
        files: how many, at least 1. total: sum of their sizes in bytes. root: of the file tree, 32 bytes.

    Raises:
        TreeRefused: no files, or more bytes than 64 bits count.
    """
    if not files:
        raise TreeRefused("there are no files here", why="an empty folder says nothing", mend="check the path")
    if total > MAX_TOTAL_BYTES:
        raise TreeRefused(f"these files have {total} bytes", why="a tree counts them in 64 bits")
    return profile.new(_DOMAIN + profile.byte + _TOTALS.pack(files, total) + root).digest().hex()


def leaves(entries: Iterable[TreeEntry], profile: Profile = SHA256) -> Iterator[bytes]:
    """`TreeEntry.leaf` of each, in one loop because there are as many as files."""
    new, prefix, pack_name, pack_size = profile.new, profile.files.leaf_prefix, _LEAF.pack, _SIZE.pack
    for path, size, executable, root in entries:
        name = path.encode()
        yield new(prefix + pack_name(len(name)) + name + pack_size(size, executable) + root).digest()


def _refuse_twins(paths: list[str]) -> None:
    """Names that are one file where neither case nor composition counts."""
    fold = str.lower if all(map(str.isascii, paths)) else folded
    if len(set(map(fold, paths))) != len(paths):
        refuse_twins(paths)


def refuse_twins(paths: Iterable[str]) -> None:
    """Refuse two of these names that are one file where neither case nor composition counts.

    Raises:
        TreeRefused: there are such two.
    """
    seen: dict[str, str] = {}
    for path in paths:
        key = folded(path)
        if key in seen:
            raise TreeRefused(f"{seen[key]!r:.120} and {path!r:.120} are one file on some systems",
                              mend="rename one of them")  # fmt: skip
        seen[key] = path


def folded(path: str) -> str:
    """What two names must not have in common: case folded, then composed (NFC)."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


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
            unseen = (
                "not read" if self.kind == "changed" else "seen nothing"
            )  # another size is told before a byte is read
            line += f" (expected {self.expected or 'nothing'}, {f'seen {self.seen}' if self.seen else unseen})"
        return f"{line}; {self.cause}" if self.cause else line


def compare(expected: Tree, seen: Tree) -> tuple[Difference, ...]:
    """File-level reasons why two trees have different digests; renames are recognised."""
    wanted = {e.path: e for e in expected.entries}
    found = {e.path: e for e in seen.entries}
    out = [_changed(wanted[p], found[p]) for p in sorted(wanted.keys() & found.keys()) if wanted[p] != found[p]]
    extra = {p: found[p] for p in sorted(found.keys() - wanted.keys())}
    by_content: dict[tuple[bytes, int], list[str]] = {}
    for path in reversed(extra):
        by_content.setdefault((extra[path].root, extra[path].size), []).append(path)
    for entry in (wanted[p] for p in sorted(wanted.keys() - found.keys())):
        if twins := by_content.get((entry.root, entry.size)):
            twin = twins.pop()
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
