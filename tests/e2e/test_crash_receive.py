"""One receive, stopped at every single step: by power loss, by a kill, and by a disk that fails."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_world import OWNER, World
from forgetful import ForgetfulDisk, ForgetfulOsDisk, Platter, PowerLost
from soundness import desk_at, nothing_half, whole_again

from countermark.errors import Unusable
from countermark.ledger.stores.files import FileStore
from countermark.lifecycle.parcel import Parcel
from countermark.lifecycle.receive import receive

EVERY = pytest.mark.parametrize(
    "stride", [pytest.param(16, id="some-steps"), pytest.param(1, id="every-step", marks=pytest.mark.slow)]
)


class Bench:
    """A project with one delivery under way; every try begins from a copy of the owner's workspace."""

    def __init__(self, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tmp, self.patch = tmp, monkeypatch
        self.world = World.make(tmp / "world")
        folder, piece = self.world.delivered(self.world.parts(each=1))
        self.folder: Path = folder
        self.piece: Parcel = piece

    def attempt(self, name: str, **trouble: object) -> tuple[Path, Platter]:
        """Receive on a copy of the workspace until the trouble comes; the copy and its platter."""
        root = self.tmp / name
        shutil.copytree(self.world.root / OWNER, root)
        platter = Platter(root, **trouble)  # type: ignore[arg-type]
        self.patch.setattr(FileStore, "at", lambda folder: FileStore(ForgetfulOsDisk(folder, platter)))
        try:
            receive(desk_at(root, self.world.clock, ForgetfulDisk(platter)), self.folder)
        finally:
            self.patch.undo()
        return root, platter

    def interrupted(self, name: str, **trouble: object) -> tuple[Path, Platter]:
        platters: list[Platter] = []
        made = Platter.__init__

        def keep(self_: Platter, *args: object, **named: object) -> None:
            made(self_, *args, **named)  # type: ignore[arg-type]
            platters.append(self_)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Platter, "__init__", keep)
            with contextlib.suppress(PowerLost):
                self.attempt(name, **trouble)
        return self.tmp / name, platters[0]

    def check(self, root: Path) -> None:
        desk = desk_at(root, self.world.clock)
        nothing_half(desk, [self.piece])
        whole_again(desk, [self.folder], [self.piece])
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many steps one receive takes."""
    with pytest.MonkeyPatch.context() as patch:
        _, platter = Bench(tmp_path_factory.mktemp("count"), patch).attempt("whole")
    platter.close()
    assert platter.steps > 60
    return platter.steps


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    yield Bench(tmp_path, monkeypatch)


@EVERY
@pytest.mark.parametrize("kept", [0.0, 0.5], ids=["forgets-all", "forgets-some"])
def test_power_lost_at_every_step(bench: Bench, steps: int, stride: int, kept: float) -> None:
    """The first try is the power cut right after `receive` returned: what was promised is still there."""
    for at in range(steps, -1, -stride):
        root, platter = bench.interrupted(f"at{at}", stop_at=at)
        after = bench.tmp / f"after{at}"
        platter.survivors(after, random.Random(at), kept)
        platter.close()
        shutil.rmtree(root)
        bench.check(after)


@EVERY
def test_killed_at_every_step(bench: Bench, steps: int, stride: int) -> None:
    """A kill keeps what was written, synced or not."""
    for at in range(steps - 1, -1, -stride):
        root, platter = bench.interrupted(f"at{at}", stop_at=at)
        platter.close()
        bench.check(root)


@EVERY
@pytest.mark.parametrize("late", [False, True], ids=["not-done", "done-all-the-same"])
def test_a_disk_that_fails_at_every_step(bench: Bench, steps: int, stride: int, late: bool) -> None:
    """Full for one operation: a clear error or, where it did not matter, an answer; then it goes on."""

    def full() -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for at in range(steps - 1, -1, -stride):
        try:
            bench.attempt(f"at{at}", stop_at=at, trouble=full, late=late)[1].close()
        except Unusable as error:
            assert error.exit_code == 2 and error.mend and "No space left" in str(error)
        bench.check(bench.tmp / f"at{at}")


def test_what_was_answered_survives_the_power_cut(bench: Bench) -> None:
    root, platter = bench.attempt("whole")
    platter.survivors(bench.tmp / "after", random.Random(0), 0.0)
    platter.close()
    desk = desk_at(bench.tmp / "after", bench.world.clock)
    again = receive(desk, bench.folder)
    assert again.state == "admitted" and root.exists()
    assert again.answer == receive(desk_at(root, bench.world.clock), bench.folder).answer
