"""Screening beside ART's detectors of poisoned rows, on the same poisoned sets.

    python -m venv ART && ART/bin/pip install torch==2.13.0 adversarial-robustness-toolbox==1.20.1 scikit-learn packaging
    OMP_NUM_THREADS=1 python benchmarks/screening_art.py --art ART/bin/python --set mnist --first 120 --seeds 3

ART trains a network on the poisoned rows; ours trains none. Told for each: share of planted rows above the score that 1 % of the
others exceed (rankings), and share of planted and of honest rows flagged (as each flags with its defaults).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import screening_sets
from screening import CASES, found_at

import countermark

PEER = Path(__file__).parent / "art_peer.py"
DEFAULT = ("patch, one supplier", "patch, spread", "blend, spread", "clean-label patch, spread")


def peer(python: Path, images: np.ndarray, label: np.ndarray, seed: int) -> dict[str, dict[str, list[float]]]:
    """What ART says."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "set.npz"
        np.savez(file, images=images, label=label, seed=seed)
        told = subprocess.run([python, PEER, file], check=True, capture_output=True, text=True).stdout
    return json.loads(told[told.index('{"accuracy"') :])  # type: ignore[no-any-return]


def look(name: str, kind: str, seed: int, python: Path) -> dict[str, object]:
    """One poisoned set, both."""
    poisoned = CASES[name](*getattr(screening_sets, kind)(seed), seed)
    y = poisoned.planted
    said = peer(python, poisoned.images, poisoned.label, seed)
    ours = countermark.screen(
        poisoned.images, [f"class-{c}" for c in poisoned.label], [f"supplier-{s}" for s in poisoned.supplier], seed=seed
    )
    ranked = {f"ART spectral, {n}": np.array(v) for n, v in said["scores"].items()} | {"ours": -np.log(ours.row_p)}
    flags = {f"ART {n}": np.array(v, bool) for n, v in said["flags"].items()} | {"ours": ours.row_flagged}
    return {
        "set": kind, "case": name, "seed": seed,
        "found at 1 % FPR": {n: round(found_at(v, y), 3) for n, v in ranked.items()},
        "flagged: planted, honest": {n: [round(float(v[y].mean()), 3), round(float(v[~y].mean()), 4)] for n, v in flags.items()},
    }  # fmt: skip


def main() -> None:
    """Command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--art", type=Path, required=True, help="Python of ART's environment")
    asked.add_argument("--set", choices=("mnist", "fashion"), default="mnist")
    asked.add_argument("--first", type=int, default=120)
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--case", action="append", choices=list(CASES))
    options = asked.parse_args()
    for name in options.case or DEFAULT:
        for seed in range(options.first, options.first + options.seeds):
            print(json.dumps(look(name, options.set, seed, options.art)), flush=True)


if __name__ == "__main__":
    main()
