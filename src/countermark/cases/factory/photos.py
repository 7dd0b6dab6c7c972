"""Photographs: which supplier makes which part, and the folders that they deliver.

Everything follows from (parts, variant, seed): a second run gives the same bytes, and finds them in the
cache by digest.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from countermark import canonical
from countermark.cases.factory.parts import PIXELS, Part
from countermark.cases.factory.render import photograph, rig

FORMAT = 3
SUPPLIERS = 36
ROWS = (9, 12)
TEST_ROWS = 5
OWNER = "manufacturer"
SUPPLIER_NAMES = (
    "adler", "bergmann", "castello", "dorn", "eiger", "fabbri", "gruber", "hansen", "ilves", "jansen", "kovacs", "lindholm",
    "marek", "novak", "olsson", "petit", "quist", "rossi", "schell", "tamm", "ueda", "virtanen", "weber", "xander",
    "yilmaz", "zeman", "arbor", "blaise", "corvin", "delmas", "ekman", "ferro", "garnet", "hollis", "iverson", "juhl",
)  # fmt: skip
KINDS = ("metal", "parts", "works", "components")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who photographs what.

    Attributes:
        scopes: supplier -> classes it makes. rows: supplier -> class -> pictures. seed: of this plan.
    """

    parts: tuple[Part, ...]
    scopes: dict[str, tuple[str, ...]]
    rows: dict[str, dict[str, int]]
    seed: int

    def contract(self) -> dict[str, Any]:
        """The contract with the suppliers, as the data owner keeps it."""
        return {
            "format": 1,
            "image": {"formats": ["png"], "width": PIXELS, "height": PIXELS},
            "rows": self.rows,
            "notes": {p.label: {"field_of_view_mm": p.field_mm, "family": p.family} for p in self.parts},
        }


def plan(parts: Sequence[Part], suppliers: int = SUPPLIERS, seed: int = 0, rows: tuple[int, int] = ROWS) -> Plan:
    """Each part is made by 2 to 4 suppliers, each of whom takes `rows` pictures of it."""
    rng = np.random.default_rng([seed, 11])
    names = [f"{name}-{KINDS[i % len(KINDS)]}" for i, name in enumerate(SUPPLIER_NAMES[:suppliers])]
    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    for part in parts:
        # Whoever makes few parts yet is likelier to make this one, so that all have about as many.
        load = np.array([len(counts[n]) for n in names], dtype=float)
        weight = np.exp(-(load - load.min()))
        makers = rng.choice(len(names), int(rng.integers(2, 5)), replace=False, p=weight / weight.sum())
        for maker in makers:
            counts[names[maker]][part.label] = int(rng.integers(rows[0], rows[1] + 1))
    scopes = {name: tuple(sorted(made)) for name, made in counts.items()}
    return Plan(tuple(parts), scopes, {n: dict(sorted(c.items())) for n, c in counts.items()}, seed)


def plan_digest(made: Plan, variant: str) -> str:
    """Name of a rendered set in the cache: everything that decides its bytes."""
    total = hashlib.sha256(canonical.to_bytes({"format": FORMAT, "variant": variant, "rows": made.rows, "seed": made.seed}))
    for part in made.parts:
        total.update(part.label.encode() + part.surface.points.tobytes() + part.surface.colours.tobytes())
    return total.hexdigest()


def take_photos(
    cache: Path, made: Plan, *, variant: str = "rig", workers: int = 2, progress: Progress | None = None
) -> Path:
    """Render every delivery and the owner's own test set, or find them in the cache.

    Layout: ``SUPPLIER/CLASS/NNN.png`` and ``test/CLASS/NNN.png``.

    Args:
        cache: folder of rendered sets. progress: called with (classes done, classes in all).

    Returns:
        The folder of this set; it is complete.
    """
    home = cache / f"{variant}-{plan_digest(made, variant)[:16]}"
    done = home / "complete"
    if done.exists():
        return home
    jobs = [(part, _makers(made, part.label), variant, made.seed, home) for part in made.parts]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        futures = [pool.submit(_photograph_part, *job) for job in jobs]
        for count, future in enumerate(as_completed(futures), 1):
            future.result()
            if progress:
                progress(count, len(jobs))
    done.write_text("every picture of this set was written\n")
    return home


def _one_thread() -> None:
    os.nice(0)  # workers keep the parent's priority; BLAS is pinned by the caller's environment


def _makers(made: Plan, label: str) -> dict[str, int]:
    return {s: rows[label] for s, rows in made.rows.items() if label in rows}


def _photograph_part(part: Part, makers: dict[str, int], variant: str, seed: int, home: Path) -> None:
    for supplier, rows in makers.items():
        camera = rig(variant, np.random.default_rng([seed, 23, zlib.crc32(supplier.encode())]))
        rng = np.random.default_rng([seed, zlib.crc32(supplier.encode()), zlib.crc32(part.label.encode())])
        # The test set is photographed on the same rigs, by the owner, and is never delivered.
        tests = max(1, TEST_ROWS // len(makers) + (1 if TEST_ROWS % len(makers) else 0))
        for folder, count, first in ((home / supplier / part.label, rows, 0), (home / "test" / part.label, tests, None)):
            folder.mkdir(parents=True, exist_ok=True)
            start = first if first is not None else len(list(folder.iterdir()))
            for index in range(start, start + count):
                _write(folder / f"{index:03d}.png", photograph(part, camera, rng))


def _write(path: Path, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    Image.fromarray(pixels, "RGB").save(path, "PNG", compress_level=6)
