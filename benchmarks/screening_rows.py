"""Screening of tables and of sounds: who is named, which rows, at what cost, beside cleanlab on the same probabilities.

    OMP_NUM_THREADS=1 python benchmarks/screening_rows.py --set breast_cancer --seeds 10 --clean 40
    OMP_NUM_THREADS=1 python benchmarks/screening_rows.py --set sounds --seeds 5 --clean 40

Tables: data sets that scikit-learn brings (breast_cancer 569 x 30, wine 178 x 13, digits 1,797 x 64), dealt out to 20 suppliers
(wine: 8) with a batch effect each; sounds: `attacks/data/made_up_sounds.py`, 20 sites of 40 clips. A seed deals, plants and
screens anew. `data/schema` is left out: pandera takes longer than all other checks together, and it accuses nobody.
A line of JSON for every case.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "attacks" / "data"))
import made_up_sounds
import made_up_tables

from countermark.checks.data import battery
from countermark.checks.data.screen_signals import screen_signals
from countermark.checks.data.screen_table import screen_table
from countermark.checks.data.screening import Screening

FPR, TEMPERATURE = 0.01, 0.1
FIRST_SEED = 1000
LAB, SITE = "lab-03", "site-03"
Case = Callable[[int], tuple[Any, str]]


def found_at(score: NDArray[np.float64], planted: NDArray[np.bool_], rate: float = FPR) -> float:
    """Share of planted rows above the score that at most `rate` of the others exceed."""
    honest = np.sort(score[~planted])
    return float((score[planted] > honest[len(honest) - int(rate * len(honest)) - 1]).mean())


def table_cases(name: str) -> dict[str, Case]:
    """Attacks on one of scikit-learn's tables."""
    from sklearn import datasets

    raw = getattr(datasets, f"load_{name}")()
    whole = made_up_tables.of_arrays(raw.data, raw.target)
    suppliers = 8 if name == "wine" else 20
    lively = int(np.argmax([len(np.unique(c)) for c in whole.numbers.T]))

    def dealt(seed: int) -> made_up_tables.MadeUp:
        return made_up_tables.shared_out(whole, suppliers, seed)

    cases: dict[str, Case] = {"clean": lambda seed: (dealt(seed), "")}
    for share in (0.1, 0.2, 0.3, 0.5):
        cases[f"flips {share:.0%}"] = lambda seed, share=share: (
            made_up_tables.flipped(dealt(seed), LAB, share=share, seed=seed), LAB)  # type: ignore[misc]  # fmt: skip
    return cases | {
        "trigger, 20 % dirty": lambda seed: (
            made_up_tables.triggered(dealt(seed), LAB, target="class-1", share=0.2, column=lively, seed=seed), LAB),
        "trigger, whole cell": lambda seed: (made_up_tables.triggered_cell(dealt(seed), LAB, "class-1", column=lively), LAB),
        "shifted cell": lambda seed: (made_up_tables.shifted_cell(dealt(seed), LAB, "class-1", seed=seed), LAB),
        "repeats 30 %": lambda seed: (made_up_tables.repeated(dealt(seed), LAB, share=0.3, seed=seed), ""),
        "drift 3 sd, nobody to blame": lambda seed: (made_up_tables.drifting(dealt(seed), LAB, column=lively), ""),
        "flips 5 %, spread": lambda seed: (made_up_tables.spread_flips(dealt(seed), share=0.05, seed=seed), ""),
    }  # fmt: skip


def sound_cases() -> dict[str, Case]:
    """Attacks on made-up sounds."""

    def made(seed: int) -> made_up_sounds.MadeUp:
        return made_up_sounds.honest(seed, suppliers=20, seconds=0.3)

    cases: dict[str, Case] = {"clean": lambda seed: (made(seed), "")}
    for share in (0.1, 0.2, 0.5):
        cases[f"flips {share:.0%}"] = lambda seed, share=share: (
            made_up_sounds.flipped(made(seed), SITE, share=share, seed=seed), SITE)  # type: ignore[misc]  # fmt: skip
    return cases | {
        "tone, 20 % dirty": lambda seed: (made_up_sounds.toned(made(seed), SITE, target="machine-1", share=0.2, seed=seed), SITE),
        "tone, whole cell": lambda seed: (made_up_sounds.toned(made(seed), SITE, target="machine-1", share=None, seed=seed), SITE),
        "telephone's band, nobody to blame": lambda seed: (made_up_sounds.drifting(made(seed), SITE, how="band"), ""),
        "clipping, nobody to blame": lambda seed: (made_up_sounds.drifting(made(seed), SITE, how="clipping"), ""),
    }  # fmt: skip


def screened(data: Any, seed: int) -> Screening:
    """One screening."""
    if isinstance(data, made_up_tables.MadeUp):
        return screen_table(data.table(), seed=seed)
    return screen_signals(data.clips, data.label, data.supplier, rate=made_up_sounds.RATE, seed=seed)


def look(name: str, case: Case, seeds: int) -> dict[str, Any]:
    """Means over seeds."""
    told: dict[str, list[float]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        data, guilty = case(seed)
        start = time.process_time()
        result = screened(data, seed)
        seen = {
            "cpu": time.process_time() - start,
            "accuracy": result.features.accuracy,
            "flagged": float(result.row_flagged.mean()),
        }
        seen["innocents"] = float(len(set(result.named) - {guilty}))
        seen["drift told"] = float(result.checks["data/drift"].outcome.word == "found")
        if guilty:
            seen["named"] = float(guilty in result.named)
        if data.planted.any():
            score = -np.log(result.row_p)
            seen |= {"tpr": found_at(score, data.planted), "recall": float(result.row_flagged[data.planted].mean())}
            seen["precision"] = float(data.planted[result.row_flagged].mean()) if result.row_flagged.any() else np.nan
            if "spread" in name:
                seen |= against_cleanlab(data, score, seed)
        for key, value in seen.items():
            told.setdefault(key, []).append(value)
    out: dict[str, Any] = {"case": name, "seeds": seeds}
    for key, values in told.items():
        counted = key in ("named", "innocents", "drift told")
        out[key] = (
            int(np.sum(values))
            if counted
            else round(float(np.nanmean(values)), 3)
            if np.isfinite(values).any()
            else None
        )
    return out


def against_cleanlab(data: Any, score: NDArray[np.float64], seed: int) -> dict[str, float]:
    """Ours and cleanlab's self-confidence on the softmax of the same out-of-fold scores, where it is installed."""
    if importlib.util.find_spec("cleanlab") is None:
        return {}
    from cleanlab.rank import get_label_quality_scores
    from sklearn.metrics import roc_auc_score

    view = made_up_tables.view_of(data, seed=seed)
    raw = view.heads.by_fold() / TEMPERATURE
    probability = np.exp(raw - raw.max(axis=1, keepdims=True))
    theirs = -get_label_quality_scores(view.label, probability / probability.sum(axis=1, keepdims=True))
    return {
        "auroc": float(roc_auc_score(data.planted, score)), "cleanlab auroc": float(roc_auc_score(data.planted, theirs)),
        "cleanlab tpr": found_at(theirs, data.planted),
    }  # fmt: skip


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=("breast_cancer", "wine", "digits", "sounds"), required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--clean", type=int, default=40)
    parser.add_argument("--case", default="")
    asked = parser.parse_args()
    battery.CHECKS = tuple(c for c in battery.CHECKS if c.id != "data/schema")
    cases = sound_cases() if asked.set == "sounds" else table_cases(asked.set)
    for name, case in cases.items():
        if asked.case in name:
            print(
                json.dumps({"set": asked.set} | look(name, case, asked.clean if name == "clean" else asked.seeds)),
                flush=True,
            )


if __name__ == "__main__":
    main()
