"""What the factory's script learns, and what the planted attacks do to it, over several seeds.

    python benchmarks/factory_training.py [--seeds 10] [--variant rig] [--parts-library DIR] [--parts 200] [--photos FOLDER]

For each seed it plants a clean-label backdoor (one supplier's whole cell of one part) and flipped labels (half of another
supplier's rows), trains the script's model three times, and prints top-1 and top-5 on the untouched test split and the
share of other parts' test pictures that the trigger sends to its class: clean, sabotaged, and with exactly the planted
rows taken out. The photographs follow seed 0 unless --render-each renders them anew for every seed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from countermark.cases.factory import library, parts, photos, sabotage, train

COLUMNS = ("clean top-1", "top-5", "sabotaged top-1", "attack", "removed top-1", "attack", "rows")


def read_rows(folders: dict[str, Path]) -> tuple[np.ndarray, list[str], list[tuple[str, str]]]:
    """All suppliers' pictures, their labels, and (supplier, path) of each."""
    names = [(who, path) for who, home in sorted(folders.items()) for path in sorted(home.glob("*/*.png"))]
    pixels = np.stack([sabotage.read(path) for _, path in names])
    rows = [(who, path.relative_to(folders[who]).as_posix()) for who, path in names]
    return pixels, [path.parent.name for _, path in names], rows


class Model:
    """The script's model, in memory."""

    def __init__(self, pixels: np.ndarray, labels: list[str], seed: int) -> None:
        self.classes = sorted(set(labels))
        self._words = train.dictionary(train.shrink(pixels[:: max(1, len(pixels) // 2000)]), seed)
        self._weights, self._bias = train.fit(train.encode(pixels, self._words), labels, self.classes)

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """One row of scores for each picture."""
        return train.encode(pixels, self._words) @ self._weights + self._bias

    def grade(self, tests: np.ndarray, truth: list[str]) -> tuple[float, float]:
        """Top-1 and top-5."""
        measured = train.measure(self.scores(tests), truth, self.classes)
        return measured["top1"], measured["top5"]

    def fooled(self, tests: np.ndarray, truth: list[str], planted: sabotage.Planted) -> float:
        """Attack success on pictures of other parts."""
        others = np.array(truth) != planted.target
        stamped = sabotage.apply_trigger(tests[others], planted.trigger)
        return float((self.scores(stamped).argmax(axis=1) == self.classes.index(planted.target)).mean())


def one_seed(home: Path, plan: photos.Plan, seed: int, scratch: Path) -> tuple[float, ...]:
    """Plant, train three times, measure."""
    folders = {who: scratch / who for who in plan.scopes}
    for who, folder in folders.items():
        shutil.copytree(home / who, folder)
    tests, truth = train.read(home / photos.TEST)
    pixels, labels, _ = read_rows(folders)
    clean = Model(pixels, labels, seed).grade(tests, truth)
    paths, planted = sabotage.sabotage_delivery(folders, plan.scopes, seed)
    pixels, labels, rows = read_rows(folders)
    bad = {(who, path) for who, own in paths.items() for path in own}
    poisoned = Model(pixels, labels, seed)
    good = np.array([row not in bad for row in rows])
    removed = Model(pixels[good], [label for label, keep in zip(labels, good, strict=True) if keep], seed)
    return (
        *clean, poisoned.grade(tests, truth)[0], poisoned.fooled(tests, truth, planted),
        removed.grade(tests, truth)[0], removed.fooled(tests, truth, planted), float(len(paths[planted.backdoor])),
    )  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--variant", default="rig", choices=photos.VARIANTS)
    parser.add_argument("--parts-library", type=Path)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--images", type=int)
    parser.add_argument("--photos", type=Path, default=Path(tempfile.gettempdir()) / "countermark-photos")
    parser.add_argument("--render-each", action="store_true", help="photographs of their own for every seed")
    given = parser.parse_args()
    pool = library.read(given.parts_library).parts if given.parts_library else None
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; " + ", ".join(COLUMNS))
    table = []
    for seed in range(given.seeds):
        drawn = seed if given.render_each else 0
        plan = photos.plan(parts.choose(given.parts, drawn, pool), seed=drawn, images=given.images)
        home = photos.take_photos(given.photos / f"{given.variant}-{len(plan.parts)}-{drawn}", plan, given.variant)
        begin = time.process_time()
        with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
            table.append(one_seed(home, plan, seed, Path(scratch)))
        figures = "  ".join(f"{value:6.3f}" for value in table[-1])
        print(f"seed {seed}: {figures}  ({time.process_time() - begin:.0f} s CPU)", flush=True)
    values = np.array(table)
    print("mean:   " + "  ".join(f"{value:6.3f}" for value in values.mean(axis=0)))
    print("least:  " + "  ".join(f"{value:6.3f}" for value in values.min(axis=0)))
    print("most:   " + "  ".join(f"{value:6.3f}" for value in values.max(axis=0)))


if __name__ == "__main__":
    main()
