"""Making a broker: all of it or none, whoever is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from countermark.broker.home import CONFIG, Home
from countermark.errors import Unusable

NO_PIN = lambda: None  # noqa: E731
STEPS = 40


def made(folder: Path) -> Home:
    return Home.make(folder, "vault", "", NO_PIN, lambda home: None)


def test_a_broker_that_was_made_opens(tmp_path: Path) -> None:
    home = made(tmp_path / "broker")
    again = Home.open(tmp_path / "broker")
    assert (again, again.public(NO_PIN), again.log_key()) == (home, home.public(NO_PIN), home.log_key())
    with again.log() as log, again.meter_log() as meters:
        assert not list(log.records()) and not list(meters.records())
    assert [path.name for path in tmp_path.iterdir()] == ["broker"]
    with pytest.raises(Unusable, match="there is a broker"):
        made(tmp_path / "broker")


def test_what_lies_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "mine").write_text("x")
    with pytest.raises(Unusable, match="is not empty"):
        made(tmp_path / "broker")
    (tmp_path / "broker" / "mine").unlink()
    made(tmp_path / "broker")


def test_public_halves_are_there_before_the_broker_is(tmp_path: Path) -> None:
    seen = []
    Home.make(
        tmp_path / "broker",
        "vault",
        "",
        NO_PIN,
        lambda home: seen.append((home.log_key(), (tmp_path / "broker").exists())),
    )
    assert seen == [(Home.open(tmp_path / "broker").log_key(), False)]


def test_killed_at_any_step_it_is_made_again(tmp_path: Path) -> None:
    """A real process that dies when it opens its n-th file or folder for writing, renames or syncs it."""
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from countermark.broker.home import Home
        left = [int(sys.argv[2])]
        def hook(event, args):
            if event in ("os.rename", "os.mkdir") or (event == "open" and len(args) > 2 and (args[2] or 0) & os.O_CREAT):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        Home.make(Path(sys.argv[1]), "vault", "", lambda: None, lambda home: None)
    """)
    killed, step, folder = 0, 0, tmp_path / "broker"
    while step < STEPS:
        done = subprocess.run([sys.executable, "-c", program, str(folder), str(step)], env={**os.environ}, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        killed += 1
        assert not folder.exists() or (folder / CONFIG).exists(), f"half a broker after {step} steps"
        if folder.exists():
            break
        step += 3
    assert killed > 3
    if not folder.exists():
        made(folder)
    Home.open(folder).public(NO_PIN)
