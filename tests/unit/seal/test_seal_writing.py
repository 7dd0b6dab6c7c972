"""Sealing is whole or did not happen: full disks, crashes, changing files, links; and a list keeps every addition."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import seal_world

from countermark.errors import CountermarkError, StatementRefused, TreeRefused, Unusable
from countermark.lifecycle import seal
from countermark.seal import hpke, writer
from countermark.workspace.disk import Disk


class Failing(Disk):
    """Fails at the n-th primitive that changes the disk."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.ENOSPC, "no space")

    def _fill(self, *args: Any) -> None:
        self._count()
        super()._fill(*args)

    def _rename(self, *args: Any) -> None:
        self._count()
        super()._rename(*args)

    def _sync_folder(self, *args: Any) -> None:
        self._count()
        super()._sync_folder(*args)

    def _sync_files(self, *args: Any) -> None:
        self._count()
        super()._sync_files(*args)


@pytest.fixture
def world(tmp_path: Path) -> seal_world.World:
    return seal_world.make(tmp_path / "world")


def sealed(world: seal_world.World, source: Path, target: Path, disk: Disk | None = None) -> None:
    seal.seal(source, target, [hpke.HpkeRecipient("plant-7", world.plant.public)], world.sealer, kind="model",
              form=writer.Form(chunk=4096), disk=disk)  # fmt: skip


def test_a_disk_that_fails_leaves_nothing_that_opens(world: seal_world.World, tmp_path: Path) -> None:
    source, finished = world.sealed.parent / "model", 0
    for at in range(1, 40):
        folder = tmp_path / f"at{at}"
        folder.mkdir()
        disk = Failing(at)
        try:
            sealed(world, source, folder / "m.cmsealed", disk)
        except Unusable:
            assert not list(folder.iterdir()), at
            continue
        assert disk.left > 0
        finished += 1
    assert finished and finished < 39


def test_a_list_that_cannot_be_written_stays_as_it_was(world: seal_world.World) -> None:
    before = world.part(seal.RECIPIENTS).read_bytes()
    other = hpke.HpkeRecipient("new", hpke.generate().public)
    for at in (1, 2, 3):
        with pytest.raises(Unusable):
            seal.add(world.sealed, other, world.plant, world.reader, world.sealer, disk=Failing(at))
        assert world.part(seal.RECIPIENTS).read_bytes() == before
        assert not list(world.sealed.parent.glob(".*.tmp"))


def test_who_add_at_once_lose_nothing(world: seal_world.World) -> None:
    def add(number: int) -> None:
        one = hpke.HpkeRecipient(f"other-{number}", hpke.generate(hpke.P256).public)
        seal.add(world.sealed, one, world.plant, world.reader, world.sealer)

    before = world.sealed.stat()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    handle = seal.verified(world.sealed, world.reader)
    assert len(handle.recipients.names) == 14 and handle.recipients.version == 13
    after = world.sealed.stat()
    assert (before.st_mtime_ns, before.st_ino, before.st_size) == (after.st_mtime_ns, after.st_ino, after.st_size)


def test_only_the_sealer_changes_the_list(world: seal_world.World) -> None:
    from countermark.keys.signer import generate
    from countermark.seal.manifest import by_keys

    other = generate("statement")
    both = seal.Reader(by_keys([world.owner.public, other.public]))
    with pytest.raises(Unusable, match="who sealed this file"):
        seal.remove(world.sealed, "plant-8", both, seal.Sealer([other], "", seal_world.ISSUED))
    with pytest.raises(CountermarkError):
        seal.remove(world.sealed, "plant-8", world.reader, seal.Sealer([other], "", seal_world.ISSUED))
    assert world.taken()


def test_a_file_that_changes_meanwhile_is_refused(world: seal_world.World, tmp_path: Path) -> None:
    source = tmp_path / "growing"
    source.mkdir()
    (source / "a").write_bytes(bytes(50_000))
    (source / "b").write_bytes(bytes(50_000))
    for number, change in enumerate((b"longer" * 20_000, b"short", b"x" * 50_000)):

        def grow(files: int, size: int, change: bytes = change) -> None:
            if files == 1:
                (source / "b").write_bytes(change)

        target = tmp_path / f"g{number}.cmsealed"
        (source / "b").write_bytes(bytes(50_000))
        if len(change) == 50_000:  # before it is opened, of the same size: simply what is sealed
            seal.seal(
                source,
                target,
                [hpke.HpkeRecipient("plant-7", world.plant.public)],
                world.sealer,
                kind="other",
                progress=grow,
            )
            continue
        with pytest.raises(TreeRefused, match="changed while it was sealed"):
            seal.seal(
                source,
                target,
                [hpke.HpkeRecipient("plant-7", world.plant.public)],
                world.sealer,
                kind="other",
                progress=grow,
            )
        assert not list(tmp_path.glob(".*.tmp")) and not target.exists()


def test_links_and_odd_folders_are_refused(world: seal_world.World, tmp_path: Path) -> None:
    source = tmp_path / "odd"
    source.mkdir()
    with pytest.raises(TreeRefused):
        sealed(world, source, tmp_path / "x.cmsealed")
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(TreeRefused):
        sealed(world, source, tmp_path / "x.cmsealed")
    os.mkfifo(source / "pipe")
    (source / "link").unlink()
    with pytest.raises(TreeRefused):
        sealed(world, source, tmp_path / "x.cmsealed")
    (source / "pipe").unlink()
    (source / "a").write_bytes(b"a")
    (tmp_path / "y.cmsealed").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable, match="exists"):
        sealed(world, source, tmp_path / "y.cmsealed")
    assert not (tmp_path / "elsewhere").exists() and not (tmp_path / "x.cmsealed").exists()


def test_recipients_are_tried_before_hours_of_work(world: seal_world.World, tmp_path: Path) -> None:
    source = world.sealed.parent / "model"
    one = hpke.HpkeRecipient("a", world.plant.public)
    for to, licences in (([], {}), ([one, one], {}), ([one], {"b": "ab" * 32}), ([one], {"a": "no digest"})):
        with pytest.raises((StatementRefused, Unusable)):
            seal.seal(source, tmp_path / "x.cmsealed", to, world.sealer, kind="model", licences=licences)
        assert not list(tmp_path.glob("*.cmsealed*")) and not list(tmp_path.glob(".*.tmp"))


def test_sealing_takes_the_memory_of_a_few_chunks(tmp_path: Path) -> None:
    """A file of 200 MB beside a limit that a copy of it would cross."""
    code = f"""
import resource, sys
from pathlib import Path
from countermark.keys.signer import generate
from countermark.lifecycle import seal
from countermark.seal import hpke, manifest
owner, mine, place = generate("statement"), hpke.generate(), Path({str(tmp_path)!r})
with (place / "big").open("wb") as file:
    file.truncate(200 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seal.seal(place / "big", place / "big.cmsealed", [hpke.HpkeRecipient("me", mine.public)], seal.Sealer([owner], "", {seal_world.ISSUED!r}), kind="other")
reader = seal.Reader(manifest.by_keys([owner.public]))
seal.check(place / "big.cmsealed", reader)
with seal.opened(place / "big.cmsealed", reader, mine) as files:
    seal.extract(files, place / "out")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 << 10, "kilobytes"  # resource gives kilobytes on Linux
    assert (tmp_path / "out").stat().st_size == 200 << 20
