"""What supplier tests cost: time and memory by rows, of sums, of heads without each supplier, and of a new delivery.

    OMP_NUM_THREADS=1 python benchmarks/screening_scale.py suppliers --rows 50000 --features 1024
    OMP_NUM_THREADS=1 python benchmarks/screening_scale.py line --features 1024
    OMP_NUM_THREADS=1 python benchmarks/screening_scale.py addition --rows 50000 --new 1000
    OMP_NUM_THREADS=1 python benchmarks/screening_scale.py workers --rows 12000 --engine processes

Features are synthetic (class means and noise, one seed per block) and streamed: no more than a block is in memory. The cost
of making them is measured apart, and told.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from countermark.checks.data._left_out import left_out, scores_of, supplier_values
from countermark.engines.daft import Daft
from countermark.engines.engine import Pool, Threads
from countermark.features.arrow import batch_of
from countermark.features.grid import STEPS, Grid
from countermark.features.pass_one import PassOne
from countermark.features.patches import PatchFeatures
from countermark.features.sums import Adding, Sums
from countermark.features.sums_file import Delivered, from_bytes, to_bytes

CLASSES, BLOCK = 10, 2000


def block(seed: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Float32 features (n, d) and labels (n,) of one block."""
    rng = np.random.default_rng([7, seed])
    label = rng.integers(0, CLASSES, n)
    means = np.random.default_rng(7).normal(size=(CLASSES, d)).astype(np.float32)
    return rng.standard_normal((n, d), np.float32) + 0.3 * means[label], label


def blocks(rows: int, d: int, first: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    for number, at in enumerate(range(0, rows, BLOCK)):
        yield first + number, *block(first + number, min(BLOCK, rows - at), d)


def suppliers(rows: int, d: int, count: int) -> dict[str, float]:
    """Pass 2 for `count` suppliers of rows / count rows each: sums, files, heads, tests, and scores of every row."""
    clock = time.process_time
    grid = Grid.fit(block(0, BLOCK, d)[0])
    spent = dict.fromkeys(("making features", "sums", "files", "heads", "scores of rows"), 0.0)
    files, each = [], rows // count
    for s in range(count):
        adding = Adding(grid.digest, d)
        began = clock()
        for _, features, label in blocks(each, d, 1000 * s):
            spent["making features"] += clock() - began
            began = clock()
            adding.add(grid.on(features), [f"c{c}" for c in label])
            spent["sums"] += clock() - began
            began = clock()
        began = clock()
        sums = adding.sums()
        spent["sums"] += clock() - began
        began = clock()
        files.append(to_bytes(Delivered(f"s{s}", f"s{s}-1", sums)))
        spent["files"] += clock() - began
    began = clock()
    whole = Sums.none(grid.digest, d)
    for data in files:
        whole = whole + from_bytes(data).sums
    parts = [from_bytes(data).sums for data in files]
    spent["files"] += clock() - began
    began = clock()
    heads = list(left_out(whole, parts))
    values = supplier_values(whole, zip(parts, heads, strict=True))
    spent["heads"] = clock() - began
    for s, head in enumerate(heads):
        for _, features, _ in blocks(each, d, 1000 * s):
            began = clock()
            scores_of(grid.on(features), head.weights)
            spent["scores of rows"] += clock() - began
    tests = sum(spent.values()) - spent["making features"]
    facts = {
        "rows": each * count,
        "suppliers": count,
        "features": d,
        "CPU s of the tests": tests,
        "bytes of one delivery's sums": len(files[0]),
    }
    return facts | spent | {"largest |value|": float(np.abs(values).max())}


def addition(rows: int, d: int, new: int) -> dict[str, float]:
    """A new delivery, after `rows` rows are there: its own sums, one addition, its head."""
    grid = Grid.fit(block(0, BLOCK, d)[0])
    whole = summed(rows, d, grid, 0)[0]
    began = time.process_time()
    delivery, making = summed(new, d, grid, 10**6)
    after = whole + delivery
    head = next(iter(left_out(after, [delivery])))
    spent = time.process_time() - began - making
    again = after - delivery
    exact = all(np.array_equal(getattr(again, n), getattr(whole, n)) for n in ("count", "first", "second"))
    return {"rows there": rows, "rows new": new, "CPU s": spent, "taken away to the last bit": exact,
            "mean own score": float(np.nanmean(head.means.diagonal()))}  # fmt: skip


def summed(rows: int, d: int, grid: Grid, first: int) -> tuple[Sums, float]:
    """Sums of a stream, and the CPU seconds that making the features took."""
    adding, making, began = Adding(grid.digest, d), 0.0, time.process_time()
    for _, features, label in blocks(rows, d, first):
        making += time.process_time() - began
        adding.add(grid.on(features), [f"c{c}" for c in label])
        began = time.process_time()
    return adding.sums(), making


def line(d: int, most: int) -> Iterator[dict[str, float]]:
    """CPU seconds of the sums by rows."""
    grid = Grid.fit(block(0, BLOCK, d)[0])
    for rows in (5_000, 20_000, 100_000, 300_000, 1_000_000):
        if rows > most:
            return
        began = time.process_time()
        _, making = summed(rows, d, grid, 0)
        spent = time.process_time() - began - making
        yield {"rows": rows, "CPU s": spent, "us a row": 1e6 * spent / rows, "peak MB": peak()}


def workers(rows: int, engine: str) -> dict[str, float]:
    """Wall seconds of pass 1 over encoded pictures, by one worker and by two; start of the workers included."""
    rng = np.random.default_rng(5)
    smooth = np.kron(rng.integers(0, 256, (200, 16, 16, 3)), np.ones((1, 4, 4, 1))).astype(np.uint8)
    function = PassOne(PatchFeatures.fit(smooth, seed=0).words)
    coded = [png(picture) for picture in smooth]
    at_once = 500
    batches = [
        batch_of(
            [f"r{i}" for i in range(at, at + at_once)],
            ["s"] * at_once,
            ["c"] * at_once,
            [coded[i % 200] for i in range(at, at + at_once)],
        )
        for at in range(0, rows, at_once)
    ]
    made = {"threads": Threads, "processes": Pool, "daft": Daft}[engine]
    out: dict[str, float] = {"rows": rows}
    for count in (1, 2, 1, 2):
        began, before = time.perf_counter(), spent_by_all()
        seen = sum(one.num_rows for one in made(count).map(function, batches))
        out[f"s by {count}"] = min(time.perf_counter() - began, out.get(f"s by {count}", np.inf))
        out[f"CPU s by {count}"] = min(spent_by_all() - before, out.get(f"CPU s by {count}", np.inf))
        if seen != rows:
            raise SystemExit(f"{seen} rows of {rows}")
    return out | {"ms a row": 1e3 * out["s by 1"] / rows, "times as fast": out["s by 1"] / out["s by 2"]}


def spent_by_all() -> float:
    """CPU seconds of this process and of those below it that have ended: unlike wall time, of little care for neighbours."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["suppliers", "line", "addition", "workers"])
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--features", type=int, default=1024)
    options.add_argument("--suppliers", type=int, default=50)
    options.add_argument("--new", type=int, default=1000)
    options.add_argument("--engine", choices=["threads", "processes", "daft"], default="processes")
    options.add_argument("--most", type=int, default=1_000_000)
    said = options.parse_args()
    with threadpool_limits(1):
        if said.what == "line":
            for one in line(said.features, said.most):
                print(json.dumps(one), flush=True)
        elif said.what == "workers":
            print(json.dumps(workers(said.rows, said.engine)))
        elif said.what == "addition":
            print(json.dumps(addition(said.rows, said.features, said.new)))
        else:
            print(json.dumps(suppliers(said.rows, said.features, said.suppliers), indent=1))
    print(json.dumps({"peak MB": peak(), "steps": STEPS}))


if __name__ == "__main__":
    main()
