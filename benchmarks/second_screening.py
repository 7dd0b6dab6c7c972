"""What a second screening costs after one more delivery, beside one from nothing on the same frame: CPU seconds and memory.

    OMP_NUM_THREADS=1 python benchmarks/second_screening.py PARTS --deliveries 36

PARTS has a folder per supplier and one per class in it. All but the last supplier deliver, a screening runs; the last one delivers, the
second runs; kept work is removed, the third runs; the fourth (`refit`) learns a frame anew. All in one process, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "data"))
sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "core"))

import many_deliveries
from core_world import OWNER, World

from countermark.lifecycle.screen import Screened, screen
from countermark.statement.statement import Statement


def cpu() -> float:
    """CPU seconds of this process and of the children that ended."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def timed(world: World, name: str, refit: bool = False) -> tuple[Screened, dict[str, object]]:
    """One screening, and what it cost stage by stage."""
    stages: dict[str, float] = {}
    last = [cpu(), "start"]

    def note(stage: str, _: float) -> None:
        if stage != last[1]:
            now = cpu()
            stages[str(last[1])] = round(stages.get(str(last[1]), 0.0) + now - float(last[0]), 2)
            last[:] = [now, stage]

    began = cpu()
    done = screen(world[OWNER], refit=refit, progress=note)
    note("end", 1.0)
    facts = Statement.from_bytes(done.slip.envelope.payload).predicate["facts"]
    home = world[OWNER].space.home / "kept"
    size = sum(p.stat().st_size for p in home.glob("*.kept"))
    told = {"screening": name, "cpu": round(cpu() - began, 2), "stages": stages, "kept": facts["kept"]}
    named = {s.id: float(f"{s.q:.3g}") for s in done.screening.suppliers if s.named}
    return done, told | {"features": facts["features"], "named": named, "kept bytes": size}


def main() -> None:
    """Run, and print one JSON line a screening."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", type=Path)
    parser.add_argument("--deliveries", type=int, default=36)
    parser.add_argument("--last", default="", help="supplier that delivers last; the last by name")
    asked = parser.parse_args()
    folders = [p for p in sorted(asked.parts.iterdir()) if p.is_dir() and p.name != "test"][: asked.deliveries]
    folders.sort(key=lambda p: p.name == asked.last)
    classes = {c.name for p in folders for c in p.iterdir()}
    with tempfile.TemporaryDirectory() as place:
        world = many_deliveries.join(Path(place) / "world", [p.name for p in folders], classes)
        for folder in folders[:-1]:
            many_deliveries.send(world, folder.name, folder)
        print(json.dumps(timed(world, "first")[1]), flush=True)
        many_deliveries.send(world, folders[-1].name, folders[-1])
        second, told = timed(world, "second")
        print(json.dumps(told), flush=True)
        for path in (world[OWNER].space.home / "kept").glob("*.kept"):
            path.unlink()
        third, told = timed(world, "from nothing, same frame")
        same = bool((third.screening.row_p == second.screening.row_p).all())
        same &= third.screening.findings == second.screening.findings
        print(json.dumps(told | {"equal to the second": same}), flush=True)
        print(json.dumps(timed(world, "refit", refit=True)[1]), flush=True)


if __name__ == "__main__":
    main()
