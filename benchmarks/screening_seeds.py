"""Screening over many seeds: who is named, which rows are set aside, and what a plain permutation test would accuse.

    OMP_NUM_THREADS=1 python benchmarks/screening_seeds.py [--first 100] [--seeds 20] [--variant rig] [--render-each]
        [--parts-library DIR --parts 300 --images 12000] [--photos FOLDER] [--train 10] [--no-clean]

For each seed one supplier plants a clean-label backdoor in its whole cell of one part, another flips half its labels
(`cases.factory.sabotage`), and the same photographs are screened untouched as well. Thresholds were set on seeds 0 to 4;
report seeds 100 to 119. Intervals are Wilson's, 95 %. The permutation test shuffles rows among the suppliers of a class,
takes the mean margin of each supplier, and Holm at 5 %: exchangeability is what honest suppliers do not have.
With --train N the first N seeds also train the factory's script on what screening left and on exactly the right rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from factory_training import Model, read_rows
from scipy.stats import norm, ttest_1samp
from threadpoolctl import threadpool_limits

from countermark.cases.factory import library, parts, photos, sabotage, train
from countermark.checks.data._null import holm
from countermark.checks.data.battery import screen
from countermark.checks.data.screening import Screening

PERMUTATIONS = 400


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z, share = 1.96, hits / of
    middle, half = share + z * z / (2 * of), z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), min(1.0, (middle + half) / (1 + z * z / of))


def permutation_names(result: Screening, labels: np.ndarray, suppliers: np.ndarray, seed: int) -> set[str]:
    """Suppliers that the permutation test names on the very margins that our label check used."""
    margin = result.checks["data/label-errors"].rows
    assert margin is not None
    rng = np.random.default_rng(seed)
    names, code = np.unique(suppliers, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    count = np.bincount(code)
    order = np.argsort(label, kind="stable")
    seen = np.bincount(code, margin) / count
    drawn = []
    for _ in range(PERMUTATIONS):
        shuffled = np.lexsort((rng.random(len(label)), label))
        values = np.empty(len(margin))
        values[order] = margin[shuffled]
        drawn.append(np.bincount(code, values) / count)
    z = (seen - np.mean(drawn, axis=0)) / np.std(drawn, axis=0)
    del classes
    return {str(n) for n, q in zip(names, holm(norm.sf(z)), strict=True) if q < 0.05}


def look(home: Path, plan: photos.Plan, seed: int, attacked: bool, scratch: Path, trained: bool) -> dict[str, object]:
    """Plant (or not), screen, compare with the truth, as one row of the table."""
    folders = {who: scratch / who for who in plan.scopes}
    for who, folder in folders.items():
        shutil.copytree(home / who, folder)
    paths, planted = sabotage.sabotage_delivery(folders, plan.scopes, seed) if attacked else ({}, None)
    pixels, labels, rows = read_rows(folders)
    wall, cpu = time.perf_counter(), time.process_time()
    result = screen(
        pixels, labels, [who for who, _ in rows], ids=[f"{w}/{p}" for w, p in rows], contract=plan.rows, seed=seed
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    guilty = {planted.backdoor, planted.flipper} if planted else set()
    flagged, truth = result.row_flagged, np.array([p in set(paths.get(w, ())) for w, p in rows])
    stamped = np.array([bool(planted) and w == planted.backdoor for w, _ in rows]) & truth
    permuted = permutation_names(result, np.array(labels), np.array([w for w, _ in rows]), seed)
    out: dict[str, object] = {
        "seed": seed, "attacked": attacked, "rows": len(rows), "accuracy": round(result.features.accuracy, 3),
        "backdoor named": bool(planted and planted.backdoor in result.named),
        "flipper named": bool(planted and planted.flipper in result.named),
        "innocents named": sorted(set(result.named) - guilty), "permutation innocents": len(permuted - guilty),
        "flagged": int(flagged.sum()), "planted": int(truth.sum()), "right": int((flagged & truth).sum()),
        "stamped": int(stamped.sum()), "stamped found": int((flagged & stamped).sum()),
        "skipped": [name for name, r in result.checks.items() if r.outcome.word in ("skipped", "failed")],
        "wall s": round(wall, 1), "cpu s": round(cpu, 1), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    if planted and trained:
        tests, known = train.read(home / photos.TEST)
        for name, keep in (("unscreened", ~np.zeros(len(rows), bool)), ("screened", ~flagged), ("oracle", ~truth)):
            model = Model(pixels[keep], [label for label, k in zip(labels, keep, strict=True) if k], seed)
            out[name] = round(model.grade(tests, known)[0], 4), round(model.fooled(tests, known, planted), 4)
    return out


def tell(table: list[dict[str, object]]) -> None:
    """Totals with intervals."""
    attacked, clean = ([r for r in table if r["attacked"] is which] for which in (True, False))

    def share(name: str, hits: int, of: int) -> None:
        if of:
            low, high = wilson(hits, of)
            print(f"  {name}: {hits} of {of} = {hits / of:.3f} [{low:.3f}, {high:.3f}]")

    def total(rows: list[dict[str, object]], name: str) -> int:
        return sum(int(r[name]) for r in rows)  # type: ignore[call-overload]

    share("both named", sum(bool(r["backdoor named"] and r["flipper named"]) for r in attacked), len(attacked))
    share("backdoor's supplier named", total(attacked, "backdoor named"), len(attacked))
    share("flipper named", total(attacked, "flipper named"), len(attacked))
    for name, rows in (("attacked", attacked), ("clean", clean)):
        share(f"{name} sets with an innocent named", sum(bool(r["innocents named"]) for r in rows), len(rows))
        if rows:
            print(
                f"    the permutation test names {total(rows, 'permutation innocents') / len(rows):.1f} innocents a set"
            )
    share("row precision", total(attacked, "right"), total(attacked, "flagged"))
    share("row recall", total(attacked, "right"), total(attacked, "planted"))
    share("recall of stamped rows", total(attacked, "stamped found"), total(attacked, "stamped"))
    share("clean rows flagged", total(clean, "flagged"), total(clean, "rows"))
    trained = [r for r in attacked if "screened" in r]
    if len(trained) > 1:
        figures = {k: np.array([r[k] for r in trained]) for k in ("unscreened", "screened", "oracle")}
        for name, values in figures.items():
            print(
                f"  {name}: top-1 {values[:, 0].mean():.4f}, attack success {values[:, 1].mean():.3f} (most {values[:, 1].max():.3f})"
            )
        low, high = ttest_1samp(figures["screened"][:, 0] - figures["oracle"][:, 0], 0).confidence_interval()
        print(f"  screened minus oracle, paired over {len(trained)} seeds, 95 %: [{low:.4f}, {high:.4f}]")
    print(
        f"  median cost: {np.median([r['cpu s'] for r in table]):.1f} s CPU, {np.median([r['wall s'] for r in table]):.1f} s wall at load {np.median([r['load'] for r in table]):.1f}"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--variant", default="rig", choices=photos.VARIANTS)
    parser.add_argument("--parts-library", type=Path)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--images", type=int)
    parser.add_argument("--photos", type=Path, default=Path(tempfile.gettempdir()) / "countermark-photos")
    parser.add_argument("--render-each", action="store_true", help="photographs of their own for every seed")
    parser.add_argument("--no-clean", action="store_true")
    parser.add_argument("--train", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    pool = library.read(given.parts_library).parts if given.parts_library else None
    table = []
    for seed in range(given.first, given.first + given.seeds):
        drawn = seed if given.render_each else 0
        plan = photos.plan(parts.choose(given.parts, drawn, pool), seed=drawn, images=given.images)
        home = given.photos / f"{given.variant}-{len(plan.parts)}-{drawn}"
        photos.take_photos(home, plan, given.variant, workers=given.workers)
        for attacked in (True,) if given.no_clean or (seed > given.first and not given.render_each) else (True, False):
            with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
                row = look(home, plan, seed, attacked, Path(scratch), seed < given.first + given.train)
            table.append(row)
            print(json.dumps(row), flush=True)
    print(f"{given.variant}, seeds {given.first} to {given.first + given.seeds - 1}, {os.cpu_count()} cores")
    tell(table)


if __name__ == "__main__":
    main()
