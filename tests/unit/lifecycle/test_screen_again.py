"""A second screening looks at what is new, says to the last bit what one from nothing says, and believes nothing forged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")
pytest.importorskip("PIL")
pytest.importorskip("sklearn")

import forged_kept
import made_up_parts
import many_deliveries
import numpy as np
from core_world import OWNER, World

from countermark.checks.data import _work, battery
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.first_pass import FIRST_LOOK
from countermark.lifecycle.screen import Screened, screen
from countermark.statement.statement import Statement
from countermark.workspace.kept import Kept

DATA = made_up_parts.stamped(made_up_parts.honest(0, classes=8, suppliers=5, makers=3, rows=6), "maker-03", "part-03")
NAMES = tuple(map(str, np.unique(DATA.supplier)))
LAST = NAMES[-1]
EVERY = battery.CHECKS


def facts(done: Screened) -> dict[str, object]:
    said = Statement.from_bytes(done.slip.envelope.payload).predicate["facts"]
    assert isinstance(said, dict)
    return said


def send(world: World, place: Path, name: str, half: int | None = None) -> None:
    rows = np.flatnonzero(DATA.supplier == name)
    rows = rows if half is None else rows[half::2]
    folder = many_deliveries.photographed(place / f"{name}-{half}", DATA, name, rows)
    many_deliveries.send(world, name, folder)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """All suppliers but the last have delivered everything, the last one half."""
    made = many_deliveries.join(tmp_path / "world", NAMES, np.unique(DATA.label))
    for name in NAMES[:-1]:
        send(made, tmp_path, name)
    send(made, tmp_path, LAST, 0)
    return made


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames learnt from these few rows are taken up, though they fit new rows badly; the slowest checks are left out."""
    quick = tuple(check for check in EVERY if check.id not in ("data/spectral", "data/frequency"))
    monkeypatch.setattr(battery, "CHECKS", quick)
    monkeypatch.setattr(_work, "LEAST_LEARNT", 100)
    monkeypatch.setattr(_work, "FALL", 0.5)


def kept_files(desk: Desk) -> list[Path]:
    return sorted((desk.space.home / "kept").glob("*.kept"))


def test_the_second_costs_the_new_delivery_and_says_what_one_from_nothing_says(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(battery, "CHECKS", EVERY)
    desk = world[OWNER]
    first = screen(desk, seed=3)
    old = len(first.rows)
    assert facts(first)["kept"][FIRST_LOOK] == {"computed": old, "read": 0}  # type: ignore[index]
    assert facts(first)["features"]["why"] == "first screening"  # type: ignore[index]
    send(world, tmp_path, LAST, 1)
    second = screen(desk, seed=3)
    new = len(second.rows) - old
    assert "why" not in facts(second)["features"]  # type: ignore[operator]
    assert new > 0
    for kind in (FIRST_LOOK, "features"):
        assert facts(second)["kept"][kind] == {"computed": new, "read": old}  # type: ignore[index]
    assert facts(second)["features"]["frame"] == facts(first)["features"]["frame"]  # type: ignore[index]
    for path in kept_files(desk):
        assert path.stat().st_mode & 0o777 == 0o600
        path.unlink()
    third = screen(desk, seed=3)
    assert facts(third)["kept"]["features"] == {"computed": old + new, "read": 0}  # type: ignore[index]
    assert (third.screening.row_p == second.screening.row_p).all()
    assert third.screening.findings == second.screening.findings
    assert third.screening.exhibits == second.screening.exhibits
    assert third.screening.suppliers == second.screening.suppliers and third.screening.cells == second.screening.cells
    assert third.flagged() == second.flagged() and third.screening.named == ("maker-03",)
    a, b = (facts(done) for done in (second, third))
    assert {k: v for k, v in a.items() if k != "kept"} == {k: v for k, v in b.items() if k != "kept"}


def test_refit_few_rows_and_another_seed_learn_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = world[OWNER]
    first = screen(desk, seed=3)
    again = screen(desk, seed=3, refit=True)
    assert facts(again)["features"]["why"] == "asked for"  # type: ignore[index]
    assert facts(again)["kept"][FIRST_LOOK]["read"] == 0  # type: ignore[index]
    assert facts(again)["features"]["frame"] == facts(first)["features"]["frame"]  # type: ignore[index]
    assert (again.screening.row_p == first.screening.row_p).all()
    monkeypatch.setattr(_work, "LEAST_LEARNT", 3200)
    assert "from 129 rows alone" in facts(screen(desk, seed=3))["features"]["why"]  # type: ignore[index]
    other = screen(desk, seed=4)
    assert "another seed" in facts(other)["features"]["why"]  # type: ignore[index]


def test_forged_kept_work_is_made_again(world: World) -> None:
    """The attack with a secret of one's own is seen; with the workspace's own it is not, and `refit` does not care."""
    desk = world[OWNER]
    first = screen(desk, seed=3)
    files = forged_kept.first_looks(desk.space.home / "kept")
    assert len(files) == len(NAMES)
    forged_kept.whiten(files[0], bytes(32))
    files[1].write_bytes(files[1].read_bytes()[:-1])  # cut short
    again = screen(desk, seed=3)
    assert (again.screening.row_p == first.screening.row_p).all()
    assert again.screening.findings == first.screening.findings
    seen = facts(again)["kept"][FIRST_LOOK]  # type: ignore[index]
    assert seen["computed"] > 0 and seen["read"] + seen["computed"] == len(first.rows)
    stolen = (desk.space.home / "keys" / "kept-work.secret").read_bytes()
    forged_kept.whiten(files[0], stolen)
    assert screen(desk, seed=3).screening.findings != first.screening.findings
    assert screen(desk, seed=3, refit=True).screening.findings == first.screening.findings


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_one_file_under_anothers_name_is_not_believed(world: World) -> None:
    store = Kept(world[OWNER].space)
    store.put("a", b"one")
    store.put("b", b"two")
    assert (store.get("a"), store.get("c"), store.refused) == (b"one", None, 0)
    folder = world[OWNER].space.home / "kept"
    (folder / "a.kept").write_bytes((folder / "b.kept").read_bytes())
    assert store.get("a") is None and store.refused == 1
    (folder / "a.kept").unlink()
    (folder / "a.kept").symlink_to(folder / "b.kept")
    assert store.get("a") is None
    (folder / "a.kept").unlink()
    os.mkfifo(folder / "a.kept")
    assert store.get("a") is None and store.refused == 3
    store.keep_only({"b"})
    assert store.get("b") == b"two" and [p.name for p in folder.glob("*.kept")] == ["b.kept"]


def test_a_frame_that_does_worse_is_learnt_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = world[OWNER]
    first = screen(desk, seed=3)
    monkeypatch.setattr(_work, "FALL", -2.0)  # no accuracy is good enough
    again = screen(desk, seed=3)
    assert "accuracy fell" in facts(again)["features"]["why"]  # type: ignore[index]
    assert (again.screening.row_p == first.screening.row_p).all()  # the same rows teach the same frame


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.screen import screen
from countermark.workspace.disk import Disk
from countermark.workspace.place import Workspace

class Dying(Disk):
    left = 3
    def write(self, path, data, *, mode=0o600):
        super().write(path, data, mode=mode)
        if path.suffix == ".kept":
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)

screen(Desk(Workspace(Path(sys.argv[1]), Dying()), sys.argv[2], lambda: datetime.fromisoformat(sys.argv[3])), seed=3)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_screening_goes_on_from_what_it_kept(world: World) -> None:
    desk = world[OWNER]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(desk.space.root), OWNER, world.clock().isoformat()], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert len(kept_files(desk)) == 3
    after = screen(desk, seed=3)
    seen = facts(after)["kept"][FIRST_LOOK]  # type: ignore[index]
    assert seen["read"] > 0 and seen["computed"] > 0 and seen["read"] + seen["computed"] == len(after.rows)


def test_a_secret_that_others_can_read_is_refused(world: World) -> None:
    from countermark.errors import Unusable

    Kept(world[OWNER].space)
    (world[OWNER].space.home / "keys" / "kept-work.secret").chmod(0o644)
    with pytest.raises(Unusable, match="others"):
        Kept(world[OWNER].space)
