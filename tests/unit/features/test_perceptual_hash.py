"""The hash that streams carry and copies are looked up by: its definition, its poses, near copies and others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from countermark.features.perceptual_hash import POSES, perceptual_hash, posed, posed_hashes


def smooth(n: int = 4, side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    waves = [(128 + 90 * np.sin(x / (5 + k) + k) * np.cos(y / (9 - k))).astype(np.uint8) for k in range(n)]
    return np.repeat(np.stack(waves)[..., None], 3, axis=3)


def turned(images: np.ndarray, pose: int) -> np.ndarray:
    out = images.swapaxes(1, 2) if pose & 4 else images
    out = out[:, :, ::-1] if pose & 1 else out
    return out[:, ::-1] if pose & 2 else out


@pytest.mark.parametrize("pose", range(POSES))
@pytest.mark.parametrize("side", [20, 64])
def test_hashes_of_all_poses_come_from_one_transform_to_the_bit(pose: int, side: int) -> None:
    images = np.random.default_rng(pose).integers(0, 256, (9, side, side, 3)).astype(np.uint8)
    assert np.array_equal(posed_hashes(images)[:, pose], perceptual_hash(turned(images, pose)))
    assert np.array_equal(posed(images[..., 0], pose), turned(images, pose)[..., 0])


def test_the_hash_is_the_signs_of_low_frequencies() -> None:
    grey = np.asarray(Image.fromarray(smooth(1)[0]).convert("L").resize((32, 32), Image.Resampling.BOX), float)
    line = np.arange(32) + 0.5
    waves = np.cos(np.pi * np.arange(9)[:, None] * line / 32)
    low = waves @ grey @ waves.T
    bits = low[:8, :8] > 0
    bits[0, 0] = low[0, 8] + low[8, 0] > 0
    wanted = int("".join("1" if b else "0" for b in bits.ravel()), 2)
    sure = int("".join("1" if b else "0" for b in (np.abs(low[:8, :8]) > 40).ravel()), 2) & ((1 << 63) - 1)
    assert (int(perceptual_hash(smooth(1))[0]) ^ wanted) & sure == 0 and sure.bit_count() > 5


def test_near_copies_have_near_hashes_and_others_have_not() -> None:
    images = np.random.default_rng(3).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8).repeat(8, 1).repeat(8, 2)
    code = perceptual_hash(images)
    near = perceptual_hash(np.clip(images.astype(int) * 0.9 + 9, 0, 255).astype(np.uint8))
    assert np.bitwise_count(code ^ near).max() <= 4 < np.bitwise_count(code[1:] ^ code[0]).min()
    assert perceptual_hash(images[:0]).shape == (0,) and posed_hashes(images[:0]).shape == (0, POSES)
