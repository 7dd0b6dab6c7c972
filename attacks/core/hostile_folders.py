"""Folders that lead outside, never end, or are not what their digest says.

python attacks/core/hostile_folders.py
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from both_sides import Attack, report

from countermark.artefact import tree
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import TreeEntry, tree_of
from countermark.errors import TreeRefused


def plain_digest(folder: Path) -> str:
    """How many tools digest a folder: the contents, one after the other, links followed."""
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if not path.is_dir():
            state.update(path.read_bytes())
    return state.hexdigest()


def folder_with(root: Path, name: str) -> Path:
    place = root / name
    (place / "nut").mkdir(parents=True)
    (place / "nut" / "1.png").write_bytes(b"picture")
    return place


def same_or_refuse(one: Path, other: Path) -> None:
    """Two folders that must not share a digest; refused here means told apart."""
    if read_folder(one).digest != read_folder(other).digest:
        raise TreeRefused("the two folders have different digests")


def attacks(root: Path) -> list[Attack]:
    """Every hostile folder, built below `root`."""
    (root / "secret").write_bytes(b"private key")
    link = folder_with(root, "link")
    (link / "nut" / "2.png").symlink_to(root / "secret")
    pipe = folder_with(root, "pipe")
    os.mkfifo(pipe / "nut" / "2.png")
    endless = folder_with(root, "endless")
    (endless / "nut" / "again").symlink_to(endless)
    escape = folder_with(root, "escape")
    (escape / "nut" / "\x1b[2K\x1b[1Aall files verified").write_bytes(b"x")
    turned = folder_with(root, "turned")
    (turned / "nut" / "photo\u202egnp.exe").write_bytes(b"x")
    twins = folder_with(root, "twins")
    (twins / "nut" / "A.png").write_bytes(b"good")
    (twins / "nut" / "a.png").write_bytes(b"bad")
    forms = folder_with(root, "forms")
    (forms / "nut" / "e\u0301.png").write_bytes(b"x")
    latin = folder_with(root, "latin")
    with open(os.fsencode(latin) + b"/nut/caf\xe9.png", "wb"):
        pass
    void = folder_with(root, "void")
    (void / "bolt").mkdir()
    renamed, original = folder_with(root, "renamed"), folder_with(root, "original")
    (renamed / "nut").rename(renamed / "screw")
    joined, apart = folder_with(root, "joined"), folder_with(root, "apart")
    (joined / "nut" / "1.png").write_bytes(b"ab")
    (apart / "nut" / "1.png").write_bytes(b"a")
    (apart / "nut" / "2.png").write_bytes(b"b")
    return [
        Attack("a link to a file outside", lambda: plain_digest(link), lambda: read_folder(link)),
        Attack("a pipe among the pictures", lambda: plain_digest(pipe), lambda: read_folder(pipe)),
        Attack("a link to the folder itself", lambda: plain_digest(endless), lambda: read_folder(endless)),
        Attack("a name that rewrites the terminal", lambda: plain_digest(escape), lambda: read_folder(escape)),
        Attack("a name that reads backwards", lambda: plain_digest(turned), lambda: read_folder(turned)),
        Attack("two names, one file elsewhere", lambda: plain_digest(twins), lambda: read_folder(twins)),
        Attack("a name in two spellings", lambda: plain_digest(forms), lambda: read_folder(forms)),
        Attack("a name that is not UTF-8", lambda: plain_digest(latin), lambda: read_folder(latin)),
        Attack("an empty folder slipped in", lambda: plain_digest(void), lambda: read_folder(void)),
        Attack("nuts called screws", lambda: plain_digest(renamed) == plain_digest(original),
               lambda: same_or_refuse(renamed, original)),
        Attack("one file cut in two", lambda: plain_digest(joined) == plain_digest(apart),
               lambda: same_or_refuse(joined, apart)),
        Attack("a file made of another tree's nodes", lambda: _second_preimage(b"", b"", b""), _ours_second_preimage),
    ]  # fmt: skip


def _second_preimage(leaf: bytes, node: bytes, file: bytes) -> bool:
    """Whether a file holding two leaf hashes has the root of the two-chunk file they came from."""
    chunks = [b"l" * 100, b"r" * 100]
    hashes = [hashlib.sha256(leaf + c).digest() for c in chunks]
    return hashlib.sha256(node + b"".join(hashes)).digest() == hashlib.sha256(file + b"".join(hashes)).digest()


def _ours_second_preimage() -> None:
    left, right = b"l" * tree.CHUNK_BYTES, b"r"
    forged = tree.CHUNKS.leaf(left) + tree.CHUNKS.leaf(right)
    honest, fake = (TreeEntry("m", len(c), False, tree.bytes_root(c)) for c in (left + right, forged))
    if tree_of([honest]).digest != tree_of([fake]).digest and honest.root != fake.root:
        raise TreeRefused("chunk leaves, chunk nodes, file leaves and file nodes never share a preimage")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(report(attacks(Path(folder))))
