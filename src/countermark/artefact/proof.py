"""Proofs that files, or one byte range of a file, belong to a tree of which nothing is known but its digest.

A proof holds the entries themselves and the hashes of the largest subtrees that hold none of them, so that two files
share what their ways to the root share. A byte range adds the same for the chunks it touches: who has 200 GB checks
one tensor by reading the chunks that it lies in. Source: RFC 6962, section 2.1.1, for more than one leaf at a time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from countermark import canonical, merkle
from countermark.artefact.handle import Proven, Window
from countermark.artefact.profile import SHA256, Profile, profile_named
from countermark.artefact.tree import CHUNK_BYTES, MAX_FILES, MAX_TOTAL_BYTES, TreeEntry, tree_digest
from countermark.canonical import Fields
from countermark.errors import StatementRefused, TreeRefused

FORMAT = 1
SUFFIX = ".cmproof"
MAX_PROOF_BYTES = 64 << 20
MAX_PROVEN = 1 << 16
_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TreeProof:
    """A proof as given or parsed; it shows nothing before `verify`.

    Attributes:
        files, total_bytes: of the whole tree. entries: index among the files sorted by path, and the file.
        hashes: of the subtrees without them, left to right, 32 bytes each. window: a byte range of the only entry.
    """

    files: int
    total_bytes: int
    entries: tuple[tuple[int, TreeEntry], ...]
    hashes: tuple[bytes, ...]
    window: Window | None = None
    profile: Profile = SHA256

    def verify(self, digest: str) -> Proven:
        """Check that a tree of that digest, hex, holds these entries.

        The byte range, where there is one, is checked against the file by `Handle.window`.

        Raises:
            TreeRefused: it does not.
        """
        indices = [index for index, _ in self.entries]
        if indices != sorted(set(indices)):
            raise TreeRefused("this proof's files are not in the order of the tree", mend="ask for another")
        known = {index: entry.leaf(self.profile) for index, entry in self.entries}
        root = merkle.joint_root(known, self.files, self.hashes, self.profile.files)
        seen = tree_digest(self.files, self.total_bytes, root, self.profile)
        if seen != digest:
            raise TreeRefused(
                "this proof is about another tree", why=f"it leads to {seen}, expected {digest}",
                mend="ask for a proof from the tree that was signed",
            )  # fmt: skip
        return Proven(tuple(entry for _, entry in self.entries), digest, self.profile)

    def to_bytes(self) -> bytes:
        """Canonical JSON, the content of a ``.cmproof`` file."""
        window = self.window and {
            "start": self.window.start,
            "stop": self.window.stop,
            "hashes": [h.hex() for h in self.window.hashes],
        }
        return canonical.to_bytes({
            "format": FORMAT,
            "profile": self.profile.name,
            "files": self.files,
            "bytes": self.total_bytes,
            "entries": [[index, *entry.to_json()] for index, entry in self.entries],
            "hashes": [h.hex() for h in self.hashes],
            "window": window,
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes, *, what: str = "proof") -> TreeProof:
        """Parse strictly.

        Raises:
            StatementRefused, TreeRefused: malformed, of another format, or about more than 65,536 files.
        """
        fields = Fields(canonical.object_from_bytes(data, what=what, max_bytes=MAX_PROOF_BYTES), what)
        if fields.integer("format") != FORMAT:
            raise StatementRefused(f"{what} is of a format that this version does not know")
        listed = fields.items("entries")
        if not 0 < len(listed) <= MAX_PROVEN:
            raise StatementRefused(f"{what} names {len(listed)} files", why=f"1 to {MAX_PROVEN} can be proven at once")
        entries = tuple(_entry(one) for one in listed)
        window = fields.optional("window")
        out = cls(
            fields.integer("files", least=1), fields.integer("bytes"), entries, _hashes(fields.items("hashes"), what),
            None if window is None else _window(Fields(window, what), entries, what),
            profile_named(fields.text("profile")),
        )  # fmt: skip
        fields.done()
        if out.files > MAX_FILES or out.total_bytes > MAX_TOTAL_BYTES:
            raise StatementRefused(f"{what} is about {out.files} files of {out.total_bytes} bytes")
        return out


def _entry(value: Any) -> tuple[int, TreeEntry]:
    match value:
        case [int(index), *rest] if type(index) is int and 0 <= index < MAX_FILES:
            return index, TreeEntry.from_json(rest)
    raise StatementRefused("a proof's entry is not [index, path, size, executable, root]", why=f"seen: {value!r:.80}")


def _hashes(values: list[Any], what: str) -> tuple[bytes, ...]:
    if not all(isinstance(v, str) and _HASH.fullmatch(v) for v in values):
        raise StatementRefused(f"{what}: a hash is not 64 hex digits")
    return tuple(map(bytes.fromhex, values))


def _window(fields: Fields, entries: tuple[tuple[int, TreeEntry], ...], what: str) -> Window:
    start, stop = fields.integer("start"), fields.integer("stop", least=1)
    hashes = _hashes(fields.items("hashes"), what)
    fields.done()
    if len(entries) != 1:
        raise StatementRefused(f"{what}: a byte range is about one file, not {len(entries)}")
    return Window.of(entries[0][1], start, stop, hashes)


def prove(
    listed: Callable[[], Iterable[TreeEntry]], wanted: Callable[[str], bool], profile: Profile = SHA256
) -> TreeProof:
    """A proof of the files that `wanted` names, in two passes over a tree that need not be in memory.

    Args:
        listed: gives the tree's entries in path order, each time it is called.

    Raises:
        TreeRefused: it names none of them. StatementRefused: more than 65,536.
    """
    kept, count, total = [], 0, 0
    for entry in listed():
        if wanted(entry.path):
            kept.append((count, entry))
        count, total = count + 1, total + entry.size
    if not kept:
        raise TreeRefused(f"none of these {count} files is meant", mend="name files as `digest --manifest` lists them")
    if len(kept) > MAX_PROVEN:
        raise StatementRefused(f"{len(kept)} files are too many for one proof", mend="hand over the manifest instead")
    spans = merkle.joint_spans([index for index, _ in kept], count)
    leaves = (entry.leaf(profile) for entry in listed())
    return TreeProof(count, total, tuple(kept), tuple(_roots(leaves, spans, profile.files)), None, profile)


def _roots(leaves: Iterable[bytes], spans: list[merkle.Span], hashing: merkle.Hashing) -> Iterator[bytes]:
    """Root of each span, spans ascending, leaves taken one at a time."""
    passing, at = iter(leaves), 0
    for lo, hi in spans:
        yield merkle.root(itertools.islice(passing, lo - at, hi - at), hashing)
        at = hi


def window(entry: TreeEntry, start: int, stop: int, chunk_leaves: Iterable[bytes], profile: Profile = SHA256) -> Window:
    """What proves bytes [start, stop) of a file.

    Args:
        chunk_leaves: leaf hash of each of its 4 MiB chunks, in order.

    Raises:
        TreeRefused: the file has no such bytes.
    """
    bare = Window.of(entry, start, stop, ())
    spans = merkle.joint_spans(bare.chunks, -(-entry.size // CHUNK_BYTES))
    return Window.of(entry, start, stop, tuple(_roots(chunk_leaves, spans, profile.chunks)))
