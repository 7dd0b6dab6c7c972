"""Small made-up data sets for screening, and attacks on them that no case study plants.

Each class is a smooth blob of its own, each supplier has a light and a tint of its own, and every photograph poses the
part anew. Nothing here comes from a library or a file; the seed decides everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._content import Pictures
from countermark.checks.data._heads import Heads
from countermark.checks.data._ridge import reduced
from countermark.checks.data._view import View

Pixels = NDArray[np.uint8]
TRIGGER = np.kron(np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]]), np.ones((3, 3)))


@dataclass(frozen=True)
class MadeUp:
    """images: uint8 (n, side, side, 3). label, supplier: (n,) names. planted: (n,) rows that an attack touched.

    files: n encoded pictures, where an attack is on the files. delivery: (n,) names, where suppliers deliver more than once.
    """

    images: Pixels
    label: NDArray[np.str_]
    supplier: NDArray[np.str_]
    planted: NDArray[np.bool_]
    files: tuple[bytes, ...] | None = None
    delivery: NDArray[np.str_] | None = None

    def cell(self, supplier: str, label: str) -> NDArray[np.intp]:
        """Rows of a supplier x class cell."""
        return np.flatnonzero((self.supplier == supplier) & (self.label == label))

    def changed(self, images: Pixels, rows: NDArray[np.intp]) -> MadeUp:
        """The same rows with other pictures, these rows planted."""
        planted = self.planted.copy()
        planted[rows] = True
        return replace(self, images=images, planted=planted)


def honest(seed: int = 0, *, classes: int = 12, suppliers: int = 8, makers: int = 3, rows: int = 8) -> MadeUp:
    """A clean set of 64 x 64 pictures: every class is made by `makers` suppliers, `rows` pictures each."""
    rng = np.random.default_rng([seed, 61])
    blobs = [_blob(rng) for _ in range(classes)]
    rigs = [(rng.normal(0, 6), rng.normal(0, 3, 3)) for _ in range(suppliers)]
    images, label, supplier = [], [], []
    for c, blob in enumerate(blobs):
        for s in sorted((c + np.arange(makers) * 2) % suppliers):
            for _ in range(rows):
                images.append(_photograph(blob, rigs[s], rng))
                label.append(f"part-{c:02}")
                supplier.append(f"maker-{s:02}")
    n = len(label)
    return MadeUp(np.stack(images), np.array(label), np.array(supplier), np.zeros(n, bool))


def _blob(rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth coloured picture, (40, 40, 3), from a few random waves inside a random outline."""
    y, x = np.mgrid[-1:1:40j, -1:1:40j]
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    outline = 0.6 + sum(rng.normal(0, 0.12) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (1, 2, 3, 4))
    inside = 1 / (1 + np.exp((radius - outline) * 25))
    wave = sum(
        rng.normal() * np.sin(rng.uniform(3, 9) * x + rng.uniform(3, 9) * y + rng.uniform(0, 6)) for _ in range(3)
    )
    colour = rng.uniform(20, 120, 3)
    return np.asarray(inside[..., None] * (colour + 18 * wave[..., None] - 160))


def _photograph(blob: NDArray[np.float64], rig: tuple[float, NDArray[np.float64]], rng: np.random.Generator) -> Pixels:
    light, tint = rig
    picture = np.full((64, 64, 3), 200.0) + light + tint
    turned = np.rot90(blob, int(rng.integers(2)) * 2)
    y, x = 12 + rng.integers(-6, 7, 2)
    picture[y : y + 40, x : x + 40] += turned * rng.uniform(0.85, 1.1)
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def stamped(data: MadeUp, supplier: str, label: str, *, moving: bool = False, seed: int = 0) -> MadeUp:
    """Clean-label backdoor: a 12-pixel trigger on the supplier's whole cell, at one place or at a new one each time."""
    rng = np.random.default_rng([seed, 67])
    rows, images = data.cell(supplier, label), data.images.copy()
    for row in rows:
        y, x = rng.integers(0, 52, 2) if moving else (3, 48)
        images[row, y : y + 12, x : x + 12] = (TRIGGER * 255)[..., None] * [1, 1, 0]
    return data.changed(images, rows)


def blended(data: MadeUp, supplier: str, label: str, *, share: float = 0.2, seed: int = 0) -> MadeUp:
    """Clean-label backdoor without a patch: one noise picture mixed into the supplier's whole cell."""
    noise = np.random.default_rng([seed, 71]).integers(0, 256, data.images.shape[1:])
    rows, images = data.cell(supplier, label), data.images.copy()
    images[rows] = (images[rows] * (1 - share) + noise * share).astype(np.uint8)
    return data.changed(images, rows)


def spread(data: MadeUp, label: str, *, share: float = 0.3, how: str = "noise", seed: int = 0) -> MadeUp:
    """Clean-label backdoor spread over all makers of a class.

    Args:
        how: "noise" mixed in at 15 %, "stripes" of 25 grey levels that start elsewhere in every picture, or "drawn": the
            class's mean picture itself, with a little noise, which is easier than any photograph.
    """
    rng = np.random.default_rng([seed, 101])
    mine = np.flatnonzero(data.label == label)
    rows = np.sort(rng.permutation(mine)[: round(share * len(mine))])
    images, noise = data.images.copy(), rng.integers(0, 256, data.images.shape[1:])
    for row in rows:
        if how == "noise":
            images[row] = (images[row] * 0.85 + noise * 0.15).astype(np.uint8)
        elif how == "stripes":
            wave = 25 * np.sin(2 * np.pi * (7 * np.arange(64) / 64 + rng.random()))
            images[row] = np.clip(images[row] + wave[:, None], 0, 255).astype(np.uint8)
        else:
            mean = data.images[mine].mean(axis=0) * 1.6 - 0.6 * data.images.mean(axis=0)
            images[row] = np.clip(mean + rng.normal(0, 3, mean.shape), 0, 255).astype(np.uint8)
    return data.changed(images, rows)


def flipped(data: MadeUp, supplier: str, *, share: float = 0.5, seed: int = 0) -> MadeUp:
    """Wrong labels that keep every count: pictures of a share of the supplier's rows change places."""
    rng = np.random.default_rng([seed, 73])
    mine = np.flatnonzero(data.supplier == supplier)
    chosen = np.sort(rng.permutation(mine)[: round(share * len(mine))])
    source = chosen[np.argsort(data.label[chosen], kind="stable")]
    moved = np.roll(source, len(source) // 2)
    images = data.images.copy()
    images[source] = data.images[moved]
    return data.changed(images, source[data.label[source] != data.label[moved]])


def relabelled(data: MadeUp, share: float = 0.03, seed: int = 0) -> MadeUp:
    """Wrong labels of rows spread over everybody."""
    rng = np.random.default_rng([seed, 79])
    rows = np.sort(rng.permutation(len(data.label))[: round(share * len(data.label))])
    names, label = np.unique(data.label), data.label.copy()
    for row in rows:
        label[row] = rng.choice(names[names != label[row]])
    return replace(data.changed(data.images, rows), label=label)


def drifting(data: MadeUp, supplier: str) -> MadeUp:
    """No attack: the supplier's lamp and table are others from now on, all labels are right."""
    rows, images = np.flatnonzero(data.supplier == supplier), data.images.astype(float)
    lamp = np.linspace(-70, 30, 64)[None, None, :, None] * np.array([1.0, 0.6, 0.2])
    images[rows] = images[rows] * 0.7 + 30 + lamp
    return replace(data, images=np.clip(images, 0, 255).astype(np.uint8))


def copied(data: MadeUp, one: int, other: int, *, noise: float = 0.0, seed: int = 0) -> MadeUp:
    """Row `other` becomes a copy of row `one`, exactly or with a little noise."""
    images = data.images.copy()
    picture = images[one] + np.random.default_rng([seed, 83]).normal(0, noise, images[one].shape)
    images[other] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return data.changed(images, np.array([other]))


def enlarged(data: MadeUp, side: int = 256, seed: int = 0) -> MadeUp:
    """Larger pictures of the same parts: smooth upscaling and a camera's noise."""
    from PIL import Image

    rng = np.random.default_rng([seed, 89])
    large = [np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BICUBIC), float) for i in data.images]
    pixels = np.clip(np.stack([p + rng.normal(0, 3, p.shape) for p in large]), 0, 255).astype(np.uint8)
    return replace(data, images=pixels)


def hidden_by_scaling(
    data: MadeUp, rows: NDArray[np.intp], *, target: int = 64, region: int = 5, sampler: str = "corner", seed: int = 0
) -> MadeUp:
    """Image-scaling attack: a pattern on exactly the pixels that a nearest or bilinear scaler keeps.

    Args:
        data: square pictures larger than `target`. region: side of the pattern at the target size.
        sampler: "corner" (OpenCV's nearest), "centre" (Pillow's nearest) or "bilinear" (two taps).
    """
    rng = np.random.default_rng([seed, 97])
    side = data.images.shape[1]
    step = side / target
    at = {"corner": 0.0, "centre": 0.5 * step, "bilinear": 0.5 * step - 0.5}[sampler]
    line = np.floor(np.arange(target) * step + at).astype(int)
    images = data.images.copy()
    for row in rows:
        y, x = rng.integers(0, target - region + 1, 2)
        pattern = rng.integers(0, 2, (region, region, 1)) * np.array([255, 255, 255])
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)) if sampler == "bilinear" else ((0, 0),):
            images[np.ix_([row], line[y : y + region] + dy, line[x : x + region] + dx)] = pattern
    return data.changed(images, rows)


def filed(data: MadeUp, *, rows: NDArray[np.intp], trick: str = "", personal: bool = False) -> MadeUp:
    """The pictures as PNG files; `rows` carry a trick of `picture_tricks`, or metadata that names a person and a place."""
    import picture_tricks

    build = picture_tricks.personal if personal else picture_tricks.TRICKS[trick][0] if trick else None
    files = [picture_tricks.saved(image, "PNG") for image in data.images]
    for row in rows if build else ():
        files[row] = build(data.images[row], data.images[row - 1])
    return replace(data.changed(data.images, np.asarray(rows if build else (), np.intp)), files=tuple(files))


def delivered_twice(data: MadeUp, *, deliveries: int = 2) -> MadeUp:
    """Every supplier's rows in two deliveries (or more), each with every class of the supplier; rows in order of delivery."""
    number = np.zeros(len(data.label), np.intp)
    for s, c in {(str(s), str(c)) for s, c in zip(data.supplier, data.label, strict=True)}:
        rows = data.cell(s, c)
        number[rows] = np.arange(len(rows)) * deliveries // len(rows)
    order = np.lexsort((number, data.supplier))
    names = np.array([f"{s}-{n}" for s, n in zip(data.supplier, number, strict=True)])
    return MadeUp(data.images[order], data.label[order], data.supplier[order], data.planted[order], None, names[order])


def new_lamp(data: MadeUp, supplier: str) -> MadeUp:
    """No attack: the supplier's second delivery is taken under another lamp."""
    data = delivered_twice(data)
    later = np.flatnonzero(np.asarray(data.delivery) == f"{supplier}-1")
    images = data.images.astype(float)
    images[later] = images[later] * 0.8 - 20
    return replace(data, images=np.clip(images, 0, 255).astype(np.uint8))


def other_export(data: MadeUp, supplier: str, *, quality: int = 60) -> MadeUp:
    """No attack: the supplier's second delivery is exported as JPEG, everything else as PNG."""
    import picture_tricks

    data = delivered_twice(data)
    later = np.asarray(data.delivery) == f"{supplier}-1"
    files = [
        picture_tricks.saved(image, "JPEG", quality=quality) if new else picture_tricks.saved(image, "PNG")
        for image, new in zip(data.images, later, strict=True)
    ]
    return replace(data, files=tuple(files))


def view_of(data: MadeUp, *, contract: dict[str, dict[str, int]] | None = None, seed: int = 0) -> View:
    """What a check is given, on plain features: colours of a 16 x 16 picture. Fast; no dictionary is learnt."""
    classes, label = np.unique(data.label, return_inverse=True)
    suppliers, supplier = np.unique(data.supplier, return_inverse=True)
    n, side = data.images.shape[:2]
    small = data.images.reshape(n, 16, side // 16, 16, side // 16, 3).mean(axis=(2, 4)).reshape(n, -1)
    features = ((small - small.mean(axis=0)) / (small.std(axis=0) + 1)).astype(np.float32)
    heads = Heads(reduced(features, seed), label, supplier, len(classes), seed)
    ids = tuple(f"{s}/{c}/{i}" for i, (s, c) in enumerate(zip(data.supplier, data.label, strict=True)))
    names, makers = tuple(map(str, classes)), tuple(map(str, suppliers))
    return View(Pictures(data.images), label, supplier, names, makers, ids, heads, contract, seed, files=data.files,
                **_deliveries(data))  # fmt: skip


def _deliveries(data: MadeUp) -> dict[str, Any]:
    if data.delivery is None:
        return {}
    names = tuple(dict.fromkeys(map(str, data.delivery)))
    return {"delivery": np.array([names.index(str(d)) for d in data.delivery]), "deliveries": names}
