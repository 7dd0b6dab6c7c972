"""Handles: what they hand on, what they refuse at the door and what at the file, and that nothing is read twice."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest

from countermark.artefact import _private
from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Handle, Proven, open_verified
from countermark.artefact.profile import SHA256, Profile, blake3_profile
from countermark.artefact.tree import CHUNK_BYTES, Tree
from countermark.errors import TreeRefused, Unusable

CONTENT = {
    "empty": b"", "one": b"1", "sub/deep/note.txt": b"text" * 100,
    "chunk": bytes(CHUNK_BYTES), "large.bin": os.urandom(CHUNK_BYTES * 2 + 17),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    for name, data in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def opened(folder: Path, signed: Tree | None = None) -> Handle:
    return open_verified(folder, signed or read_folder(folder))


@pytest.mark.parametrize("profile", [SHA256, blake3_profile()], ids=lambda p: p.name)
@pytest.mark.parametrize("threads", [1, 3])
def test_every_way_gives_the_signed_bytes(folder: Path, profile: Profile, threads: int) -> None:
    with open_verified(folder, read_folder(folder, profile=profile), threads=threads) as handle:
        assert handle.whole and handle.paths == tuple(sorted(CONTENT))
        for path, data in CONTENT.items():
            assert path in handle and handle.size(path) == len(data)
            assert handle.view(path) == handle.content(path) == data
            assert handle.take(path) == data
            assert handle.content(path) == data
            with handle.sealed(path) as name:
                assert Path(name).read_bytes() == data


def test_a_file_is_opened_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed, count = read_folder(folder), 0
    real = _private.anonymous

    def counted(*rest: object) -> object:
        nonlocal count
        count += 1
        return real(*rest)  # type: ignore[arg-type]

    monkeypatch.setattr(_private, "anonymous", counted)
    with opened(folder, signed) as handle:
        first = handle.view("large.bin")
        (folder / "large.bin").write_bytes(b"other")
        assert handle.view("large.bin") == first == CONTENT["large.bin"] and count == 1
        handle.forget("large.bin")
        with pytest.raises(TreeRefused):
            handle.view("large.bin")
        assert first == CONTENT["large.bin"]


def test_views_cannot_be_written_to_and_outlive_the_handle(folder: Path) -> None:
    with opened(folder) as handle:
        view, mine = handle.view("large.bin"), handle.take("one")
    assert view.readonly and view == CONTENT["large.bin"]
    with pytest.raises(TypeError):
        view[0] = 1
    mine[0] = 0
    with pytest.raises(Unusable, match="closed"):
        handle.view("one")


def test_taking_leaves_views_alone(folder: Path) -> None:
    with opened(folder) as handle:
        view, mine = handle.view("one"), handle.take("one")
        mine[0] = 0
        assert view == b"1" == handle.view("one")


@pytest.mark.parametrize("name", ["one", "large.bin"])
def test_other_bytes_of_the_same_size_are_refused_when_they_are_asked_for(folder: Path, name: str) -> None:
    signed = read_folder(folder)
    (folder / name).write_bytes(bytes(len(CONTENT[name])))
    with opened(folder, signed) as handle:
        assert handle.content("sub/deep/note.txt") == CONTENT["sub/deep/note.txt"]
        for ask in (handle.view, handle.content, handle.take):
            with pytest.raises(TreeRefused, match="same size, other bytes"):
                ask(name)
        with pytest.raises(TreeRefused, match=name), handle.sealed(name):
            pass
        with pytest.raises(TreeRefused, match=name):
            handle.check_rest()


def test_the_rest_is_checked_without_reading_again_what_was_used(folder: Path) -> None:
    with opened(folder) as handle:
        handle.view("one")
        (folder / "one").unlink()
        handle.check_rest()
        (folder / "one").write_bytes(b"2")
        handle.check_rest()


def test_names_sizes_and_bits_are_refused_at_the_door(folder: Path) -> None:
    signed = read_folder(folder)
    (folder / "extra").write_bytes(b"")
    with pytest.raises(TreeRefused, match="extra"):
        opened(folder, signed)
    (folder / "extra").unlink()
    (folder / "one").chmod(0o755)
    with pytest.raises(TreeRefused, match="executable bit"):
        opened(folder, signed)
    (folder / "one").chmod(0o644)
    (folder / "one").write_bytes(b"11")
    with pytest.raises(TreeRefused, match="size 1 became 2"):
        opened(folder, signed)
    (folder / "one").unlink()
    with pytest.raises(TreeRefused, match="missing: one"):
        opened(folder, signed)


def test_a_folder_that_becomes_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    with opened(folder) as handle:
        (folder / "sub").rename(tmp_path / "sub")
        (folder / "sub").symlink_to(tmp_path / "sub")
        with pytest.raises(Unusable, match="cannot read sub"):
            handle.view("sub/deep/note.txt")


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    with opened(folder) as handle:
        (folder / "one").unlink()
        os.mkfifo(folder / "one")
        with pytest.raises(TreeRefused, match="neither a file nor a folder"):
            handle.view("one")


def test_proven_files_alone(folder: Path) -> None:
    signed = read_folder(folder)
    proof = Proven(tuple(e for e in signed.entries if e.path == "one"), signed.digest)
    (folder / "extra").write_bytes(b"of no interest")
    with open_verified(folder, proof) as handle:
        assert not handle.whole and handle.digest == signed.digest
        assert handle.content("one") == b"1"
        with pytest.raises(TreeRefused, match="not among the files"):
            handle.view("extra")


def test_a_single_file_is_a_tree(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"bytes")
    with opened(tmp_path / "m.bin") as handle:
        assert handle.paths == ("m.bin",) and handle.content("m.bin") == b"bytes"


def test_descriptors_do_not_pile_up(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(5):
        with opened(folder) as handle:
            handle.check_rest()
            with handle.sealed("one"):
                pass
    with pytest.raises(Unusable):
        open_verified(folder / "nowhere", read_folder(folder))
    assert sys.platform != "linux" or len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this platform has no sealed files in memory")
def test_a_sealed_path_cannot_be_changed_by_anybody(folder: Path) -> None:
    with opened(folder) as handle, handle.sealed("one") as path:
        with pytest.raises(OSError), open(path, "r+b", buffering=0) as file:
            file.write(b"2")
        with pytest.raises(OSError):
            os.truncate(path, 0)
        descriptor = os.open(path, os.O_RDWR)
        try:
            with pytest.raises(OSError):
                mmap.mmap(descriptor, 1, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            os.close(descriptor)
        assert Path(path).read_bytes() == b"1"


def test_without_sealed_files_it_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with opened(folder) as handle, pytest.raises(Unusable, match="no sealed files") as told, handle.sealed("one"):
        pass
    assert told.value.mend


def test_more_than_there_is_memory_is_refused() -> None:
    with pytest.raises(Unusable, match="memory"):
        _private.anonymous(0, 1 << 60, SHA256, 1)
    with pytest.raises(Unusable, match="take a view"):
        _private.whole(0, 1 << 40, SHA256, 1)
