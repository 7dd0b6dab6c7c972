"""Duplicates: a million hashes, and recall and precision on near copies planted among honest pictures.

    OMP_NUM_THREADS=1 python benchmarks/duplicates.py --hashes 1000000 --sets
    OMP_NUM_THREADS=1 python benchmarks/duplicates.py --sets mnist fashion rig wild tiles --rig RIG --wild WILD --tiles PHOTOGRAPHS

RIG and WILD are folders of the factory's photographs (`countermark demo factory` renders them), PHOTOGRAPHS one of any pictures, cut into
pieces. Copies of 6 % of the rows are appended; a pair is right where it joins a row and its copy, wrong where it joins two honest rows.
The rule was set on one half of the pictures (even rows, classes of parts and photographs; the first 30,000 of Fashion-MNIST) and seeds 0 to 2 (`--half 0 --first 0`): report the other
half and seeds from 103.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "data"))

import screening_sets
from near_copies import WAYS, disguised, near_copy
from numpy.typing import NDArray
from PIL import Image
from screening_seeds import wilson

from countermark.checks.data._hash_index import HashIndex
from countermark.checks.data._near import within

TILE = 96
Pixels = NDArray[np.uint8]
Copy = Callable[[Pixels, str, np.random.Generator], Pixels]


def million(count: int, poses: int) -> None:
    """Every pair within 6 bits, the hashes of each pose looked up in turn; a copy 6 bits away is planted for 1 % of them."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 1 << 64, count, dtype=np.uint64)
    planted = count // 100
    for at in range(planted):
        bits = rng.choice(64, 6, replace=False).astype(np.uint64)
        codes[count - 1 - at] = codes[at] ^ np.bitwise_or.reduce(np.uint64(1) << bits)
    wall, cpu = time.perf_counter(), time.process_time()
    index = HashIndex()
    for part in np.array_split(codes, 5):
        index.add(part)
    added = time.process_time() - cpu
    found = 0
    for pose in range(poses):
        # Other poses have other hashes, and cost the same.
        asked = codes if pose == 0 else rng.permutation(codes) ^ np.uint64(0x5A5A5A5A5A5A5A5A)
        query, row, _ = index.near(asked, 6)
        found += int((row < query).sum()) if pose == 0 else 0
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    print(
        f"{count} hashes in 5 deliveries, {poses} poses, radius 6: added in {added:.1f} s CPU, all in {cpu:.1f} s CPU, {wall:.1f} s wall, peak {peak:.2f} GiB; {found} pairs, {planted} planted"
    )


def pictures(name: str, seed: int, half: int, given: argparse.Namespace) -> Pixels:
    """Honest pictures of a set: uint8 (n, h, w, 3)."""
    if name in ("rig", "wild"):
        images, label, _ = screening_sets.parts(getattr(given, name))
        return images[label % 2 == half]
    if name == "tiles":
        return np.concatenate([tiles(p) for at, p in enumerate(sorted(given.tiles.iterdir())) if at % 2 == half])
    images = screening_sets.mnist(seed)[0][half::2] if name == "mnist" else fashion(seed, half)
    return np.repeat(images[..., None], 3, axis=3)


def fashion(seed: int, half: int) -> Pixels:
    """5,000 of the first or the last 30,000 pictures."""
    images, _, _ = screening_sets.fashion(seed, rows=60_000)
    place = np.random.default_rng([seed, 303]).permutation(60_000)  # as `screening_sets` orders them
    return images[place // 30_000 == half][:5000]


def tiles(path: Path) -> Pixels:
    """At most 80 pieces of a photograph, 96 x 96, that show something."""
    with Image.open(path) as opened:
        image = np.asarray(opened.convert("RGB"))
    height, width = image.shape[:2]
    corners = [(y, x) for y in range(0, height - TILE + 1, TILE) for x in range(0, width - TILE + 1, TILE)]
    every = [image[y : y + TILE, x : x + TILE] for y, x in corners]
    lively = [tile for tile in every if tile.mean(axis=2).std() > 3][:80]
    return np.stack(lively) if lively else np.zeros((0, TILE, TILE, 3), np.uint8)


def at_64(images: Pixels) -> Pixels:
    """Pieces as the command decodes them; other sets as they are."""
    if images.shape[1] != TILE:
        return images
    return np.stack([np.asarray(Image.fromarray(i).resize((64, 64), Image.Resampling.BILINEAR)) for i in images])


def judged(
    images: Pixels, seed: int, ways: tuple[str, ...], copy: Copy
) -> tuple[Counter[str], Counter[str], int, float]:
    """Copies of 6 % of the rows by way, those found, pairs of honest rows told, CPU seconds."""
    rng = np.random.default_rng([seed, 77])
    rows = rng.choice(len(images), min(max(int(len(images) * 0.06), 8 * len(ways)), len(images) // 3), replace=False)
    named = [ways[i % len(ways)] for i in range(len(rows))]
    copies = np.stack([copy(images[r], way, rng) for r, way in zip(rows, named, strict=True)])
    every = np.concatenate([at_64(images), at_64(copies)])
    cpu = time.process_time()
    pairs = within(every)
    cpu = time.process_time() - cpu
    told = set(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True))
    found = Counter(way for i, way in enumerate(named) if (int(rows[i]), len(images) + i) in told)
    return Counter(named), found, sum(other < len(images) for _, other in told), cpu


def report(name: str, given: argparse.Namespace, half: int, ways: tuple[str, ...], copy: Copy) -> None:
    """All seeds of one set."""
    asked, found, wrong, spent = Counter[str](), Counter[str](), 0, 0.0
    for seed in range(given.first, given.first + given.seeds):
        images = pictures(name, seed, half, given)
        of, hits, bad, cpu = judged(images, seed, ways, copy)
        asked, found, wrong, spent = asked + of, found + hits, wrong + bad, spent + cpu
    hits, of = found.total(), asked.total()
    low, high = wilson(hits, of)
    sure = wilson(hits, hits + wrong) if hits + wrong else (0.0, 1.0)
    print(
        f"{name}, {len(images)} rows: {hits} of {of} = {hits / of:.3f} [{low:.3f}, {high:.3f}]; right {hits} of {hits + wrong} = "
        f"{hits / max(hits + wrong, 1):.4f} [{sure[0]:.3f}, {sure[1]:.3f}]; {spent / given.seeds:.1f} s CPU a set"
    )
    print("   " + ", ".join(f"{way} {found[way]}/{asked[way]}" for way in ways), flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hashes", type=int, default=0)
    parser.add_argument("--poses", type=int, default=8)
    parser.add_argument("--first", type=int, default=103)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--half", type=int, default=1, help="0: the pictures that the rule was set on; 1: others")
    parser.add_argument(
        "--sets", nargs="*", default=["mnist", "fashion"], choices=("mnist", "fashion", "rig", "wild", "tiles")
    )
    for name in ("rig", "wild", "tiles"):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    parser.add_argument("--bend", type=float, nargs="*", default=[], help="also copies disguised by bending, in pixels")
    given = parser.parse_args()
    if given.hashes:
        million(given.hashes, given.poses)
    for name in given.sets:
        report(name, given, given.half, WAYS, near_copy)
        if given.bend:
            report(
                name,
                given,
                given.half,
                tuple(map(str, given.bend)),
                lambda image, bend, rng: disguised(image, float(bend), rng),
            )


if __name__ == "__main__":
    main()
