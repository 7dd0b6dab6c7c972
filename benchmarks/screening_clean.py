"""Whom does a screening of untouched data accuse? Two hundred clean sets, one row of JSON each; goes on where it stopped.

    OMP_NUM_THREADS=1 python benchmarks/screening_clean.py RESULTS.jsonl [--sets 50] [--first 200] [--parts 60] [--only mnist]
        [--parts-library DIR]

MNIST (5,000 digits dealt anew to 30 suppliers), Fashion-MNIST (another 5,000 for every seed), and photographs of parts rendered
anew for every seed: `rig` (every supplier one rig) and `wild` (any camera and light). Beside our names stand those of a permutation
test on the same margins. Bounds were set on seeds below 100. Told at the end: sets with anybody named (nominal 5 %), share of rows
flagged and at or below p = 0.01 and 0.05, with Wilson's 95 % intervals.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import screening_sets
from screening_seeds import permutation_names, wilson
from threadpoolctl import threadpool_limits

import countermark
from countermark.cases.factory import library, parts, photos

KINDS = ("mnist", "fashion", "rig", "wild")


def drawn(kind: str, seed: int, many: int, pool: Sequence[parts.Part] | None) -> screening_sets.Set:
    """A clean set of this kind."""
    if kind in ("mnist", "fashion"):
        return getattr(screening_sets, kind)(seed)  # type: ignore[no-any-return]
    with tempfile.TemporaryDirectory() as home:
        plan = photos.plan(parts.choose(many, seed, pool), seed=seed)
        photos.take_photos(Path(home), plan, kind, workers=1)
        return screening_sets.parts(Path(home))


def look(kind: str, seed: int, many: int, pool: Sequence[parts.Part] | None) -> dict[str, object]:
    """Screen one clean set."""
    images, label, supplier = drawn(kind, seed, many, pool)
    labels, suppliers = [f"class-{c:03}" for c in label], [f"supplier-{s:02}" for s in supplier]
    cpu = time.process_time()
    with threadpool_limits(1):
        result = countermark.screen(images, labels, suppliers, seed=seed)
    cpu = time.process_time() - cpu
    return {
        "kind": kind, "seed": seed, "rows": len(label), "suppliers": len(set(suppliers)), "named": list(result.named),
        "by permutation": sorted(permutation_names(result, np.array(labels), np.array(suppliers), seed)),
        "flagged": {name: len(r.suspects) for name, r in result.checks.items() if r.suspects},
        "any": int(result.row_flagged.sum()), "at 1 %": float((result.row_p <= 0.01).mean()),
        "at 5 %": float((result.row_p <= 0.05).mean()), "cpu": round(cpu, 1),
    }  # fmt: skip


def tell(runs: list[dict[str, object]]) -> None:
    """Totals by kind of set, and over all."""
    for kind in (*KINDS, "all"):
        mine = [r for r in runs if kind in ("all", r["kind"])]
        if mine:
            accused, permuted = (sum(bool(r[key]) for r in mine) for key in ("named", "by permutation"))
            rows, flagged = (sum(int(r[key]) for r in mine) for key in ("rows", "any"))  # type: ignore[call-overload]
            low, high = wilson(accused, len(mine))
            print(
                f"{kind}: somebody named in {accused} of {len(mine)} sets [{low:.3f}, {high:.3f}] (permutation: {permuted} sets); "
                f"{flagged} of {rows} rows flagged; at 1 %: {np.mean([r['at 1 %'] for r in mine]):.4f}, "  # type: ignore[misc]
                f"at 5 %: {np.mean([r['at 5 %'] for r in mine]):.4f}; {np.median([r['cpu'] for r in mine]):.1f} s CPU"  # type: ignore[misc]
            )


def main() -> None:
    """Command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("results", type=Path)
    asked.add_argument("--sets", type=int, default=50, help="of each kind")
    asked.add_argument("--first", type=int, default=200)
    asked.add_argument("--parts", type=int, default=60)
    asked.add_argument("--only", choices=KINDS, action="append")
    asked.add_argument("--parts-library", type=Path, help="VRML models to render; default: the parametric catalogue")
    options = asked.parse_args()
    pool = library.read(options.parts_library).parts if options.parts_library else None
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    for seed in range(options.first, options.first + options.sets):
        for kind in options.only or KINDS:
            if not any(r["kind"] == kind and r["seed"] == seed for r in done):
                done.append(look(kind, seed, options.parts, pool))
                with options.results.open("a") as out:
                    out.write(json.dumps(done[-1]) + "\n")
    tell(done)


if __name__ == "__main__":
    main()
