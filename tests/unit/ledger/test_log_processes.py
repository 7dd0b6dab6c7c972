"""Real processes: one is killed while it appends, two want to write at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from countermark.errors import Unusable
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.stores.files import FileStore

SCRIPT = Path(__file__).parents[3] / "attacks" / "ledger_kill.py"
HOLDER = """
import sys
from pathlib import Path
from countermark.ledger.stores.files import FileStore
with FileStore.at(Path(sys.argv[1])).lock(0.0):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_sixty_kills_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--times", "60", "--seed", "7"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "60 kills" in done.stdout


def test_one_kill_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--times", "1", "--seed", "3"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_second_process_is_refused_or_waits(tmp_path: Path, key: NoteKey, sign: Callable[[bytes], bytes]) -> None:
    folder = tmp_path / "ledger"
    Log.create(FileStore.at(folder), key, sign).close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Unusable, match="another process"):
            Log.open(FileStore.at(folder), key, sign)
        with pytest.raises(Unusable, match="another process"):
            Log.open(FileStore.at(folder), key, sign, wait_s=0.05)
        holder.kill()
        with Log.open(FileStore.at(folder), key, sign, wait_s=20.0) as log:
            assert log.append([b"after"])[0].index == 0
