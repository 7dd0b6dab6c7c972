"""Digest folders of more and more files: wall seconds, CPU seconds and peak memory of each whole process.

    python benchmarks/tree_curve.py [--files 1000 10000 100000 1000000] [--bytes 0] [--flat] [--folder DIR]

One folder grows from step to step, a thousand files in each of its folders (`--flat`: all in one), and is digested by
`countermark digest`, a process of its own each time. Memory is
that of the process: it should not grow with the files. The target is 150 MB at 1,000,000 files. What was made is removed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from cost import machine, measure

COUNTERMARK = [sys.executable, "-m", "countermark"]
MOST_MB = 150


def grow(root: Path, begin: int, end: int, data: bytes, flat: bool) -> None:
    """Make the files of those numbers; each differs from the others where it holds 8 bytes or more."""
    for number in range(begin, end):
        folder = root if flat else root / f"{number // 1_000_000:03}" / f"{number // 1000 % 1000:03}"
        if flat or number % 1000 == 0 or number == begin:
            folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{number:08}", os.O_WRONLY | os.O_CREAT, 0o644)
        if data:
            os.write(descriptor, (number.to_bytes(8, "big") + data)[: len(data)])
        os.close(descriptor)


def main() -> int:
    """Command line; exit code 1 where the memory is more than the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--bytes", type=int, default=0, help="of each file")
    parser.add_argument("--flat", action="store_true", help="all files in one folder")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disc to measure")
    options = parser.parse_args()
    print({**machine(), "bytes": options.bytes, "flat": options.flat})
    print(f"{'files':>10}{'wall':>10}{'CPU':>10}{'CPU/file':>12}{'peak':>10}")
    done, high = 0, 0.0
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        for count in sorted(options.files):
            grow(Path(place) / "files", done, count, bytes(options.bytes), options.flat)
            done = count
            cost = measure([*COUNTERMARK, "digest", Path(place) / "files", "--quiet"])
            high = max(high, cost.rss / 2**20)
            each = cost.cpu / count * 1e6
            print(f"{count:>10,}{cost.wall:9.2f}s{cost.cpu:9.2f}s{each:9.1f} us{cost.rss / 2**20:7.0f} MB", flush=True)
    return 1 if high > MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
