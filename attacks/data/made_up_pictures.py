"""Untouched pictures of many kinds, drawn from a seed: what a check of pictures must not accuse.

Photographs (crops of the two that scikit-learn ships), dead leaves (occluding shapes of all sizes, the usual stand-in for natural
statistics), collages of small pictures, pages of text, gratings, rasters and meshes, and shaded renders; then noise, sharpening and
JPEG at several qualities.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.uint8]
KINDS = ("photograph", "leaves", "collage", "text", "moire", "render")
QUALITIES = (0, 95, 85, 75, 50, 30)
WORDS = (
    "lot",
    "part",
    "serial",
    "nut",
    "bolt",
    "M4x12",
    "Ø8.5",
    "IEC",
    "60068-2",
    "made",
    "in",
    "2026",
    "torque",
    "3.2",
    "Nm",
    "OK",
    "NOK",
    "qty",
    "1440",
    "|",
    "=",
    "+",
    "#",
    "%",
)
HOW = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def picture(seed: int, index: int, side: int = 256, tiles: Pixels | None = None) -> tuple[str, int, Pixels]:
    """Kind, JPEG quality (0: never compressed) and pixels, uint8 (side, side, 3), of one picture.

    Args:
        tiles: uint8 (n, h, w) small pictures for collages, such as Fashion-MNIST; without, there are no collages.
    """
    rng = np.random.default_rng([seed, index])
    kinds = KINDS if tiles is not None else tuple(k for k in KINDS if k != "collage")
    kind = kinds[index % len(kinds)]
    drawn = _collage(rng, side, tiles) if kind == "collage" and tiles is not None else _DRAW[kind](rng, side)
    quality = int(rng.choice(QUALITIES))
    return kind, quality, delivered(drawn, rng, quality)


def delivered(image: Image.Image, rng: np.random.Generator, quality: int) -> Pixels:
    """What a camera and a mail program make of it: sharpening, noise, JPEG (quality 0: none)."""
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.UnsharpMask(float(rng.uniform(0.5, 2)), int(rng.integers(50, 200)), 2))
    noise = rng.choice([0.0, 0.0, 2.0, 5.0])
    pixels = np.asarray(image, float) + (rng.normal(0, noise, (*image.size[::-1], 3)) if noise else 0)
    return compressed(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), quality)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """After JPEG at a quality; 0 leaves it."""
    if not quality:
        return pixels
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


@cache
def _photos() -> list[Image.Image]:
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(p) for p in load_sample_images().images]


def _photograph(rng: np.random.Generator, side: int) -> Image.Image:
    photo = _photos()[rng.integers(2)]
    cut = int(rng.integers(120, 427))
    x, y = rng.integers(0, photo.width - cut + 1), rng.integers(0, photo.height - cut + 1)
    box = (int(x), int(y), int(x) + cut, int(y) + cut)
    out = photo.resize((side, side), HOW[rng.integers(1, 4)], box=box)
    out = out.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else out
    bent = 255 * (np.asarray(out) / 255) ** rng.uniform(0.7, 1.4)
    return Image.fromarray(bent.astype(np.uint8))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = rng.integers(0, 256, 3)
    return int(r), int(g), int(b)


def _leaves(rng: np.random.Generator, side: int) -> Image.Image:
    over = int(rng.integers(1, 3))
    canvas = Image.new("RGB", (side * over, side * over), _colour(rng))
    draw = ImageDraw.Draw(canvas)
    for _ in range(600):
        r = min(side / 3, 2.0 * rng.pareto(1.0) + 1.5) * over
        y, x = rng.uniform(-r, side * over + r, 2)
        if rng.random() < 0.5:
            draw.ellipse((x - r, y - r, x + r, y + r), fill=_colour(rng))
        else:
            turn = rng.uniform(0, 6.3) + np.cumsum(rng.uniform(0.8, 2.0, 4))
            draw.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for a in turn], fill=_colour(rng))
    return canvas.resize((side, side), Image.Resampling.BOX)


def _collage(rng: np.random.Generator, side: int, tiles: Pixels) -> Image.Image:
    tile, how = int(rng.integers(28, 130)), HOW[rng.integers(4)]
    canvas = Image.new("RGB", (side, side), _colour(rng))
    for y in range(0, side, tile):
        for x in range(0, side, tile):
            small = Image.fromarray(tiles[rng.integers(len(tiles))]).resize((tile, tile), how)
            canvas.paste(Image.merge("RGB", [small] * 3), (x, y))
    return canvas


def _text(rng: np.random.Generator, side: int) -> Image.Image:
    dark = rng.random() < 0.3
    canvas = Image.new("RGB", (side, side), (20, 20, 30) if dark else (250, 248, 240))
    draw, y = ImageDraw.Draw(canvas), 2.0
    while y < side:
        height = float(rng.uniform(7, 36))
        font = ImageFont.load_default(height)
        line = " ".join(str(w) for w in rng.choice(WORDS, 14))
        draw.text((float(rng.uniform(0, 8)), y), line, font=font, fill=(235, 235, 235) if dark else (10, 10, 10))
        y += height * 1.2
    turn = float(rng.choice([0.0, 0.0, rng.uniform(-8, 8)]))
    return canvas.rotate(turn, Image.Resampling.BICUBIC, fillcolor=canvas.getpixel((0, 0))) if turn else canvas


def _moire(rng: np.random.Generator, side: int) -> Image.Image:
    """Gratings, zone plates, rasters of dots, meshes, checks; periods of 2 to 24 pixels, sampled without care."""
    y, x = np.mgrid[0:side, 0:side].astype(float)
    value = np.ones((side, side))
    for _ in range(int(rng.integers(1, 3))):
        period, turn = rng.uniform(2, 24), rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        a, b = np.sin(2 * np.pi * (u / period + rng.random())), np.sin(2 * np.pi * (v / period + rng.random()))
        shape = rng.integers(5)
        if shape == 0:
            value *= 0.5 + 0.5 * a
        elif shape == 1:
            value *= 0.5 + 0.5 * np.sin((u**2 + v**2) / (side * rng.uniform(0.3, 3)))
        elif shape == 2:
            value *= (a + b) > rng.uniform(-1, 1)
        elif shape == 3:
            value *= np.maximum(a, b) < rng.uniform(0.5, 0.95)
        else:
            value *= (a > 0) ^ (b > 0)
    low, high = np.sort(rng.uniform(0, 255, (2, 3)), axis=0)
    return Image.fromarray((low + value[..., None] * (high - low)).astype(np.uint8))


def _render(rng: np.random.Generator, side: int) -> Image.Image:
    y, x = np.mgrid[0:side, 0:side] / side
    out = rng.uniform(120, 230, 3) + (x * rng.normal(0, 40) + y * rng.normal(0, 40))[..., None]
    for _ in range(int(rng.integers(2, 8))):
        cy, cx, r = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.04, 0.3)
        turn = rng.uniform(0, np.pi)
        u, v = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn), (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        inside = np.hypot(u, v * rng.uniform(1, 4)) < r if rng.random() < 0.5 else np.maximum(abs(u), abs(v * 3)) < r
        light = 0.4 + 0.6 * np.sqrt(np.clip(1 - (u**2 + v**2) / r**2, 0, 1))
        thread = 1 + 0.2 * np.sin(2 * np.pi * u * side / rng.uniform(3, 20)) * (rng.random() < 0.4)
        out[inside] = ((light * thread)[..., None] * _colour(rng))[inside]
    return Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))


_DRAW: dict[str, Any] = {
    "photograph": _photograph, "leaves": _leaves, "text": _text, "moire": _moire, "render": _render,
}  # fmt: skip
