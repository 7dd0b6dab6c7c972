"""Two processes at one door, and a disk that is really full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from core_world import OTHER, OWNER, World
from soundness import desk_at, nothing_half, whole_again

from countermark.errors import Unusable
from countermark.lifecycle.deliveries import received
from countermark.lifecycle.receive import receive

CHILD = """
import sys
from pathlib import Path
from core_world import Clock
from soundness import desk_at
from countermark.lifecycle.receive import receive
desk = desk_at(Path(sys.argv[1]), Clock())
sys.stdin.readline()
for folder in sys.argv[2:]:
    print(receive(desk, Path(folder)).state)
"""


def crowd(world: World, *handed: list[Path]) -> list[str]:
    """Processes that begin at one word; what they said, in order of process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(world.root / OWNER), *map(str, folders)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for folders in handed
    ]  # fmt: skip
    for child in running:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = []
    for child in running:
        out, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
        said += out.split()
    return said


def test_two_processes_receive_the_same_delivery(world: World) -> None:
    folder, piece = world.delivered()
    assert crowd(world, [folder], [folder]) == ["admitted"] * 2
    desk = desk_at(world.root / OWNER, world.clock)
    nothing_half(desk, [piece])
    whole_again(desk, [folder], [piece])


def test_two_processes_receive_different_deliveries(world: World) -> None:
    """Of two suppliers, each process beginning with another one; both end up with both."""
    one = world.delivered()
    other = world.delivered(world.parts("bolts", classes=("bolt",)), by=OTHER)
    folders = [one[0], other[0]]
    assert crowd(world, folders, folders[::-1]) == ["admitted"] * 4
    whole_again(desk_at(world.root / OWNER, world.clock), folders, [one[1], other[1]])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path / "world")


def mount_small(place: Path) -> bool:
    """A file system of four megabytes at `place`, where this user may mount one."""
    place.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_full_disk_is_said_and_loses_nothing(world: World, tmp_path: Path) -> None:
    small = tmp_path / "small"
    if not mount_small(small):
        pytest.skip("only root may mount a small disk; tests/e2e/test_crash_receive.py has a twin that is full")
    try:
        first, kept = world.delivered(world.parts("first"))
        folder = world.parts("second", each=5)
        (folder / "nut" / "large.png").write_bytes(os.urandom(3500 << 10))
        _, piece = world.delivered(folder)
        root = small / OWNER
        shutil.copytree(world.root / OWNER, root)
        desk = desk_at(root, world.clock)
        receive(desk, first)
        with pytest.raises(Unusable, match="cannot write") as caught:
            receive(desk, folder)
        assert "No space left" in caught.value.why and "free some space" in caught.value.mend
        nothing_half(desk, [kept])
        assert [r.state for r in received(desk)] == ["admitted"]
        assert list((root / ".countermark" / "incoming").iterdir()) == [], "the half copy does not keep the disk full"
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        whole_again(desk, [first, folder], [kept, piece])
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
