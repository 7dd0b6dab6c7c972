"""A party's folder: locks, objects, durable writes, and what stands in their way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from countermark import canonical
from countermark.errors import NothingToVerify, StatementRefused, Unusable
from countermark.workspace.disk import Disk
from countermark.workspace.place import FOLDERS, Workspace

PARTY = {"id": "acme", "name": "Acme", "organisation": "Acme Ltd"}


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "acme", PARTY)


def test_a_workspace_is_private_and_complete(space: Workspace) -> None:
    assert space.party() == PARTY
    assert {p.name for p in space.home.iterdir() if p.is_dir()} == set(FOLDERS)
    for path in space.home.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_workspace_stays_where_it_is_when_the_process_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = Workspace.create(Path("acme"), PARTY)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert space.party() == PARTY and space.home == tmp_path / "acme" / ".countermark"


def test_objects_are_known_by_their_digest(space: Workspace) -> None:
    digest = space.put(b"bytes")
    assert space.put(b"bytes") == digest == canonical.sha256_hex(b"bytes")
    assert space.get(digest) == b"bytes"
    with pytest.raises(NothingToVerify):
        space.get("0" * 64)


def test_an_object_changed_on_disk_is_refused(space: Workspace) -> None:
    digest = space.put(b"bytes")
    path = space.home / "objects" / digest[:2] / digest[2:]
    path.write_bytes(b"other")
    with pytest.raises(StatementRefused, match="changed on disk"):
        space.get(digest)


@pytest.mark.parametrize("digest", ["", "../../party.json", "0" * 63, "A" * 64, "0" * 64 + "/..", "\u0660" * 64])
def test_only_digests_name_objects(space: Workspace, digest: str) -> None:
    with pytest.raises(StatementRefused):
        space.get(digest)


@pytest.mark.parametrize("data", [None, b"", b"[]", b'{"id":1}', b'{"id":"\\u001b","name":"","organisation":""}'])
def test_a_damaged_party_file_is_said(space: Workspace, data: bytes | None) -> None:
    path = space.home / "party.json"
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises((StatementRefused, Unusable)):
        space.party()


HOLD = """
import sys
from pathlib import Path
from countermark.workspace.place import Workspace
with Workspace(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_waits_or_is_told(space: Workspace) -> None:
    command = [sys.executable, "-c", HOLD, str(space.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Unusable, match="in use by another process"), space.lock(wait=False):
            pass
        with space.lock("mark.lock", wait=False):
            pass
        child.kill()
    with space.lock(wait=False):
        pass


def test_the_holder_may_enter_again_and_threads_wait(space: Workspace) -> None:
    order: list[str] = []

    def other() -> None:
        with space.lock():
            order.append("other")

    thread = threading.Thread(target=other)
    with space.lock():
        with space.lock():
            thread.start()
        with pytest.raises(Unusable), Workspace(space.root).lock(wait=False):
            pass
        thread.join(0.1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]


def test_writes_replace_and_leave_nothing_behind(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / ("n" * 255)
    disk.write(path, b"one")
    disk.write(path, b"two", mode=0o644)
    assert path.read_bytes() == b"two" and os.listdir(tmp_path) == [path.name]
    with pytest.raises(Unusable):
        disk.add(path, b"three")
    assert path.read_bytes() == b"two"


def test_a_write_that_cannot_be_keeps_the_old(tmp_path: Path) -> None:
    disk = Disk()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_bytes(b"")
    for target in (tmp_path / "nowhere" / "x", tmp_path / "folder"):
        with pytest.raises(Unusable, match="cannot write") as caught:
            disk.write(target, b"data")
        assert "nothing was lost" in caught.value.mend
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    disk = Disk()
    deep = disk.folder(tmp_path / "a" / "b" / "c")
    assert deep.is_dir() and disk.folder(deep) == deep
    disk.discard(tmp_path / "a")
    disk.discard(tmp_path / "a")
    assert disk.folder(deep).is_dir(), "a folder that was discarded is made again"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unusable):
        disk.folder(tmp_path / "file")


def test_sweeping_removes_only_what_calls_left(tmp_path: Path) -> None:
    (tmp_path / ".0123.tmp").write_bytes(b"")
    (tmp_path / ".4567.gone" / "deep").mkdir(parents=True)
    (tmp_path / "kept.tmp").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"")
    Disk().sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"kept.tmp", ".hidden"}


def test_moving_onto_a_full_folder_is_refused(tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(name.encode())
    with pytest.raises(Unusable):
        Disk().move(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target" / "x").read_bytes() == b"target"
