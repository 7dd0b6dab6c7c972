"""The room of a run under seal: private, one run at a time, and gone afterwards, whatever became of the run before."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from countermark.errors import SandboxRefused, Unusable
from countermark.keys.signer import generate
from countermark.lifecycle import seal, under_seal
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.under_seal import UnderSeal, room
from countermark.seal.manifest import by_keys
from countermark.workspace.place import Workspace

OWNER = generate("statement")
RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_under_seal_room as here
with here.room(here.desk(Path(sys.argv[2])), here.under(Path(sys.argv[3]))) as made:
    (made.folder / "photos").mkdir()
    (made.folder / "photos/a.png").write_bytes(b"secret")
    print("in it", flush=True)
    sys.stdin.read()
"""


def desk(root: Path) -> Desk:
    (root / ".countermark").mkdir(parents=True, exist_ok=True)
    return Desk(Workspace(root), "trainer", lambda: datetime.now(UTC))


def under(place: Path, **more: Any) -> UnderSeal:
    place.mkdir(exist_ok=True)
    reader, sealer = seal.Reader(by_keys([OWNER.public])), seal.Sealer([OWNER], "", "2026-11-27T00:00:00Z")
    return UnderSeal(
        frozenset({"photos"}), reader, lambda *_: bytearray(32), (), sealer, "", "", place, **{"at_rest": True, **more}
    )


def running(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, with plaintext in its room."""
    words = [sys.executable, "-c", RUN, str(Path(__file__).parent), str(tmp_path / "w"), str(tmp_path / "memory")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"in it\n"
    return process


def test_nothing_is_left_when_a_run_is_over(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    with room(desk(tmp_path / "w"), under(memory)) as made:
        assert made.folder.parent == memory and made.folder.stat().st_mode & 0o777 == 0o700
        (made.folder / "out").mkdir()
        (made.folder / "out/weights").write_bytes(b"secret")
    assert not list(memory.iterdir())
    with pytest.raises(ZeroDivisionError), room(desk(tmp_path / "w"), under(memory)) as made:
        (made.folder / "weights").write_bytes(b"secret")
        raise ZeroDivisionError
    assert not list(memory.iterdir())


def test_nor_of_one_that_was_killed_before(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    killed = running(tmp_path)
    killed.kill()
    killed.communicate()
    assert [path.name for path in memory.rglob("*.png")] == ["a.png"]
    with room(desk(tmp_path / "w"), under(memory)) as made:
        assert not list(made.folder.iterdir())
    assert not list(memory.iterdir())


def test_two_runs_of_one_workspace_do_not_clear_each_others_room(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    alive = running(tmp_path)
    with pytest.raises(Unusable, match="in use"), room(desk(tmp_path / "w"), under(memory)):
        raise AssertionError
    with room(desk(tmp_path / "other"), under(memory)) as made:
        assert not list(made.folder.iterdir())
    assert [path.name for path in memory.rglob("*.png")] == ["a.png"]
    alive.communicate()
    assert alive.returncode == 0 and not list(memory.iterdir())


def test_a_refused_run_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = under_seal.exposure.Way("swap on /dev/sda2 is not encrypted", "swapoff")
    monkeypatch.setattr(under_seal.exposure, "ways", lambda _host: (way,))
    memory = tmp_path / "memory"
    with pytest.raises(SandboxRefused, match="could reach"), room(desk(tmp_path / "w"), under(memory, at_rest=False)):
        raise AssertionError
    assert not list(memory.iterdir())


def test_a_folder_that_others_can_read_is_neither_used_nor_removed(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    with room(desk(tmp_path / "w"), under(memory)) as made:
        name = made.folder
    name.mkdir()
    name.chmod(0o755)
    with pytest.raises(Unusable, match="not a private folder"), room(desk(tmp_path / "w"), under(memory)):
        raise AssertionError
    assert name.is_dir()
