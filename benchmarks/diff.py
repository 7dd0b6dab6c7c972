"""Compare two delivery lists of many rows: seconds, rows a second, and memory.

    python benchmarks/diff.py [--rows 1000000]

One row in a thousand is changed, one renamed and one removed. Lists only, as `.cmdelivery` files carry
them; there is no peer that knows moves from losses without the data.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from pathlib import Path

from countermark.artefact.stream import manifest_entries
from countermark.artefact.tree import TreeEntry
from countermark.lifecycle.compare import compare

CLASSES = 100


def write(file: Path, rows: int, *, later: bool) -> None:
    """A list in path order; `later` is the one with the changes."""
    at = 0
    with file.open("w") as out:
        for label in range(CLASSES):
            moved = []
            for _ in range(rows // CLASSES):
                at += 1
                name, content = f"c{label:03}/{at:09}.png", at
                if later and at % 1000 == 1:
                    content = -at
                elif later and at % 1000 == 2:
                    moved.append(_line(f"c{label:03}/moved-{at:09}.png", at))
                    continue
                elif later and at % 1000 == 3:
                    continue
                out.write(_line(name, content))
            out.writelines(moved)


def _line(name: str, content: int) -> str:
    return TreeEntry(name, 5000, False, hashlib.sha256(b"%d" % content).digest()).line()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as place:
        old, new = Path(place) / "old", Path(place) / "new"
        write(old, rows, later=False)
        write(new, rows, later=True)
        began = time.process_time()
        with old.open("rb") as left, new.open("rb") as right:
            seen = compare(manifest_entries(left), manifest_entries(right))
        seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rows} rows: {seconds:.1f} s CPU, {rows / seconds:,.0f} rows/s, {peak:.0f} MB; {dict(seen.counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
