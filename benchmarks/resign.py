"""Digest again after 1 % of the files changed, with and without what was remembered, for files of one size or of many.

    python benchmarks/resign.py [--files 50000] [--bytes 4096] [--rounds 3] [--json]
    python benchmarks/resign.py --curve [--total 4G] [--rounds 3]

CPU seconds of whole processes: `countermark digest` in full, and `countermark digest --cache` after 1 % of the files were
rewritten. model-signing has no such mode: its figure is signing everything again. The cache is made, and two seconds pass, before
anything is measured. Where a verifier reads, nothing is remembered: verifying costs what it always costs. `--curve` spreads the
same bytes over files of 4 KiB to 64 MiB (at most 50,000 files, at least one of which changes) and shows from which size on it pays:
what is left is start-up and a status for each file, which no cache saves; "no start-up" takes the first of these off both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from cost import measure, size, told

COUNTERMARK = [sys.executable, "-m", "countermark"]
SIZES = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20]
MOST_FILES = 50_000
WANTED = 20
Figures = dict[str, list[float]]


def fill(folder: Path, files: int, size_bytes: int) -> list[Path]:
    """`files` random files, 500 in a folder."""
    out = []
    for n in range(files):
        place = folder / f"{n // 500:04}" / f"{n:06}.bin"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(size_bytes))
        out.append(place)
    return out


def again(place: Path, files: int, size_bytes: int, rounds: int) -> Figures:
    """CPU seconds of each round, in full and from the cache."""
    root, cache = place / "files", place / "files.roots"
    made = fill(root, files, size_bytes)
    time.sleep(2.1)
    measure([*COUNTERMARK, "digest", root, "--cache", cache, "--quiet"])
    said: Figures = {"full": [], "again": []}
    for turn in range(rounds):
        for file in made[turn % files :: 100]:
            file.write_bytes(os.urandom(size_bytes))
        time.sleep(2.1)
        said["full"].append(measure([*COUNTERMARK, "digest", root, "--quiet"]).cpu)
        said["again"].append(measure([*COUNTERMARK, "digest", root, "--cache", cache, "--quiet"]).cpu)
    return said


def curve(folder: Path, total: int, rounds: int) -> list[dict[str, float]]:
    """One line for each size of file."""
    out = []
    print(f"{'file':>6}{'files':>8}{'full':>10}{'again':>10}{'gain':>9}{'no start-up':>13}   CPU, median of {rounds}")
    for size_bytes in SIZES:
        files = max(2, min(MOST_FILES, total // size_bytes))
        with tempfile.TemporaryDirectory(dir=folder) as place:
            said = again(Path(place), files, size_bytes, rounds)
            (Path(place) / "one").write_bytes(b"1")
            start = statistics.median(
                measure([*COUNTERMARK, "digest", Path(place) / "one", "--quiet"]).cpu for _ in range(5)
            )
        full, later = (statistics.median(said[name]) for name in ("full", "again"))
        bare = (full - start) / max(later - start, 0.005)
        print(
            f"{told(size_bytes):>6}{files:>8,}{full:>9.2f}s{later:>9.2f}s{full / later:>8.1f}x{bare:>12.1f}x",
            flush=True,
        )
        out.append({"bytes": size_bytes, "files": files, "full": full, "again": later, "start": start})
    return out


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--bytes", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--curve", action="store_true", help="files of many sizes")
    parser.add_argument("--total", type=size, default=size("4G"), help="bytes of each point of the curve")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.curve:
        curve(options.folder, options.total, options.rounds)
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        said = again(Path(place), options.files, options.bytes, options.rounds)
    if options.json:
        print(json.dumps(said))
    else:
        full, later = (statistics.median(said[name]) for name in ("full", "again"))
        gain = f"x{full / later:.2f}" + ("" if full / later >= WANTED else f", {WANTED} is the target")
        print(
            f"{options.files} x {options.bytes} bytes, 1 % changed: full {full:.2f} s CPU, again {later:.2f} s: {gain}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
