"""Image-scaling check: share of attacks found at 1 % false alarms and at the bound as shipped, and cost.

    OMP_NUM_THREADS=1 python benchmarks/image_scaling.py --fashion-mnist DIR [--seed 100] [--untouched 6000] [--attacks 40]

DIR holds train-images-idx3-ubyte.gz (Debian: dataset-fashion-mnist). The bound was set on seed 1; report others. Attacked are
fresh pictures of the same kinds, some of them JPEG before the attack; "jpeg 95" compresses again after it. An attack counts where it is one: where the
scaler sees a change, an area average sees less than half of it. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "data"))

import image_scaling_attacks as attacks
import made_up_pictures
from screening_seeds import wilson

from countermark.checks.data._lattice import suspicion
from countermark.checks.data.image_scaling import BOUND

SIZES = (32, 64, 96, 112, 128)
Attack = Callable[[np.random.Generator, int, str], tuple[np.ndarray, np.ndarray]]


def told(name: str, hits: int, of: int) -> str:
    """A share with its interval."""
    low, high = wilson(hits, of) if of else (0.0, 1.0)
    return f"{name}: {hits} of {of} = {hits / max(of, 1):.4f} [{low:.4f}, {high:.4f}]"


class Bench:
    """Pictures, and what the check says of them."""

    def __init__(self, seed: int, tiles: np.ndarray) -> None:
        self.seed, self.tiles, self.bound = seed, tiles, BOUND
        self.drawn = 0

    def fresh(self, rng: np.random.Generator) -> np.ndarray:
        """A picture that no other number of this run was drawn from."""
        self.drawn += 1
        return made_up_pictures.picture(self.seed + 1, self.drawn, tiles=self.tiles)[2]

    def untouched(self, count: int) -> None:
        """False alarms by kind, and the bound at 1 %."""
        scores, kinds, jpeg, spent = [], [], [], 0.0
        for i in range(count):
            kind, quality, image = made_up_pictures.picture(self.seed, i, tiles=self.tiles)
            start = time.process_time()
            scores.append(suspicion(image).score)
            spent += time.process_time() - start
            kinds.append(kind)
            jpeg.append(quality)
        values = np.array(scores)
        self.bound = float(np.quantile(values, 0.99, method="higher"))
        print(
            f"{count} untouched pictures of 256 x 256, {1000 * spent / count:.1f} ms CPU each; 1 % lies at {self.bound:.1f}"
        )
        print("  " + told(f"flagged at the bound shipped, {BOUND}", int((values > BOUND).sum()), count))
        print("  " + told("flagged at 1 %", int((values > self.bound).sum()), count))
        for name, groups in (("kind", kinds), ("JPEG quality", jpeg)):
            for group, of in sorted(Counter(groups).items()):
                hits = sum(v > BOUND for v, g in zip(values, groups, strict=True) if g == group)
                print("    " + told(f"{name} {group}", hits, of))

    def attacked(self, name: str, size: int, sampler: str, count: int, attack: Attack) -> tuple[int, int, int]:
        """Attacks that are any, found at 1 %, found as shipped."""
        rng = np.random.default_rng([self.seed, size, attacks.SAMPLERS.index(sampler)])
        values = []
        for _ in range(count):
            image, bad = attack(rng, size, sampler)
            if attacks.hides(image, bad, size, sampler):
                values.append(suspicion(bad).score)
        found, shipped = (sum(v > bound for v in values) for bound in (self.bound, BOUND))
        print(
            f"  {name}, {size}, {sampler}: " + told("at 1 %", found, len(values)) + f"; as shipped {shipped}",
            flush=True,
        )
        return len(values), found, shipped

    def whole(self, rng: np.random.Generator, size: int, sampler: str) -> tuple[np.ndarray, np.ndarray]:
        """Another picture is hidden."""
        image = self.fresh(rng)
        return image, attacks.whole(image, self.fresh(rng), size, sampler)

    def trigger(self, rng: np.random.Generator, size: int, sampler: str) -> tuple[np.ndarray, np.ndarray]:
        """5 x 5 pixels are hidden."""
        image = self.fresh(rng)
        return image, attacks.trigger(image, size, sampler, rng)

    def decoyed(self, lattices: int) -> Attack:
        """A trigger, and its like on other lattices."""

        def attack(rng: np.random.Generator, size: int, sampler: str) -> tuple[np.ndarray, np.ndarray]:
            image, bad = self.trigger(rng, size, sampler)
            return image, attacks.decoyed(bad, image, size, rng, lattices)

        return attack

    def compressed(self, rng: np.random.Generator, size: int, sampler: str) -> tuple[np.ndarray, np.ndarray]:
        """A trigger sent as JPEG of quality 95."""
        image, bad = self.trigger(rng, size, sampler)
        return image, made_up_pictures.compressed(bad, 95)

    def faint(self, rng: np.random.Generator, size: int, sampler: str) -> tuple[np.ndarray, np.ndarray]:
        """A trigger that moves what the scaler sees by at most 20 grey levels."""
        image, bad = self.trigger(rng, size, sampler)
        return image, np.clip(bad.astype(int), image.astype(int) - 20, image.astype(int) + 20).astype(np.uint8)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fashion-mnist", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--untouched", type=int, default=6000)
    parser.add_argument("--attacks", type=int, default=40)
    given = parser.parse_args()
    packed = gzip.decompress((given.fashion_mnist / "train-images-idx3-ubyte.gz").read_bytes())
    bench = Bench(given.seed, np.frombuffer(packed, np.uint8, offset=16).reshape(-1, 28, 28))
    bench.untouched(given.untouched)
    plain: dict[str, Attack] = {"whole": bench.whole, "trigger": bench.trigger}
    for name, attack in plain.items():
        rows = [bench.attacked(name, size, how, given.attacks, attack) for size in SIZES for how in attacks.SAMPLERS]
        count, found, shipped = (sum(column) for column in zip(*rows, strict=True))
        print(told(f"{name}, all at 1 %", found, count) + "; " + told("as shipped", shipped, count))
    adaptive = {"jpeg 95": bench.compressed, "20 grey levels": bench.faint} | {
        f"{n} decoys": bench.decoyed(n) for n in (1, 3, 8)
    }
    for name, attack in adaptive.items():
        bench.attacked(f"adaptive trigger, {name}", 64, "opencv-nearest", given.attacks, attack)


if __name__ == "__main__":
    main()
