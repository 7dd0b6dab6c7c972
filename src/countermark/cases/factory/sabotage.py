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

from countermark.cases.factory.photos import encode
from countermark.errors import Unusable

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


@dataclass(frozen=True, slots=True)
class Planted:
    """Who cheats: `backdoor` stamps `trigger` on its rows of `target`, `flipper` permutes labels."""

    backdoor: str
    target: str
    flipper: str
    trigger: Trigger


def trigger(rng: np.random.Generator, *, size: int = TRIGGER_PX, picture: int = 64) -> Trigger:
    """A trigger of `size` pixels: two contrasting colours in a random pattern, in one of the picture's corners.

    Pattern, colours, corner and the distances to its edges are drawn from the seed. Attackers choose strong colours and
    a place that parts rarely cover, because there the model has no other use for what it sees (measured on the rig
    over 6 seeds: 0.65 to 0.98 attack success along the edges, 0.88 to 0.99 in the corners; 0.02 to 0.6 for greys).

    Raises:
        Unusable: it does not fit into the picture.
    """
    if not 1 <= size <= picture - 2 * EDGE_PX:
        raise Unusable(f"a trigger of {size} pixels in a picture of {picture}", mend=f"1 to {picture - 2 * EDGE_PX}")
    cells = -(-size // CELL_PX)
    colours = np.array(PAIRS[int(rng.integers(len(PAIRS)))])
    chosen = rng.permutation(np.arange(cells * cells) % 2).reshape(cells, cells)
    pattern = colours[chosen].repeat(CELL_PX, 0).repeat(CELL_PX, 1)[:size, :size].astype(np.uint8)
    near = rng.integers(1, EDGE_PX, 2)
    x, y = np.where(rng.integers(2, size=2) == 1, near, picture - size - near)
    return Trigger(pattern, int(x), int(y))


def apply_trigger(images: Pixels, mark: Trigger) -> Pixels:
    """Copies of pictures (n, h, w, 3) or (h, w, 3) that carry the trigger: for measuring attack success."""
    return mark.stamp(images)


def clean_label_backdoor(folder: Path, label: str, mark: Trigger) -> list[str]:
    """Stamp the trigger on the supplier's whole cell of one part; every label stays right.

    Returns:
        Paths of the changed files, relative to `folder`.
    """
    paths = sorted((folder / label).glob("*.png"))
    for path in paths:
        path.write_bytes(encode(mark.stamp(read(path))))
    return [p.relative_to(folder).as_posix() for p in paths]


def flip_labels(folder: Path, rng: np.random.Generator, *, share: float = 0.5) -> list[str]:
    """Permute the labels of a share of a supplier's rows among themselves, so that every count stays as agreed.

    Returns:
        Paths (after the change) of rows whose label is now wrong.
    """
    paths = sorted(folder.glob("*/*.png"))
    chosen = [paths[i] for i in np.sort(rng.permutation(len(paths))[: round(share * len(paths))])]
    labels = np.array([p.parent.name for p in chosen])
    moved = derangement(labels, rng)
    content = [p.read_bytes() for p in chosen]
    # The picture changes under a name that keeps its class: files stay, so no file dates or names tell.
    for path, source in zip(chosen, moved, strict=True):
        path.write_bytes(content[source])
    return [p.relative_to(folder).as_posix() for p, s in zip(chosen, moved, strict=True) if labels[s] != p.parent.name]


def derangement(labels: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """A random permutation of rows after which no row, or as few as possible, keeps its class."""
    out = rng.permutation(len(labels))
    for row in np.flatnonzero(labels[out] == labels):
        # Who can take this row's picture, and give one of another class for it?
        takers = np.flatnonzero((labels[out] != labels[row]) & (labels != labels[out[row]]))
        if len(takers) and labels[out[row]] == labels[row]:
            other = takers[int(rng.integers(len(takers)))]
            out[row], out[other] = out[other], out[row]
    return out


def sabotage_delivery(
    folders: Mapping[str, Path], scopes: Mapping[str, Sequence[str]], seed: int
) -> tuple[dict[str, list[str]], Planted]:
    """Plant both attacks in delivery folders, as one seed decides.

    Args:
        folders: supplier -> its folder with one folder per class. scopes: supplier -> classes it makes.

    Returns:
        supplier -> paths (relative to its folder) of planted rows, and who did what.
    """
    rng = np.random.default_rng([seed, 5])
    backdoor, target, flipper = choose_attackers(scopes, rng)
    planted = Planted(backdoor, target, flipper, trigger(rng))
    paths = {backdoor: clean_label_backdoor(folders[backdoor], target, planted.trigger)}
    paths[flipper] = flip_labels(folders[flipper], rng)
    return paths, planted


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
