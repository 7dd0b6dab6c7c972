"""A plant and its broker that use queries until this process is killed; what is used is told before the next is asked.

python meter_killed.py LICENSORS HOME     (prints one line per query, flushed)
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from licence_world import Licensors
from meter_world import Counted, metered

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from core_world import OWNER, SECOND, World

from countermark.licence.refusal import LicenceRefused
from countermark.lifecycle.desk import Desk
from countermark.workspace.place import Workspace


def licensors_at(root: Path) -> Licensors:
    """Those that another process made."""
    world = World(root)
    world.desks = {name: Desk(Workspace(root / name), name, world.clock) for name in (OWNER, SECOND)}
    return Licensors(world)


def main(licensors: Path, home: Path) -> None:
    """One query after the other, in blocks of three, until none is left."""
    broker = Counted(home / "broker")
    with broker.meters(wait_s=5) as meters:
        tenure = metered(home / "plant", licensors_at(licensors), broker, meters.answer, count=3000, block=3).load()
        while True:
            try:
                if not tenure.take(1):
                    tenure.renew(1)
            except LicenceRefused as error:
                print(f"end {error.claim}", flush=True)
                return
            sys.stdout.write("used\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
