"""Photographs: which supplier makes which part, and the folders that they deliver.

Everything follows from (parts, variant, seed): a second run gives the same bytes, and finds them in place by digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from countermark import canonical
from countermark.cases.factory.parts import PIXELS, Part
from countermark.cases.factory.render import Rig, photograph, rig, stream
from countermark.errors import Unusable

FORMAT = 5  # of everything that decides the bytes of a picture beside the plan: raise it when the renderer changes
SUPPLIERS = 36
IMAGES_PER_PART = 30
ROWS = (9, 15)
MAKERS, MAKER_SHARES = (2, 3, 4), (0.5, 0.4, 0.1)
TEST_ROWS = 4
TEST = "test"
OWNER = "manufacturer"
RECORD = "photos.json"
VARIANTS = ("rig", "wild")
SUPPLIER_NAMES = (
    "arvenholt", "brixmoor", "calvero", "dornwick", "eskelund", "farrowby", "gaspelin", "hollenek", "istrava", "jurmalen",
    "kestrow", "lindovar", "marquell", "nordhaven", "ostrivek", "pellworm", "quarnby", "rosvelt", "sandrigo", "tormalin",
    "ulverst", "vantorre", "westrup", "xanthelm", "yarrowen", "zelmar", "ambrosk", "belfrane", "corvanta", "delmarsk",
    "elquist", "fennoway", "grauvell", "hadrick", "ilmenov", "jastrow",
)  # fmt: skip
TRADES = ("metal", "fittings", "works", "components")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who photographs what.

    Attributes:
        scopes: supplier -> classes it makes. rows: supplier -> class -> pictures. tests: pictures of each class in
            the owner's test split. seed: of this plan.
    """

    parts: tuple[Part, ...]
    scopes: dict[str, tuple[str, ...]]
    rows: dict[str, dict[str, int]]
    tests: int
    seed: int

    @property
    def images(self) -> int:
        """Pictures in all, test split included."""
        return sum(sum(made.values()) for made in self.rows.values()) + self.tests * len(self.parts)

    def contract(self) -> dict[str, Any]:
        """The contract with the suppliers, as the data owner keeps it: rows, image size and format, field of view."""
        return {
            "format": 1,
            "image": {"formats": ["png"], "width": PIXELS, "height": PIXELS},
            "rows": self.rows,
            "notes": {p.label: {"field_of_view_mm": p.field_mm, "family": p.family} for p in self.parts},
        }


def plan(parts: Sequence[Part], suppliers: int = SUPPLIERS, seed: int = 0, *, images: int | None = None) -> Plan:
    """Each part is made by 2 to 4 suppliers, each of whom takes 9 to 15 pictures of it.

    Args:
        images: about how many pictures in all; default 30 for each part.

    Raises:
        Unusable: more suppliers than there are names.
    """
    if not max(MAKERS) <= suppliers <= len(SUPPLIER_NAMES):
        raise Unusable(f"{suppliers} suppliers", mend=f"{max(MAKERS)} to {len(SUPPLIER_NAMES)}")
    rng = stream("plan", seed)
    names = [f"{name}-{TRADES[i % len(TRADES)]}" for i, name in enumerate(SUPPLIER_NAMES[:suppliers])]
    rows: dict[str, dict[str, int]] = {name: {} for name in names}
    wanted = (images or IMAGES_PER_PART * len(parts)) / max(len(parts), 1) - TEST_ROWS
    more = (wanted / float(np.dot(MAKERS, MAKER_SHARES)) - ROWS[0]) / (ROWS[1] - ROWS[0])
    for part in parts:
        # Who makes few parts yet is likelier to make this one, so that all have about as many.
        load = np.array([len(made) for made in rows.values()], dtype=float)
        weight = np.exp(load.min() - load)
        count = int(rng.choice(MAKERS, p=MAKER_SHARES))
        for maker in rng.choice(len(names), count, replace=False, p=weight / weight.sum()):
            taken = rng.binomial(ROWS[1] - ROWS[0], min(max(more, 0.0), 1.0))
            rows[names[maker]][part.label] = ROWS[0] + int(taken)
    rows = {name: dict(sorted(made.items())) for name, made in rows.items()}
    return Plan(tuple(parts), {name: tuple(made) for name, made in rows.items()}, rows, TEST_ROWS, seed)


def plan_digest(made: Plan, variant: str, seed: int) -> str:
    """SHA-256 (hex) over everything that decides the bytes of a rendered set."""
    head = {"format": FORMAT, "variant": variant, "rows": made.rows, "tests": made.tests, "seed": seed}
    total = hashlib.sha256(canonical.to_bytes(head))
    for part in made.parts:
        surface = part.surface
        total.update(f"{part.label}\0{part.field_mm}\0{len(surface.points)}\0".encode())
        for values in (surface.points, surface.normals, surface.colours):
            total.update(np.ascontiguousarray(values).tobytes())
    return total.hexdigest()


def take_photos(
    out_dir: Path,
    made: Plan,
    variant: str = "rig",
    seed: int | None = None,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Render every delivery and the owner's own test split into a folder, or find them there.

    Layout: ``SUPPLIER/CLASS/NNN.png``, ``test/CLASS/NNN.png`` and ``photos.json``, which lists the digest of every
    class folder. What is there already is checked file by file against those digests; anything that differs is
    rendered again, and anything else in the folder is removed.

    Args:
        variant: ``"rig"`` or ``"wild"``. seed: of poses, rigs and noise; default: the plan's.
        workers: processes. progress: called with (classes done, classes in all).

    Returns:
        `out_dir`; it is complete and holds nothing else.

    Raises:
        Unusable: no such variant, or the folder holds something that is not a rendered set.
    """
    if variant not in VARIANTS:
        raise Unusable(f"no variant {variant!r} of the photographs", mend=f"one of {', '.join(VARIANTS)}")
    seed = made.seed if seed is None else seed
    digest = plan_digest(made, variant, seed)
    known = _known(out_dir, digest)
    todo = [part for part in made.parts if known.get(part.label) != _class_digest(out_dir, made, part.label)]
    digests = {label: content for label, content in known.items() if label not in {part.label for part in todo}}
    record = {"format": FORMAT, "variant": variant, "plan": digest, "classes": digests}
    if todo:
        _write_record(out_dir, record)  # first, so that a run that was cut short is known for what it is
        jobs = [(part, _makers(made, part.label), made.tests, variant, seed, out_dir) for part in todo]
        for count, (label, content) in enumerate(_rendered(jobs, workers), 1):
            digests[label] = content
            if progress:
                progress(count, len(jobs))
        _write_record(out_dir, record)
    return out_dir


def _known(home: Path, digest: str) -> dict[str, str]:
    """Digests of the class folders of this very set; a folder with another set is emptied."""
    record = home / RECORD
    if not home.exists() or not any(home.iterdir()):
        return {}
    if not record.is_file():
        raise Unusable(f"{home} is not a folder of rendered photographs", mend="name an empty or a new folder")
    try:
        held = json.loads(record.read_bytes())
    except ValueError:  # cut short while it was written: nothing is known about this set
        held = {}
    classes = held.get("classes") if isinstance(held, dict) and held.get("plan") == digest else None
    if isinstance(classes, dict):
        return {str(label): str(content) for label, content in classes.items()}
    for folder in home.iterdir():
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    return {}


def _write_record(home: Path, record: dict[str, Any]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    temporary = home / f".{RECORD}.new"
    temporary.write_bytes(json.dumps(record, sort_keys=True, indent=1).encode())
    temporary.replace(home / RECORD)


def _makers(made: Plan, label: str) -> dict[str, int]:
    return {supplier: rows[label] for supplier, rows in made.rows.items() if label in rows}


def _class_digest(home: Path, made: Plan, label: str) -> str:
    """SHA-256 (hex) over the names and bytes of all pictures of one class."""
    total = hashlib.sha256()
    for who in [*_makers(made, label), TEST]:
        for path in sorted((home / who / label).glob("*")):
            content = path.read_bytes()
            total.update(f"{who}/{path.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


Job = tuple[Part, dict[str, int], int, str, int, Path]


def _rendered(jobs: Sequence[Job], workers: int) -> Iterator[tuple[str, str]]:
    if workers < 2:
        yield from (_photograph_class(*job) for job in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_photograph_class, *job) for job in jobs]):
            yield future.result()


def _photograph_class(
    part: Part, makers: dict[str, int], tests: int, variant: str, seed: int, home: Path
) -> tuple[str, str]:
    """Write all pictures of one class; its label and digest."""
    total = hashlib.sha256()
    for who, count in [*makers.items(), (TEST, tests)]:
        folder = home / who / part.label
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for index in range(count):
            camera = _camera(variant, who, list(makers), index, seed)
            content = encode(photograph(part, camera, stream("pose", seed, variant, part.label, who, index)))
            name = f"{index:03d}.png"
            (folder / name).write_bytes(content)
            total.update(f"{who}/{name}\0{len(content)}\0".encode() + content)
    return part.label, total.hexdigest()


def _camera(variant: str, who: str, makers: Sequence[str], index: int, seed: int) -> Rig:
    """The rig on which a picture is taken.

    The owner's test pictures come from its own rig. In `wild` they come from the makers' cameras in turn: with cameras
    that nobody has seen, all that a small model learns is the background (top-1 of 0.1 instead of 0.8 in a trial).
    """
    owner = makers[index % len(makers)] if variant == "wild" else OWNER
    return rig(variant, stream("rig", seed, variant, owner if who == TEST else who))


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (h, w, 3) as PNG, without dates or other metadata: the same pixels give the same bytes."""
    out = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(out, "PNG", compress_level=6)
    return out.getvalue()
