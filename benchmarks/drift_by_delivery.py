"""Drift and a supplier's past on real pictures: false findings over clean deals, and what of a changed delivery is told.

    OMP_NUM_THREADS=1 python benchmarks/drift_by_delivery.py PARTS --seeds 5

PARTS has a folder per supplier and one per class in it. Each supplier's rows are dealt to two deliveries at random; in all but the clean
deals the second delivery of one supplier is changed in one way. Checks see pixels and files, as in a workspace.
"""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from countermark.checks.data import contract, drift
from countermark.checks.data._codings import CODING, codings
from countermark.checks.data._heads import Heads
from countermark.checks.data._properties import properties
from countermark.checks.data._view import View
from countermark.lifecycle.claimed import read_claimed


def saved(image: np.ndarray, **how: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", **how)
    return out.getvalue()


def blurred(images: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(i).filter(ImageFilter.GaussianBlur(0.7))) for i in images])


CHANGES = {
    "clean": lambda images: images,
    "10 % darker": lambda images: (images * 0.9).astype(np.uint8),
    "20 % darker": lambda images: (images * 0.8).astype(np.uint8),
    "blur, radius 0.7": blurred,
    "noise, 4 grey levels": lambda images: np.clip(
        images + np.random.default_rng(0).normal(0, 4, images.shape), 0, 255
    ).astype(np.uint8),
    "JPEG, quality 75": lambda images: np.stack(
        [np.asarray(Image.open(io.BytesIO(saved(i, quality=75)))) for i in images]
    ),
}


def dealt(view: View, seed: int) -> View:
    """Each supplier's rows in two deliveries, at random."""
    second = np.random.default_rng([seed, 7]).random(len(view.label)) < 0.5
    names = tuple(f"{s}-{n}" for s in view.suppliers for n in (0, 1))
    return replace(view, delivery=view.supplier * 2 + second, deliveries=names)


def found(view: View, supplier: int) -> dict[str, list[int]]:
    """Findings by check and rule: about the changed supplier, and about others."""
    out: dict[str, list[int]] = {}
    for check in (contract.CHECK, drift.CHECK):
        for one in getattr(check.run(view).outcome, "findings", ()):
            both = out.setdefault(f"{check.id} {one.rule}", [0, 0])
            both[one.where.supplier != view.suppliers[supplier]] += 1
    return out


def main() -> None:
    """Run, and print one JSON line a change: findings about the changed supplier and about others, added over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    rows = read_claimed(str(asked.parts), "{supplier}/{label}/*")
    kept = [i for i, s in enumerate(rows.suppliers) if s != "test"]
    names, supplier = np.unique([rows.suppliers[i] for i in kept], return_inverse=True)
    classes, label = np.unique([rows.labels[i] for i in kept], return_inverse=True)
    images = rows.images[kept]
    told = codings([rows.files[i] for i in kept])
    heads = Heads(np.zeros((len(kept), 1), np.float32), label, supplier, len(classes), 0)
    view = View(
        images, label, supplier, tuple(map(str, classes)), tuple(map(str, names)), tuple(map(str, kept)), heads,
        sizes=np.full((len(kept), 2), 64), looked={CODING: told}, properties=properties(images),
    )  # fmt: skip
    for name, change in CHANGES.items():
        total: dict[str, list[int]] = {}
        for seed in range(asked.seeds):
            one = dealt(view, seed)
            who = int(np.random.default_rng([seed, 9]).integers(len(names)))
            later = np.flatnonzero(one.delivery == 2 * who + 1)
            seen, looked = view.properties.copy(), list(told)
            seen[later] = properties(change(images[later]))
            if name.startswith("JPEG"):
                for row in later:
                    looked[row] = {**looked[row], "format": "jpeg", "quality": 75, "subsampling": "4:2:0"}
            for rule, counts in found(replace(one, properties=seen, looked={CODING: looked}), who).items():
                total[rule] = [a + b for a, b in zip(total.get(rule, [0, 0]), counts, strict=True)]
        print(json.dumps({"change": name, "deals": asked.seeds, "deliveries": 2 * len(names), "findings": total}))


if __name__ == "__main__":
    main()
