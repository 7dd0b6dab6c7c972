"""Plain hashes of files: the same as hashing the whole, in pieces of any size, with the tree's digest from one read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import blake3
import pytest

from countermark.artefact import plain
from countermark.artefact.folder import read_folder
from countermark.artefact.plain import Plan
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES, tree_of
from countermark.errors import StatementRefused, TreeRefused, Unusable

CONTENT = {
    "empty": b"", "one": b"1", "sub/text": b"text" * 9, "chunk": bytes(CHUNK_BYTES),
    "sub/large": os.urandom(CHUNK_BYTES + 99_999),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in CONTENT.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    return tmp_path / "model"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("name", "hashed"), [("sha256", hashlib.sha256), ("blake2b", hashlib.blake2b), ("blake3", blake3.blake3)]
)
def test_whole_files(folder: Path, name: str, hashed: type, threads: int) -> None:
    told: list[tuple[int, int]] = []
    seen = list(plain.read(folder, Plan(name), threads=threads, progress=lambda *done: told.append(done)))
    assert [one.entry.path for one in seen] == sorted(CONTENT)
    assert {one.entry.path: one.digests for one in seen} == {n: (hashed(d).hexdigest(),) for n, d in CONTENT.items()}
    assert told[-1] == (len(CONTENT), sum(map(len, CONTENT.values())))


@pytest.mark.parametrize("size", [1000, 65_537, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 1 << 40])
def test_pieces(folder: Path, size: int) -> None:
    for one in plain.read(folder, Plan(piece=size)):
        data = CONTENT[one.entry.path]
        parts = [data[at : at + size] for at in range(0, max(len(data), 1), size)]
        assert one.digests == tuple(hashlib.sha256(part).hexdigest() for part in parts)


def test_the_tree_comes_from_the_same_read(folder: Path) -> None:
    entries = [one.entry for one in plain.read(folder, Plan(profile=SHA256))]
    assert tree_of(entries) == read_folder(folder)


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StatementRefused, match="md5"):
        list(plain.read(folder, Plan("md5")))
    with pytest.raises(Unusable):
        list(plain.read(tmp_path / "nothing", Plan()))
    (folder / "link").symlink_to("one")
    with pytest.raises(TreeRefused, match="link"):
        list(plain.read(folder, Plan()))


@pytest.mark.parametrize("name", ["one", "sub/large"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_grows_meanwhile(folder: Path, name: str, threads: int) -> None:
    def growing(path: str, _size: int) -> bool:  # asked once the size is known, and before the file is read
        if path == name:
            with (folder / name).open("ab") as file:
                file.write(b"more")
        return True

    with pytest.raises(TreeRefused, match=f"{name} changed while it was read"):
        list(plain.read(folder, Plan(wants=growing), threads=threads))


def test_files_that_nobody_wants_are_left_out(folder: Path) -> None:
    seen = plain.read(folder, Plan(wants=lambda path, size: path.startswith("sub/") and size > 36))
    assert [one.entry.path for one in seen] == ["sub/large"]
