"""Chunk 0, the secret header: what the asset is called, its files, and the digest of its plaintext.

A length of 4 bytes, canonical JSON, zeros up to the chunk's end. The list of files is a manifest of `cm-tree/v1` (one JSON line a
file); it stands behind the JSON where it fits, else behind the files in the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from countermark import canonical
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import Tree, parse_manifest, tree_of
from countermark.canonical import Fields
from countermark.errors import FormatRefused, StatementRefused, TreeRefused
from countermark.seal.manifest import KINDS, Manifest, tree_commitment

FORMAT = 1
MOST_NAME = 255
MOST_INDEX = 1 << 30
"""Bytes of a list of files that lies in the data: some five million files."""
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Header:
    """What is known to those only who hold the content key.

    Attributes:
        kind: as in the manifest. name: of the folder or file that was sealed. single: whether it was one file, not a folder.
        tree: hex `cm-tree/v1` digest of the plaintext, SHA-256 profile. salt: 32 bytes. size: bytes of all files. index: bytes of the list of files.
    """

    kind: str
    name: str
    single: bool
    tree: str
    salt: bytes = field(repr=False)
    size: int
    index: int

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "kind": self.kind,
                "name": self.name,
                "single": self.single,
                "tree": self.tree,
                "salt": self.salt.hex(),
                "size": self.size,
                "index": self.index,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Header:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="sealed header"), "sealed header")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a sealed header of another format", mend="a newer Countermark may read it")
        out = cls(
            fields.text("kind", most=40), fields.text("name", most=MOST_NAME), fields.boolean("single"),
            fields.hex("tree"), bytes.fromhex(fields.hex("salt")), fields.integer("size"), fields.integer("index"),
        )  # fmt: skip
        fields.done()
        if out.kind not in KINDS or out.to_bytes() != data:
            raise StatementRefused("a sealed header is not in its one form")
        return out

    def check(self, manifest: Manifest) -> None:
        """Refuse a header that its own manifest does not mean.

        Raises:
            FormatRefused: the kind differs, or tree and sealer are not the committed ones.
        """
        if self.kind != manifest.kind or tree_commitment(self.salt, manifest.sealer, self.tree) != manifest.tree:
            raise FormatRefused("the secret header is not the one that the manifest means")


def packed(header: Header, index: bytes, chunk: int) -> bytes:
    """Chunk 0, exactly `chunk` bytes; the list of files is in it where it fits.

    Raises:
        FormatRefused: the header alone is larger than a chunk.
    """
    text = header.to_bytes()
    head = len(text).to_bytes(_LENGTH, "big") + text
    if len(head) > chunk:
        raise FormatRefused(f"a header of {len(head)} bytes in chunks of {chunk}", mend="a larger --chunk")
    whole = head + index if len(head) + len(index) <= chunk else head
    return whole.ljust(chunk, b"\0")


def fits(header: Header, index: int, chunk: int) -> bool:
    """Whether a list of files of so many bytes stands in chunk 0."""
    return _LENGTH + len(header.to_bytes()) + index <= chunk


def unpacked(data: memoryview) -> tuple[Header, bytes | None]:
    """The header, and the list of files where it stands in chunk 0.

    Raises:
        FormatRefused, StatementRefused: malformed.
    """
    length = int.from_bytes(data[:_LENGTH], "big")
    if length > len(data) - _LENGTH:
        raise FormatRefused(f"a sealed header of {length} bytes in a chunk of {len(data)}")
    header = Header.from_bytes(bytes(data[_LENGTH : _LENGTH + length]))
    if not fits(header, header.index, len(data)):
        return header, _rest(data, _LENGTH + length)
    return header, _rest(data, _LENGTH + length + header.index, _LENGTH + length)


def _rest(data: memoryview, end: int, index: int | None = None) -> bytes | None:
    if bytes(data[end:]) != bytes(len(data) - end):  # compared at once: it may be a MiB, at each opening
        raise FormatRefused("a sealed header is followed by something")
    return None if index is None else bytes(data[index:end])


def files_of(header: Header, index: bytes) -> Tree:
    """The files of an asset, in order.

    Raises:
        FormatRefused: malformed, or another tree than the header's.
    """
    try:
        tree: Any = tree_of(parse_manifest(index.splitlines(keepends=False)), SHA256)
    except (StatementRefused, TreeRefused) as error:
        raise FormatRefused("a sealed list of files is malformed", why=error.what) from error
    if tree.manifest() != index or tree.digest != header.tree or tree.total_bytes != header.size:
        raise FormatRefused("a sealed list of files is not the one that its header means")
    if header.single and len(tree.entries) != 1:
        raise FormatRefused("a sealed file is several")
    made: Tree = tree
    return made
