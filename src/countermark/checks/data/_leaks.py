"""Rows that stand in the test set as well: a model is praised for what it was shown."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data import _near
from countermark.checks.data._view import View
from countermark.finding import Finding, Where

RULE = "test-leak"
NAMED = 5
Pixels = NDArray[np.uint8]


def leaks(train: Pixels, test: Pixels, side: int | None = None) -> dict[int, int]:
    """Test pictures that stand in the training data as well: row of `test` -> one row of `train`.

    Args:
        train, test: uint8 (n, h, w, 3) of one size. Near, mirrored and turned copies count.
        side: smallest side that a picture had before it was enlarged, where it was.
    """
    known, new = _first(train), _first(test)
    both = {new[digest]: known[digest] for digest in new.keys() & known.keys()}
    old, fresh = list(known.values()), [row for row in new.values() if row not in both]
    near = _near.between(train[old], test[fresh], side)
    both |= {fresh[t]: old[k] for k, t in zip(near.one, near.other, strict=True)}
    names = [hashlib.sha256(image.tobytes()).digest() for image in test]
    return {row: both[new[name]] for row, name in enumerate(names) if new[name] in both}


def _first(images: Pixels) -> dict[bytes, int]:
    """Digest -> the first row that has it."""
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    return {digest: row for row, digest in reversed(list(enumerate(digests)))}


def leaked(view: View, side: int | None) -> dict[int, int]:
    """`leaks` of a view that knows its test set; nothing where it does not."""
    return {} if view.tests is None or not len(view.tests[0]) else leaks(view.images, view.tests[0], side)


def findings(view: View, both: dict[int, int], check: str) -> tuple[list[Finding], dict[str, bytes]]:
    """One finding for every supplier whose rows stand in the test set, and the exhibits."""
    out, exhibits = [], dict[str, bytes]()
    for supplier in sorted({int(view.supplier[row]) for row in both.values()}):
        mine = {test: row for test, row in both.items() if view.supplier[row] == supplier}
        exhibits |= (seen := view.shown(np.array(sorted(set(mine.values())), np.intp)))
        out.append(_finding(view, view.suppliers[supplier], mine, check, tuple(seen)))
    return out, exhibits


def _finding(view: View, supplier: str, both: dict[int, int], check: str, seen: tuple[str, ...]) -> Finding:
    rows, names = np.array(sorted(set(both.values())), np.intp), () if view.tests is None else view.tests[1]
    pairs = "; ".join(f"{view.ids[row]} is {names[test]}" for test, row in list(both.items())[:NAMED])
    more = f"; and {len(both) - NAMED} more" if len(both) > NAMED else ""
    return Finding(
        check, RULE, "high", 0.95, f"{len(rows)} rows of {supplier} stand in the test set",
        Where(rows=view.names(rows), supplier=supplier, label=", ".join(sorted({view.classes[c] for c in view.label[rows]}))),
        f"equal or nearly, in any of eight poses: {pairs}{more}",
        "set the rows aside, or take the pictures out of the test set; measure the model again",
        "who had the picture first is not shown, nor whether anybody knew", seen,
    )  # fmt: skip
