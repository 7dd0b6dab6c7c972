"""Digest again after 1 % of the files changed, with and without what was remembered, beside model-signing.

    python benchmarks/resign.py [--files 50000] [--bytes 4096] [--rounds 3] [--json]

CPU seconds of whole processes: `countermark digest` in full, and `countermark digest --cache` after 1 % of the files were
rewritten. model-signing has no such mode: its figure is signing everything again. The cache is made, and two seconds pass, before
anything is measured. Where a verifier reads, nothing is remembered: verifying costs what it always costs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from cost import PEER, measure

COUNTERMARK = [sys.executable, "-m", "countermark"]


def fill(folder: Path, files: int, size: int) -> list[Path]:
    """`files` random files, 500 in a folder."""
    out = []
    for n in range(files):
        place = folder / f"{n // 500:04}" / f"{n:06}.bin"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(size))
        out.append(place)
    return out


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--bytes", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--peer", type=Path, default=PEER)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    said: dict[str, list[float]] = {"full": [], "again": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        root, cache = Path(place) / "files", Path(place) / "files.roots"
        files = fill(root, options.files, options.bytes)
        time.sleep(2.1)
        measure([*COUNTERMARK, "digest", str(root), "--cache", str(cache), "--quiet"])
        for turn in range(options.rounds):
            for file in files[turn::100]:
                file.write_bytes(os.urandom(options.bytes))
            time.sleep(2.1)
            said["full"].append(measure([*COUNTERMARK, "digest", str(root), "--quiet"]).cpu)
            said["again"].append(measure([*COUNTERMARK, "digest", str(root), "--cache", str(cache), "--quiet"]).cpu)
    if options.json:
        print(json.dumps(said))
    else:
        full, again = (sorted(said[name])[len(said[name]) // 2] for name in ("full", "again"))
        print(
            f"{options.files} x {options.bytes} bytes, 1 % changed: full {full:.2f} s CPU, again {again:.2f} s: x{full / again:.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
