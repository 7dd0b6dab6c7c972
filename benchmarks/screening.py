"""Screening against poisons on real pictures, beside cleanlab on the same probabilities, seed by seed.

    OMP_NUM_THREADS=1 python benchmarks/screening.py --set mnist --first 100 --seeds 5 [--case "patch, spread"]
    OMP_NUM_THREADS=1 python benchmarks/screening.py --set parts --photos DIR/rig-150-0 --seeds 3

Sets: `screening_sets`; attacks: `attacks/data/backdoors.py` and `adaptive.py`. A row of JSON for every run, then means with 95 % intervals over
seeds. TPR at 1 % FPR takes the combined p-values of rows as a ranking. "cleanlab" is its self-confidence score on the
softmax of our own out-of-fold scores (`pip install --no-deps cleanlab tqdm termcolor`); left out where it is absent.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

import countermark

sys.path.insert(0, str(Path(__file__).parent.parent / "attacks" / "data"))
import adaptive
import backdoors
import screening_sets

CASES = backdoors.CASES | adaptive.CASES
FPR = 0.01
TEMPERATURE = 0.1


def found_at(score: NDArray[np.float64], planted: NDArray[np.bool_], rate: float = FPR) -> float:
    """Share of planted rows above the score that at most `rate` of the others exceed."""
    honest = np.sort(score[~planted])
    return float((score[planted] > honest[len(honest) - int(rate * len(honest)) - 1]).mean())


def look(name: str, given: screening_sets.Set, seed: int) -> dict[str, object]:
    """Plant, screen, compare."""
    poisoned = CASES[name](*given, seed)
    labels, suppliers = [f"class-{c:03}" for c in poisoned.label], [f"supplier-{s:02}" for s in poisoned.supplier]
    cpu = time.process_time()
    result = countermark.screen(poisoned.images, labels, suppliers, seed=seed)
    cpu = time.process_time() - cpu
    planted, flagged = poisoned.planted, result.row_flagged
    guilty = f"supplier-{poisoned.attacker:02}" if poisoned.attacker >= 0 else None
    out: dict[str, object] = {
        "case": name, "seed": seed, "rows": len(planted), "accuracy": round(result.features.accuracy, 3),
        "innocents": [s for s in result.named if s != guilty], "flagged": int(flagged.sum()),
        "right": int((flagged & planted).sum()), "planted": int(planted.sum()), "cpu": round(cpu, 1),
        "at 1 %": float((result.row_p <= 0.01).mean()), "at 5 %": float((result.row_p <= 0.05).mean()),
    }  # fmt: skip
    if guilty:
        out["named"] = guilty in result.named
    if planted.any():
        score = -np.log(result.row_p)
        out |= {"auroc": round(float(roc_auc_score(planted, score)), 4), "tpr": round(found_at(score, planted), 4)}
        if "flips" in name:
            out |= against_cleanlab(poisoned, score, seed)
    return out


def against_cleanlab(poisoned: backdoors.Poisoned, score: NDArray[np.float64], seed: int) -> dict[str, float]:
    """Differences to cleanlab's self-confidence on the probabilities of the same heads, where it is installed."""
    if importlib.util.find_spec("cleanlab") is None:
        return {}
    from cleanlab.rank import get_label_quality_scores

    from countermark.checks.data._features import features_of
    from countermark.checks.data._prepare import prepare
    from countermark.engines.engine import InProcess

    names = [f"class-{c:03}" for c in poisoned.label]
    view, _ = prepare(
        poisoned.images, names, [str(s) for s in poisoned.supplier], [str(i) for i in range(len(names))], None, seed,
        features_of(None, seed, InProcess(), None),
    )  # fmt: skip
    raw = view.heads.by_fold() / TEMPERATURE
    sure = np.exp(raw - raw.max(axis=1, keepdims=True))
    peer = -get_label_quality_scores(view.label, sure / sure.sum(axis=1, keepdims=True), method="self_confidence")
    y = poisoned.planted
    return {
        "auroc - cleanlab": round(float(roc_auc_score(y, score) - roc_auc_score(y, peer)), 4),
        "tpr - cleanlab": round(found_at(score, y) - found_at(peer, y), 4),
    }


def tell(runs: list[dict[str, object]]) -> dict[str, object]:
    """Means over seeds, with the half width of their 95 % interval."""
    out: dict[str, object] = {"case": runs[0]["case"], "seeds": len(runs)}
    for key, value in runs[0].items():
        if isinstance(value, float | bool) or key in ("flagged", "right", "planted"):
            values = np.array([float(run[key]) for run in runs])  # type: ignore[arg-type]
            half = (
                float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
                if len(values) > 1
                else 0.0
            )
            out[key] = [round(float(values.mean()), 4), round(half, 4)]
    return out | {"sets with an innocent named": sum(bool(run["innocents"]) for run in runs)}


def main() -> None:
    """Command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--set", choices=("mnist", "fashion", "parts"), default="mnist")
    asked.add_argument("--photos", type=Path)
    asked.add_argument("--first", type=int, default=100)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--case", action="append")
    options = asked.parse_args()
    totals = []
    for name in options.case or CASES:
        runs = []
        for seed in range(options.first, options.first + options.seeds):
            if options.set == "parts":
                given = screening_sets.parts(options.photos)
            else:
                given = {"mnist": screening_sets.mnist, "fashion": screening_sets.fashion}[options.set](seed)
            runs.append(look(name, given, seed))
            print(json.dumps(runs[-1]), flush=True)
        totals.append(tell(runs))
    for total in totals:
        print(json.dumps(total))


if __name__ == "__main__":
    main()
