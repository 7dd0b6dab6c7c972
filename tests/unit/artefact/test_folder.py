"""Reading hostile folders: nothing outside is read, nothing blocks, nothing is silently left out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from countermark.artefact import tree
from countermark.artefact.buffer import PIECE_BYTES, Buffer
from countermark.artefact.folder import read_folder
from countermark.artefact.reading import SMALL_BYTES
from countermark.artefact.tree import TreeEntry, tree_of
from countermark.errors import TreeRefused, Unusable

OPEN_FILES = Path("/proc/self/fd")
BIG = 9 * tree.CHUNK_BYTES + 12345


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "1").write_bytes(b"one")
    (root / "b").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"outside")
    return root


def test_a_folder_is_its_files(place: Path) -> None:
    (place / "a" / "run").write_bytes(b"#!")
    (place / "a" / "run").chmod(0o755)
    expected = [
        TreeEntry("a/1", 3, False, tree.bytes_root(b"one")),
        TreeEntry("a/run", 2, True, tree.bytes_root(b"#!")),
        TreeEntry("b", 0, False, tree.bytes_root(b"")),
    ]
    seen: list[tuple[int, int]] = []
    assert read_folder(place, progress=lambda files, size: seen.append((files, size))) == tree_of(expected)
    assert seen[-1] == (3, 5)


def test_one_file_is_a_tree_of_one(place: Path) -> None:
    assert [e.path for e in read_folder(place / "a" / "1").entries] == ["1"]


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES, SMALL_BYTES + 1, PIECE_BYTES + 1, tree.CHUNK_BYTES, BIG])
def test_every_way_of_reading_gives_one_digest(tmp_path: Path, size: int) -> None:
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    (tmp_path / "f").write_bytes(content)
    taken: list[bytes] = []
    whole = read_folder(tmp_path, sink=lambda _, data: taken.append(data))
    streamed = [read_folder(tmp_path, threads=n) for n in (1, 2, 3, 16)]
    unwanted = read_folder(tmp_path, sink=lambda *_: pytest.fail("not wanted"), wants=lambda *_: False)
    assert taken == [content]
    assert {t.digest for t in (whole, unwanted, *streamed)} == {whole.digest}
    assert whole.entries[0].root == tree.bytes_root(content)


def test_a_sparse_giant_streams_in_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(64 * tree.CHUNK_BYTES)
    tracemalloc.start()
    read_folder(tmp_path, sink=lambda *_: None, wants=lambda _path, size: size < 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * tree.CHUNK_BYTES


def test_links_out_of_the_folder_are_refused(place: Path) -> None:
    (place / "a" / "link").symlink_to("../../secret")
    with pytest.raises(TreeRefused, match="a/link is a symbolic link"):
        read_folder(place)


@pytest.mark.parametrize("target", [".", "a", "nowhere", "/"])
def test_every_kind_of_link_is_refused(place: Path, target: str) -> None:
    (place / "link").symlink_to(target)
    with pytest.raises(TreeRefused, match="symbolic link"):
        read_folder(place)


def test_a_link_to_a_file_is_no_file(place: Path) -> None:
    (place.parent / "alias").symlink_to(place / "b")
    with pytest.raises(Unusable):
        read_folder(place.parent / "alias")


def test_a_pipe_is_refused_and_does_not_block(place: Path) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(TreeRefused, match="pipe is neither a file nor a folder"):
        read_folder(place)


def test_a_socket_is_refused(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(place)  # a socket's path is short
        try:
            listening.bind("socket")
        finally:
            os.chdir(before)
        with pytest.raises(TreeRefused, match="neither"):
            read_folder(place)


def test_names_that_are_not_utf8_are_refused(place: Path) -> None:
    with open(os.fsencode(place) + b"/caf\xe9.png", "wb"):
        pass
    with pytest.raises(TreeRefused, match="is not UTF-8"):
        read_folder(place)


def test_a_single_file_with_a_name_that_is_not_utf8_is_refused(place: Path) -> None:
    name = os.fsencode(place) + b"/caf\xe9.png"
    with open(name, "wb"):
        pass
    with pytest.raises(TreeRefused, match="is not UTF-8"):
        read_folder(Path(os.fsdecode(name)))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("e\u0301", "not NFC"),
        ("\x1b[31mred", "control"),
        ("a\nb", "control"),
        ("a\\b", "not a name"),
        ("\u202e", "control"),
    ],
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_hostile_names_are_refused(place: Path, name: str, what: str, is_folder: bool) -> None:
    odd = place / name
    if is_folder:
        odd.mkdir()
        (odd / "x").write_bytes(b"")
    else:
        odd.write_bytes(b"")
    with pytest.raises(TreeRefused, match=what):
        read_folder(place)


def test_long_paths_are_refused_by_their_bytes(place: Path) -> None:
    at = os.open(place, os.O_RDONLY)
    for _ in range(20):  # step by step, because the whole path is longer than the kernel takes
        os.mkdir("\u00e9" * 120, dir_fd=at)
        below = os.open("\u00e9" * 120, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    with pytest.raises(TreeRefused, match="longer than 4096 bytes"):
        read_folder(place)


def test_deep_folders_are_refused_without_recursing_for_ever(place: Path) -> None:
    deep = place.joinpath(*"d" * 80)
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"")
    with pytest.raises(TreeRefused, match="deeper than 64"):
        read_folder(place)


def test_empty_folders_are_refused(place: Path, tmp_path: Path) -> None:
    (place / "void").mkdir()
    with pytest.raises(TreeRefused, match="void/ is an empty folder"):
        read_folder(place)
    (place / "void").rmdir()
    (place / ".countermark" / "sent").mkdir(parents=True)
    with pytest.raises(TreeRefused) as refused:  # nobody is told to remove a folder of a workspace
        read_folder(place)
    assert "name the folder of data" in refused.value.mend
    (tmp_path / "none").mkdir()
    with pytest.raises(TreeRefused, match="no files"):
        read_folder(tmp_path / "none")


def test_a_missing_folder_is_not_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot read") as caught:
        read_folder(tmp_path / "nowhere")
    assert caught.value.exit_code == 2


def _remove(target: Path) -> None:
    target.unlink() if target.is_file() else target.rename(target.parent.parent / "elsewhere")


def _replace_by_link(target: Path) -> None:
    _remove(target)
    target.symlink_to(target.parent.parent / "secret")


def _replace_by_pipe(target: Path) -> None:
    _remove(target)
    os.mkfifo(target)


@pytest.mark.parametrize("swap", [_replace_by_link, _replace_by_pipe])
@pytest.mark.parametrize("victim", ["z", "y"], ids=["file", "folder"])
def test_what_is_swapped_after_the_listing_is_not_followed(
    place: Path, swap: Callable[[Path], None], victim: str
) -> None:
    """The attacker wins the race between listing and opening; the bytes outside are still never read."""
    (place / "z").write_bytes(b"plain")
    (place / "y").mkdir()
    (place / "y" / "x").write_bytes(b"plain")
    read: list[bytes] = []

    def sink(entry: TreeEntry, data: bytes) -> None:
        read.append(data)
        if entry.path == "b":
            swap(place / victim)

    with pytest.raises((TreeRefused, Unusable)):
        read_folder(place, sink=sink)
    assert b"outside" not in read


def test_a_large_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "growing"
    target.write_bytes(bytes(BIG))
    pieces = Buffer.pieces

    def append_then_read(buffer: Buffer, descriptor: int, begin: int, end: int) -> Iterator[memoryview]:
        with target.open("ab") as file:
            file.write(b"more")
        return pieces(buffer, descriptor, begin, end)

    monkeypatch.setattr(Buffer, "pieces", append_then_read)
    with pytest.raises(TreeRefused, match="growing changed while it was read"):
        read_folder(tmp_path)


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="needs /proc/self/fd")
def test_no_descriptor_is_left_open(place: Path) -> None:
    (place / "a" / "link").symlink_to("x")
    before = len(os.listdir(OPEN_FILES))
    for _ in range(5):
        with pytest.raises(TreeRefused):
            read_folder(place)
    assert len(os.listdir(OPEN_FILES)) == before


UNREADABLE = """
import os, sys
from pathlib import Path
from countermark.artefact.folder import read_folder
from countermark.errors import Unusable
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    read_folder(Path())
except Unusable as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("victim", ["a/1", "a"], ids=["file", "folder"])
def test_what_may_not_be_read_is_said_by_name(place: Path, victim: str) -> None:
    """Root reads everything, so a child enters the folder and then gives its rights up."""
    place.chmod(0o755)
    (place / "a").chmod(0o755)
    (place / victim).chmod(0)
    command = [sys.executable, "-c", UNREADABLE, str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    finally:
        (place / victim).chmod(0o700)
    assert done.returncode == 2, done.stderr
    assert "Permission denied" in done.stdout and "fix: check" in done.stdout
    assert f"cannot read {victim}" in done.stdout


@pytest.mark.parametrize("threads", [1, 4])
def test_large_and_small_files_side_by_side_keep_their_order(tmp_path: Path, threads: int) -> None:
    sizes = [0, 5, SMALL_BYTES * 3, 7, tree.CHUNK_BYTES * 5 + 3, tree.CHUNK_BYTES, 9, SMALL_BYTES + 1] * 8
    for number, size in enumerate(sizes):
        (tmp_path / f"{number:03}").write_bytes(bytes([number]) * size)
    seen = read_folder(tmp_path, threads=threads)
    assert [entry.path for entry in seen.entries] == [f"{number:03}" for number in range(len(sizes))]
    for number, (entry, size) in enumerate(zip(seen.entries, sizes, strict=True)):
        assert (entry.size, entry.root) == (size, tree.bytes_root(bytes([number]) * size))


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="needs /proc/self/fd")
def test_files_whose_reading_had_begun_are_closed_when_one_is_refused(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:03}").write_bytes(bytes(SMALL_BYTES * 20))
    (tmp_path / "999").symlink_to("000")
    before = len(os.listdir(OPEN_FILES))
    with pytest.raises(TreeRefused, match="999 is a symbolic link"):
        read_folder(tmp_path)
    os.mkfifo(tmp_path / "010x")
    (tmp_path / "999").unlink()
    with pytest.raises(TreeRefused, match="010x"):
        read_folder(tmp_path)
    assert len(os.listdir(OPEN_FILES)) == before


def test_a_small_file_that_grows_is_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, read = tmp_path / "growing", os.read
    target.write_bytes(b"start")

    def append_then_read(descriptor: int, size: int) -> bytes:
        target.write_bytes(bytes(PIECE_BYTES * 20))
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", append_then_read)
    (entry,) = read_folder(tmp_path).entries
    assert (entry.size, entry.root) == (PIECE_BYTES * 20, tree.bytes_root(bytes(PIECE_BYTES * 20)))
