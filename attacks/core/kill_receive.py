"""Kill a process that receives deliveries, at random moments, and check what it left behind.

    python attacks/core/kill_receive.py --times 200 --seed 1

One project lives through all the kills. Each round a child receives every delivery that is there, in a loop; the
parent kills it with SIGKILL after a random time, then checks that what can be read is whole and that every receipt
holds. Now and then the supplier delivers more. In the end everything is received once more: each delivery must be
admitted once, entered once and answered once, and nothing half may lie about. Exit code 0 when everything held.
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
from soundness import desk_at, nothing_half, whole_again

from countermark.lifecycle.parcel import Parcel
from countermark.lifecycle.receive import receive


def receive_for_ever(owner: Path, folders: list[Path]) -> None:
    """The child: receive what is there, say so, begin again."""
    print("open", flush=True)
    while True:
        for folder in folders:
            answer = receive(desk_at(owner, Clock()), folder)
            print(answer.state, folder.name, flush=True)


def kill_once(owner: Path, folders: list[Path], chance: random.Random) -> list[str]:
    """Run a child, kill it 0 to 120 ms after it began to work, return what it said."""
    command = [sys.executable, __file__, "--child", str(owner), *map(str, folders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.random() * 0.12)
        child.send_signal(signal.SIGKILL)
        return child.stdout.read().splitlines()


def promised(said: list[str], owner: Path) -> None:
    """Whatever the child was told to be admitted is admitted still."""
    names = {line.split()[1] for line in said if line.startswith("admitted ")}
    kept = {p.name for p in (owner / ".countermark" / "deliveries").iterdir()}
    assert len(kept) >= len(names), (names, kept)


def run(root: Path, times: int, seed: int, per_delivery: int = 8) -> int:
    """The whole attack; returns the number of kills that hit a receive before it had answered."""
    chance, world = random.Random(seed), World.make(root / "world")
    folders: list[Path] = []
    pieces: list[Parcel] = []
    hit = 0
    for round_ in range(times):
        if round_ % per_delivery == 0:
            folder, piece = world.delivered(world.parts(f"parts-{round_}", each=chance.randrange(1, 12)))
            folders.append(folder)
            pieces.append(piece)
        owner = world.root / OWNER
        kept = {p.name for p in (owner / ".countermark" / "deliveries").iterdir()}
        due = [f for f, p in zip(folders, pieces, strict=True) if p.envelope.digest not in kept]
        said = kill_once(owner, due or folders[-1:], chance)
        hit += f"admitted {folders[-1].name}" not in said
        nothing_half(desk_at(owner, world.clock), pieces)
        promised(said, owner)
    whole_again(desk_at(world.root / OWNER, world.clock), folders, pieces)
    return hit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs="+", type=Path)
    chosen = parser.parse_args()
    if chosen.child:
        receive_for_ever(chosen.child[0], chosen.child[1:])
    with tempfile.TemporaryDirectory() as folder:
        hit = run(Path(folder), chosen.times, chosen.seed)
    print(f"{chosen.times} kills, {hit} of them before the newest delivery was answered: everything held")


if __name__ == "__main__":
    main()
