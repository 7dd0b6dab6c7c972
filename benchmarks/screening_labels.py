"""What better features bring to single labels: `data/label-errors` on k-means patches and on the small network trained here.

    OMP_NUM_THREADS=1 python benchmarks/screening_labels.py --set parts --photos DIR/rig-150-0 --first 110 --seeds 3 [--case "flips 5 %"]

Sets: `screening_sets`; attacks: `attacks/data/backdoors.py`. A row of JSON for every seed and kind of features: out-of-fold accuracy, AUROC and TPR at
1 % FPR of the check's margins, rows set aside beside those planted, and the precision and recall that the check itself expected. CPU is that of the features.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from screening import found_at
from sklearn.metrics import roc_auc_score

from countermark.checks.data import label_errors
from countermark.checks.data._features import NET, PATCHES, features_of, taught_here
from countermark.checks.data._prepare import prepare
from countermark.checks.data._view import View
from countermark.engines.engine import InProcess, one_thread

sys.path.insert(0, str(Path(__file__).parent.parent / "attacks" / "data"))
import backdoors
import screening_sets


def views(poisoned: backdoors.Poisoned, seed: int) -> Iterator[tuple[str, View, float]]:
    """The rows with each kind of features, and the CPU seconds that these took."""
    start = time.process_time()
    view, _ = prepare(
        poisoned.images, [f"class-{c:03}" for c in poisoned.label], [f"supplier-{s:02}" for s in poisoned.supplier],
        [str(i) for i in range(len(poisoned.label))], None, seed,
        features_of(None, seed, InProcess(), None),
    )  # fmt: skip
    yield PATCHES, view, time.process_time() - start
    start = time.process_time()
    sharper, _ = taught_here(view, None)
    yield NET, sharper, time.process_time() - start


def look(kind: str, view: View, planted: np.ndarray) -> dict[str, object]:
    """What the check said, beside the truth."""
    report = label_errors.run(view)
    assert report.rows is not None
    bad = np.zeros(len(planted), bool)
    bad[list(report.suspects)] = True
    return {
        "features": kind, "accuracy": round(view.single.accuracy, 3), "outcome": report.outcome.word,
        "auroc": round(float(roc_auc_score(planted, report.rows)), 4), "tpr": round(found_at(report.rows, planted), 4),
        "set aside": int(bad.sum()), "right": int((bad & planted).sum()), "planted": int(planted.sum()),
        "expected precision": report.precision, "expected recall": report.recall,
    }  # fmt: skip


def main() -> None:
    """Command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--set", choices=("mnist", "fashion", "parts"), default="mnist")
    asked.add_argument("--photos", type=Path)
    asked.add_argument("--first", type=int, default=110)
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--case", default="flips 5 %", choices=list(backdoors.CASES))
    options = asked.parse_args()
    for seed in range(options.first, options.first + options.seeds):
        made = {"mnist": screening_sets.mnist, "fashion": screening_sets.fashion}.get(options.set)
        poisoned = backdoors.CASES[options.case](*(made(seed) if made else screening_sets.parts(options.photos)), seed)
        with one_thread():
            for kind, view, cpu in views(poisoned, seed):
                said = look(kind, view, poisoned.planted)
                print(json.dumps({"seed": seed, **said, "cpu": round(cpu, 1)}), flush=True)


if __name__ == "__main__":
    main()
