"""Does a supplier stand out because it came after the frame was learnt? Supplier tests on frozen frames, beside frames of all rows.

    OMP_NUM_THREADS=1 python benchmarks/frozen_frame.py PARTS --late 8

PARTS has a folder per supplier and one per class in it. Each of some suppliers in turn is left out when the frame is learnt, and then
screened with all others by the checks that use heads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from countermark.checks.data import cell_difference, label_errors, leave_one_supplier_out
from countermark.checks.data._heads import Heads
from countermark.checks.data._mixture import margins
from countermark.checks.data._null import robust_z
from countermark.checks.data._view import View
from countermark.engines.engine import one_thread
from countermark.features.frame import Directions
from countermark.features.patches import PatchFeatures
from countermark.lifecycle.claimed import read_claimed

CHECKS = (label_errors.CHECK, leave_one_supplier_out.CHECK, cell_difference.CHECK)


def encoded(pixels: np.ndarray, learnt: np.ndarray, seed: int) -> np.ndarray:
    """All rows on a frame that was learnt from some of them."""
    words = PatchFeatures.fit(pixels[learnt], seed)
    raw = np.concatenate([words.encode(pixels[at : at + 250]) for at in range(0, len(pixels), 250)])
    return Directions.fit(raw[learnt], seed).on(raw)


def judged(view: View, late: int) -> dict[str, object]:
    """Whether each check names the late supplier, how many it names, and the supplier's own standing."""
    out: dict[str, object] = {"accuracy": round(view.heads.accuracy, 4)}
    margin = margins(view.heads.by_fold(), view.label)
    mean = np.bincount(view.label, margin) / np.bincount(view.label)
    value = np.bincount(view.supplier, margin - mean[view.label]) / np.bincount(view.supplier)
    out["robust score of its margin"] = round(float(robust_z(value)[late]), 2)
    for check in CHECKS:
        named = {f.where.supplier for f in getattr(check.run(view).outcome, "findings", ())}
        out[check.id] = [view.suppliers[late] in named, len(named - {""})]
    return out


def main() -> None:
    """Run, and print one JSON line a supplier and way of learning."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", type=Path)
    parser.add_argument("--late", type=int, default=8, help="suppliers that come late, one at a time")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows = read_claimed(str(asked.parts), "{supplier}/{label}/*")
    kept = np.array([s != "test" for s in rows.suppliers])
    pixels = rows.images[kept]
    names, supplier = np.unique(np.array(rows.suppliers)[kept], return_inverse=True)
    classes, label = np.unique(np.array(rows.labels)[kept], return_inverse=True)
    ids = tuple(np.array(rows.paths)[kept])
    with one_thread():
        for late in np.linspace(0, len(names) - 1, asked.late).astype(int):
            for how, learnt in (("frozen", supplier != late), ("of all rows", np.ones(len(label), bool))):
                z = encoded(pixels, learnt, asked.seed)
                heads = Heads(z, label, supplier, len(classes), asked.seed)
                view = View(pixels, label, supplier, tuple(classes), tuple(names), ids, heads, None, asked.seed)
                told = judged(view, int(late))
                print(
                    json.dumps({"late": str(names[late]), "rows": int((supplier == late).sum()), "frame": how} | told)
                )


if __name__ == "__main__":
    main()
