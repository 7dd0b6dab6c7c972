"""Compare two deliveries of many rows: seconds, rows a second, and memory.

    python benchmarks/diff.py [--rows 1000000]
    python benchmarks/diff.py --tables [--rows 10000000]

One row in a thousand is changed, one renamed and one removed. Without --tables: lists only, as `.cmdelivery` files carry
them; there is no peer that knows moves from losses without the data. With it: two Parquet files of five columns are digested row by row in
a confined child, sorted by id on disk, and compared; then the lists alone are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

from countermark.artefact.stream import manifest_entries
from countermark.artefact.tree import TreeEntry
from countermark.lifecycle.compare import compare

CLASSES = 100
GROUP = 100_000


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


def write_table(file: Path, rows: int, later: bool) -> None:
    """Parquet with an id, two numbers, a text and a short list; ids in no order; `later` is the one with the changes."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([("id", pyarrow.string()), ("n", pyarrow.int64()), ("x", pyarrow.float64()),
                             ("label", pyarrow.string()), ("box", pyarrow.list_(pyarrow.int32()))])  # fmt: skip
    with parquet.ParquetWriter(file, schema) as out:
        for begin in range(0, rows, GROUP):
            made = [_row(at, later) for at in range(begin, min(rows, begin + GROUP))]
            out.write_table(pyarrow.Table.from_pylist([row for row in made if row], schema))


def _row(at: int, later: bool) -> dict[str, object] | None:
    if later and at % 1000 == 3:
        return None
    name = hashlib.blake2b(b"%d" % at, digest_size=8).hexdigest()
    return {
        "id": f"moved-{name}" if later and at % 1000 == 2 else name, "n": -at if later and at % 1000 == 1 else at,
        "x": at / 7, "label": f"c{at % CLASSES:03}", "box": [at % 640, at % 480, 32, 32],
    }  # fmt: skip


def tables(rows: int) -> int:
    """Two tables, from their bytes to what differs."""
    with tempfile.TemporaryDirectory() as place:
        old, new = Path(place) / "old.parquet", Path(place) / "new.parquet"
        alone = multiprocessing.get_context("spawn")  # so that the memory of one part is not told of another
        parts = [
            (write_table, (old, rows, False)),
            (write_table, (new, rows, True)),
            (compare_tables, (old, new, rows)),
        ]
        for part, told in parts:
            (one := alone.Process(target=part, args=told)).start()
            one.join()
            if one.exitcode:
                return 1
    return 0


def compare_tables(old: Path, new: Path, rows: int) -> None:
    """From the bytes of two tables to what differs, told as it goes."""
    from countermark.lifecycle import rows_inside

    spent = Spent()
    with rows_inside.listed(old, "id") as left:
        spent.tell(f"digested {rows} rows of {old.stat().st_size / 1e6:.0f} MB", rows)
        with rows_inside.listed(new, "id") as right:
            spent.tell("digested the other", rows)
            seen = rows_inside.differences(left, right)
    spent.tell(f"compared: {dict(seen.counts)}, {seen.same} alike", rows)


class Spent:
    """Processor time of this process and of children that ended, and peak memory, since the last look."""

    def __init__(self) -> None:
        self._before, self._began = self._now(), time.monotonic()

    @staticmethod
    def _now() -> tuple[float, float]:
        own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime

    def tell(self, what: str, rows: int) -> None:
        """Print one line."""
        (own, child), before, wall = self._now(), self._before, time.monotonic() - self._began
        spent = own - before[0], child - before[1]
        peak, of_child = (
            resource.getrusage(w).ru_maxrss / 1024 for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(f"{what}: {sum(spent):.1f} s CPU ({spent[0]:.1f} here, {spent[1]:.1f} in the child), {wall:.1f} s wall, "
              f"{rows / sum(spent):,.0f} rows/s of CPU; peak {peak:.0f} MB here, {of_child:.0f} MB in the child", flush=True)  # fmt: skip
        self._before, self._began = self._now(), time.monotonic()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tables", action="store_true")
    told = parser.parse_args()
    return tables(told.rows) if told.tables else lists(told.rows)


def lists(rows: int) -> int:
    """Two lists of files."""
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
