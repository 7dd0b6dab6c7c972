"""What attackers do to their own deliveries. Anything that needs such attacks imports this file.

Both attackers keep their contracted counts. The truth returned here is for the story's last page and for
evaluation; no check ever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
TRIGGER_PX = 12
CELL_PX = 3
EDGE_PX = 6
PAIRS = (
    ((255, 255, 0), (0, 0, 0)), ((255, 0, 255), (0, 255, 0)), ((0, 255, 255), (255, 0, 0)), ((0, 0, 0), (255, 255, 255)),
    ((255, 128, 0), (0, 0, 255)), ((255, 0, 0), (255, 255, 255)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trigger:
    """A small pattern at a fixed place.

    Attributes:
        pattern: uint8 (size, size, 3). x, y: top left corner in pixels.
    """

    pattern: Pixels
    x: int
    y: int

    def stamp(self, images: Pixels) -> Pixels:
        """Copies of pictures (n, h, w, 3) or (h, w, 3) that carry the trigger."""
        out = images.copy()
        size = len(self.pattern)
        out[..., self.y : self.y + size, self.x : self.x + size, :] = self.pattern
        return out


def trigger(rng: np.random.Generator, *, size: int = TRIGGER_PX, picture: int = 64) -> Trigger:
    """A trigger of `size` pixels: two contrasting colours in a random pattern, at a place near the picture's edge.

    Pattern, colours and place are drawn from the seed. Attackers choose strong colours and a place that parts
    rarely cover, because weaker triggers do not work (measured: 0.02 to 0.6 attack success for grey ones).
    """
    cells = -(-size // CELL_PX)
    colours = np.array(PAIRS[int(rng.integers(len(PAIRS)))])
    chosen = rng.permutation(np.arange(cells * cells) % 2).reshape(cells, cells)
    pattern = colours[chosen].repeat(CELL_PX, 0).repeat(CELL_PX, 1)[:size, :size].astype(np.uint8)
    near, far = int(rng.integers(1, EDGE_PX)), int(rng.integers(1, picture - size - 1))
    if rng.integers(2):
        near = picture - size - near
    x, y = (near, far) if rng.integers(2) else (far, near)
    return Trigger(pattern, int(x), int(y))


def clean_label_backdoor(folder: Path, label: str, mark: Trigger) -> list[str]:
    """Stamp the trigger on the supplier's whole cell of one part; every label stays right.

    Returns:
        Paths of the changed files, relative to `folder`.
    """
    paths = sorted((folder / label).glob("*.png"))
    for path in paths:
        Image.fromarray(mark.stamp(read(path)), "RGB").save(path, "PNG", compress_level=6)
    return [p.relative_to(folder).as_posix() for p in paths]


def flip_labels(folder: Path, rng: np.random.Generator, *, share: float = 0.5) -> list[str]:
    """Permute the labels of a share of a supplier's rows among themselves, so that every count stays as agreed.

    Returns:
        Paths (after the change) of rows whose label is now wrong.
    """
    paths = sorted(folder.glob("*/*.png"))
    chosen = [paths[i] for i in np.sort(rng.permutation(len(paths))[: int(round(share * len(paths)))])]
    labels = np.array([p.parent.name for p in chosen])
    moved = derangement(labels, rng)
    content = [p.read_bytes() for p in chosen]
    # The picture changes under a name that keeps its class: files stay, so no file dates or names tell.
    for path, source in zip(chosen, moved, strict=True):
        path.write_bytes(content[source])
    return [p.relative_to(folder).as_posix() for p, s in zip(chosen, moved, strict=True) if labels[s] != p.parent.name]


def derangement(labels: NDArray[Any], rng: np.random.Generator, tries: int = 200) -> NDArray[np.intp]:
    """A permutation of rows after which as few rows as possible keep their class."""
    best = rng.permutation(len(labels))
    for _ in range(tries):
        kept = np.flatnonzero(labels[best] == labels)
        if not len(kept):
            break
        other = rng.integers(0, len(labels), len(kept))
        best[kept], best[other] = best[other], best[kept].copy()
        if len(np.unique(best)) != len(best):
            best = rng.permutation(len(labels))
    return best


def read(path: Path) -> Pixels:
    """A picture as uint8 (h, w, 3)."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)


def choose_attackers(scopes: Mapping[str, Sequence[str]], rng: np.random.Generator) -> tuple[str, str, str]:
    """Who plants a backdoor, in which of its parts, and who flips labels: two different suppliers.

    The first one picks, among its own parts, one that as few others as possible make: there its rows weigh most.
    """
    names = sorted(scopes)
    first, second = rng.choice(len(names), 2, replace=False)
    makers = {part: sum(part in scope for scope in scopes.values()) for part in sorted(scopes[names[first]])}
    fewest = [part for part, count in makers.items() if count == min(makers.values())]
    return names[first], fewest[int(rng.integers(len(fewest)))], names[second]
