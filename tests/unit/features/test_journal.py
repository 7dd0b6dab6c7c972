"""A journalled run: killed for real at any point, it goes on and ends with the same bits; damage costs its batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from countermark.engines.engine import InProcess, Threads
from countermark.errors import FormatRefused
from countermark.features import arrow
from countermark.features.arrow import batch_of
from countermark.features.journal import Journal, resumed
from countermark.features.pass_one import PassOne
from countermark.features.patches import PatchFeatures

BATCHES, ROWS = 12, 20


def run() -> tuple[PassOne, list[pa.RecordBatch]]:
    rng = np.random.default_rng(11)
    images = rng.integers(0, 256, (BATCHES * ROWS, 64, 64, 3)).astype(np.uint8)
    batches = []
    for at in range(0, len(images), ROWS):
        ids = [f"r{at + i}" for i in range(ROWS)]
        pixels = [image.tobytes() for image in images[at : at + ROWS]]
        batches.append(batch_of(ids, ["acme"] * ROWS, ["nut"] * ROWS, pixels, "pixels"))
    return PassOne(PatchFeatures.fit(images[:40], seed=0).words), batches


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_journal import run
from countermark.engines.engine import Threads
from countermark.features.journal import Journal, resumed
function, batches = run()
for done, _ in enumerate(resumed(Threads(2), function, batches, Journal(Path(sys.argv[1]))), 1):
    print(done, flush=True)
    time.sleep(0.05)
"""


@pytest.mark.parametrize("after", [1, 5])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path, after: int) -> None:
    function, batches = run()
    plain = [arrow.to_bytes(function(b)) for b in batches]
    command = [sys.executable, "-c", KILLED, str(tmp_path / "journal"), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() != str(after):
            assert child.poll() is None
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    told: list[tuple[int, int]] = []
    journal = Journal(tmp_path / "journal")
    again = resumed(InProcess(), function, batches, journal, lambda done, kept: told.append((done, kept)))
    assert [arrow.to_bytes(b) for b in again] == plain
    assert told[-1][0] == BATCHES and after <= told[-1][1] < BATCHES


class Counting:
    """Doubles a column, and counts how often it was asked."""

    def __init__(self, digest: str = "d") -> None:
        self.digest, self.asked = digest, 0

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.asked += 1
        return pa.RecordBatch.from_pydict({"x": [2 * x for x in batch.column("x").to_pylist()]})


def numbers(*starts: int) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pydict({"x": [start, start + 1]}) for start in starts]


def doubled(batches: list[pa.RecordBatch]) -> list[int]:
    return [b.column("x")[0].as_py() // 2 for b in batches]


def test_what_was_done_is_not_done_again_wherever_it_stands(tmp_path: Path) -> None:
    journal, function = Journal(tmp_path / "j"), Counting()
    assert doubled(list(resumed(InProcess(), function, numbers(1, 2, 3), journal))) == [1, 2, 3]
    assert doubled(list(resumed(Threads(2), function, numbers(9, 3, 8, 1, 2, 2), journal))) == [9, 3, 8, 1, 2, 2]
    assert function.asked == 5
    list(resumed(InProcess(), other := Counting("another version"), numbers(1), journal))
    assert other.asked == 1


def test_a_damaged_result_is_computed_again(tmp_path: Path) -> None:
    journal, function = Journal(tmp_path / "j"), Counting()
    list(resumed(InProcess(), function, numbers(1, 2), journal))
    path = next((tmp_path / "j").glob("*.batch"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FormatRefused, match="damaged"):
        journal.read(path.stem)
    assert doubled(list(resumed(InProcess(), function, numbers(1, 2), journal))) == [1, 2]
    assert function.asked == 3 and journal.has(path.stem)


def test_it_is_private_and_leftovers_are_swept(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    list(resumed(InProcess(), Counting(), numbers(1), journal))
    (tmp_path / "j" / ".0123.tmp").write_bytes(b"half")
    Journal(tmp_path / "j")
    found = list((tmp_path / "j").iterdir())
    assert [p.suffix for p in found] == [".batch"]
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o700 and found[0].stat().st_mode & 0o777 == 0o600


def test_an_error_of_the_function_keeps_what_was_done(tmp_path: Path) -> None:
    class Breaking(Counting):
        def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
            if batch.column("x")[0].as_py() == 3:
                raise ArithmeticError("three")
            return super().__call__(batch)

    journal = Journal(tmp_path / "j")
    with pytest.raises(ArithmeticError, match="three"):
        list(resumed(InProcess(), Breaking(), numbers(1, 2, 3, 4), journal))
    list(resumed(InProcess(), after := Counting(), numbers(1, 2, 3, 4), journal))
    assert after.asked == 2
