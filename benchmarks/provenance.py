"""Everything that is promised about provenance, measured in one run beside `model-signing` and `pymerkle`.

    python benchmarks/provenance.py [--quick] [--only many load ...] [--json] [--rounds 3] [--folder DIR]

Each part prints our median and range, the peer's, how many times better ours is, and whether the target of the design
is met. Sides run turn about on the same warm files. Costs are of whole processes with their start-up, children
included; the run is kept to two cores (`--cores`). The peers: model-signing in an environment of its own (`.benchenv`),
pymerkle with a commit per call and SQLite's full synchronisation. `--quick` measures small sizes, for which the targets
were not set. What cannot be measured is named with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cost import PEER, machine
from figures import NotMeasured
from provenance_parts import FULL, PARTS, QUICK, Run


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument("--cores", type=int, default=2, help="keep the run to so many cores")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disc to measure")
    parser.add_argument("--peer", type=Path, default=PEER, help="model_signing of its own environment")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    sizes = QUICK if options.quick else FULL
    run = Run(sizes, options.rounds or (1 if options.quick else 3), options.folder, options.peer)
    missing = [] if run.peer.exists() else [f"model-signing: there is no {run.peer}"]
    said = {"machine": machine(), "rounds": run.rounds, "sizes": asdict(sizes), "rows": [], "not_measured": missing}
    tell = (lambda _: None) if options.json else partial(print, flush=True)
    tell(f"{said['machine']}, median of {run.rounds}")
    for text in missing:
        tell(f"not measured: {text}")
    for name in options.only:
        _part(name, run, said, tell)
    if options.json:
        print(json.dumps(said))
    else:
        _close(said["rows"])
    return 0


def _part(name: str, run: Run, said: dict[str, Any], tell: Callable[[str], object]) -> None:
    tell(f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]} load {os.getloadavg()[0]:.2f}")
    try:
        with tempfile.TemporaryDirectory(dir=run.folder) as place:
            rows = PARTS[name](run, Path(place))
    except NotMeasured as reason:
        said["not_measured"].append(f"{name}: {reason}")
        tell(f"  not measured: {reason}")
        return
    for row in rows:
        said["rows"].append({"part": name, **row.to_json()})
        tell(row.line())


def _close(rows: Sequence[dict[str, Any]]) -> None:
    judged = [row for row in rows if row["met"] is not None]
    missed = [f"{row['work']} ({row['figure']})" for row in judged if not row["met"]]
    slower = [f"{row['work']} ({row['figure']})" for row in rows if row["times"] is not None and row["times"] < 1]
    print(
        f"targets met: {len(judged) - len(missed)} of {len(judged)}"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    if slower:
        print(f"the peer is better at: {', '.join(slower)}")


if __name__ == "__main__":
    sys.exit(main())
