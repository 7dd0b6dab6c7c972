"""Kill a training run at random moments, and check what it left behind.

    python attacks/core/kill_train.py --times 50 --seed 1

Each round a child runs `train` (an unchanged script, in the sandbox where there is one) and the parent kills it with
SIGKILL after a random time. Afterwards there is either no model, or a whole one with its signed statement; the script
itself must have died with its parent; and a run that is left alone gives the same model bytes as ever.
Exit code 0 when everything held.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core_world import OWNER, Clock, World
from soundness import desk_at

from countermark.artefact.folder import read_folder
from countermark.lifecycle import train
from countermark.lifecycle.desk import read_envelope
from countermark.statement.statement import Statement

SCRIPT = """
import hashlib, pathlib, time
total = hashlib.sha256()
for path in sorted(pathlib.Path("data/train").glob("*/*")):
    total.update(path.read_bytes())
out = pathlib.Path("out")
(out / "half.bin").write_bytes(b"half")
time.sleep(0.05)
(out / "half.bin").unlink()
(out / "model.bin").write_bytes(total.digest() * 1000)
(out / "metrics.json").write_text('{"rows": 1}')
"""
RECIPE = """
format = 1
name = "killed"
[code]
files = ["train.py"]
[inputs]
train = "data/train"
[output]
folder = "out"
model = "model.bin"
metrics = "metrics.json"
"""
COMMAND = ("python", "train.py")


def project(root: Path) -> tuple[World, Path]:
    """A world whose owner also trains, and a folder with recipe, script and data."""
    world = World.make(root / "world")
    home = root / "home"
    for label in ("nut", "screw"):
        folder = home / "data" / "train" / label
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.png").write_bytes(f"{label}{number}".encode() * 50)
    (home / "train.py").write_text(SCRIPT)
    (home / "recipe.toml").write_text(RECIPE)
    return world, home


def train_once(owner: Path, home: Path) -> None:
    """The child: train, and say so."""
    print("open", flush=True)
    done = train.train(desk_at(owner, Clock()), home / "recipe.toml", COMMAND, home / "model", allow_plain=True)
    print(done.tree.digest, flush=True)


def kill_once(owner: Path, home: Path, seconds: float) -> None:
    command = [sys.executable, __file__, "--child", str(owner), str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        child.stdout.read()


def whole_or_absent(home: Path, expected: str | None) -> bool:
    """True where a model lies there, whole and with its statement."""
    model = home / "model"
    if not model.exists():
        return False
    tree = read_folder(model)
    said = Statement.from_bytes(read_envelope(train.beside(model)).payload)
    assert said.digest == tree.digest, "a statement about another model lies beside it"
    assert {e.path for e in tree.entries} == {"model.bin", "metrics.json"}, "half a model"
    assert expected is None or tree.digest == expected, "the same inputs gave another model"
    return True


def run(root: Path, times: int, seed: int) -> int:
    """The whole attack; returns how many kills came before the model was there."""
    chance = random.Random(seed)
    world, home = project(root)
    owner = world.root / OWNER
    begin = time.monotonic()
    first = train.train(desk_at(owner, Clock()), home / "recipe.toml", COMMAND, home / "first", allow_plain=True)
    longest, hits = time.monotonic() - begin, 0
    for _ in range(times):
        kill_once(owner, home, chance.random() * longest * 1.2)
        if not whole_or_absent(home, first.tree.digest):
            hits += 1
        else:
            _remove(home / "model")
    last = train.train(desk_at(owner, Clock()), home / "recipe.toml", COMMAND, home / "model", allow_plain=True)
    assert last.tree.digest == first.tree.digest
    left = list((owner / ".countermark" / "runs").iterdir())
    assert not left, f"stages are left behind: {left}"
    return hits


def _remove(model: Path) -> None:
    for path in model.iterdir():
        path.unlink()
    model.rmdir()
    train.beside(model).unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        train_once(*given.child)
        return
    with tempfile.TemporaryDirectory() as name:
        hits = run(Path(name), given.times, given.seed)
    print(f"{given.times} kills, {hits} before the model was there; everything held")


if __name__ == "__main__":
    main()
