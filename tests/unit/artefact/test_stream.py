"""Trees that never are in memory: the digest of the in-memory reader, in any order on disk, within bounds."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
from pathlib import Path

import pytest

from countermark.artefact import spill, stream, tree, walk
from countermark.artefact.folder import read_folder
from countermark.artefact.profile import SHA256, blake3_profile, profile_named
from countermark.artefact.spill import Sorter
from countermark.artefact.stream import Outputs, manifest_entries, stream_folder, stream_manifest
from countermark.artefact.tree import TreeEntry
from countermark.errors import StatementRefused, TreeRefused, Unusable

ODD = [
    "a-b",
    "a.b",
    "a/b",
    "a/b.c/d",
    "a/b-c",
    "ab",
    "a0/z",
    "a!/y",
    "Z",
    "\u00e4/x",
    "\U0001f600",
    "\uffee",
    "z/\ud7a3/q",
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for number, name in enumerate(ODD):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * number)
        path.chmod(0o755 if number % 3 == 0 else 0o644)
    return root


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is spilled to disk, three lines a run."""
    monkeypatch.setattr(walk, "RUN", 3)
    monkeypatch.setattr(spill, "RUN", 3)
    monkeypatch.setattr(Sorter, "__init__", lambda self, run=3, init=Sorter.__init__: init(self, 3))


@pytest.mark.parametrize("profile", [SHA256, blake3_profile()], ids=lambda p: p.name)
def test_a_streamed_digest_is_the_one_of_memory(place: Path, few: None, profile: tree.Profile) -> None:
    whole = read_folder(place, profile=profile)
    manifest, leaves = io.BytesIO(), io.BytesIO()
    seen: list[tuple[int, int]] = []
    told = stream_folder(
        place, profile=profile, outputs=Outputs(manifest, leaves), progress=lambda *at: seen.append(at)
    )
    assert (told.digest, told.files, told.total_bytes) == (whole.digest, len(whole.entries), whole.total_bytes)
    assert manifest.getvalue() == whole.manifest()
    assert leaves.getvalue() == b"".join(e.leaf(profile) for e in whole.entries)
    assert seen[-1] == (told.files, told.total_bytes)
    manifest.seek(0)
    assert stream_manifest(manifest, profile) == told


def test_profiles_never_share_a_digest(place: Path) -> None:
    assert read_folder(place).digest != read_folder(place, profile=blake3_profile()).digest
    with pytest.raises(StatementRefused, match="md5"):
        profile_named("md5")


def test_walking_is_in_the_order_of_path_bytes(place: Path) -> None:
    names = list(walk.paths(place))
    assert sorted(names, key=str.encode) == names == sorted(ODD, key=str.encode)
    assert walk.measure(place) == (len(ODD), sum(len(n.encode()) * i for i, n in enumerate(ODD)))


def test_a_sorter_sorts_what_it_spills() -> None:
    chance = random.Random(5)
    lines = ["".join(chance.choices("ab\u00e9\uffee\U0001f600", k=chance.randrange(1, 9))) for _ in range(5000)]
    sorter = Sorter(97)
    for line in lines:
        sorter.add(line)
    assert list(sorter.merged()) == sorted(lines)
    assert Sorter().empty and not list(Sorter().merged())


def test_a_spill_that_lost_bytes_is_no_shorter_list(monkeypatch: pytest.MonkeyPatch) -> None:
    sorter = Sorter(2)
    for line in "dcba":
        sorter.add(line)
    monkeypatch.setattr(spill.os, "pread", lambda *_: b"a\n")
    with pytest.raises(Unusable, match="cannot be read back"):
        list(sorter.merged())


@pytest.mark.parametrize("names", [("A/x", "a/X"), ("x/Stra\u00dfe", "x/STRASSE"), ("\u00e9", "\u00c9")])
def test_twins_far_apart_are_refused(place: Path, few: None, names: tuple[str, str]) -> None:
    for name in names:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"")
    for reader in (read_folder, stream_folder):
        with pytest.raises(TreeRefused, match="are one file on some systems"):
            reader(place)


def test_names_whose_hashes_collide_are_no_twins_but_not_taken_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_hashed", lambda _path: "0" * 16)
    entries = [TreeEntry(name, 0, False, bytes(32)) for name in "ab"]
    with pytest.raises(TreeRefused, match="looked at again"):
        stream.summarise(entries, lambda: iter("ab"), SHA256)


def test_folders_alike_with_different_files_are_no_twins(tmp_path: Path) -> None:
    for name in ("A/x", "a/y"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    assert stream_folder(tmp_path).digest == read_folder(tmp_path).digest


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"], ["a/b", "a-b"]])
def test_a_manifest_out_of_order_is_refused(names: list[str]) -> None:
    lines = "".join(TreeEntry(name, 0, False, bytes(32)).line() for name in names).encode()
    with pytest.raises(StatementRefused, match="sorted by path bytes"):
        stream_manifest(io.BytesIO(lines))


def test_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TreeRefused, match="no files"):
        stream_folder(tmp_path)
    with pytest.raises(TreeRefused, match="no files"):
        stream_manifest(io.BytesIO())


def test_an_endless_line_is_refused_before_it_is_read() -> None:
    class Endless(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None and 0 < size <= 1 << 16
            return b"[" * size

    with pytest.raises(StatementRefused, match="limit"):
        next(manifest_entries(Endless()))


PEAK = """
import resource, sys
from pathlib import Path
from countermark.artefact import folder, stream, walk
from countermark.artefact.tree import TreeEntry
count = int(sys.argv[1])
entries = (TreeEntry(f"folder-{i // 1000:06d}/Picture-{i % 1000:03d}.png", 4096, False, bytes(32)) for i in range(count))
print(stream.summarise(entries, lambda: (), stream.SHA256).files)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_number_of_files() -> None:
    def peak(count: int) -> int:
        out = subprocess.run([sys.executable, "-c", PEAK, str(count)], capture_output=True, check=True, text=True)
        files, megabytes = map(int, out.stdout.split())
        assert files == count
        return megabytes

    assert peak(300_000) - peak(1_000) < 40


def test_a_large_file_is_the_same_under_any_number_of_threads(tmp_path: Path) -> None:
    content = hashlib.shake_128(b"big").digest(9 * tree.CHUNK_BYTES + 77)
    (tmp_path / "model.bin").write_bytes(content)
    for profile in (SHA256, blake3_profile()):
        told = {stream_folder(tmp_path, profile=profile, threads=n).digest for n in (1, 2, 5)}
        entry = TreeEntry("model.bin", len(content), False, tree.bytes_root(content, profile))
        assert told == {tree.tree_of([entry], profile).digest}
