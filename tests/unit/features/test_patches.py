"""Patch features."""

from __future__ import annotations

import made_up_parts
import numpy as np

from countermark.features.patches import PatchFeatures

DATA = made_up_parts.honest(0, classes=6, suppliers=4, makers=2, rows=4)


def test_features_are_deterministic_and_bounded() -> None:
    one, two = (PatchFeatures.fit(DATA.images, seed=5) for _ in range(2))
    assert (one.words == two.words).all()
    encoded = one.encode(DATA.images)
    assert encoded.dtype == np.float32 and encoded.shape[0] == len(DATA.images)
    assert np.isfinite(encoded).all() and (encoded >= 0).all()
    np.testing.assert_array_equal(encoded[3:7], one.encode(DATA.images[3:7]))


def test_classes_can_be_told_apart() -> None:
    z = PatchFeatures.fit(DATA.images, seed=0).encode(DATA.images)
    z = z - z.mean(axis=0)
    distance = ((z[:, None] - z[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (DATA.label[distance.argmin(axis=1)] == DATA.label).mean() > 0.7


def test_light_and_contrast_do_not_matter_much() -> None:
    learnt = PatchFeatures.fit(DATA.images, seed=0)
    darker = (DATA.images * 0.8).astype(np.uint8)
    a, b = learnt.encode(DATA.images), learnt.encode(darker)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98


def test_pictures_without_structure_do_not_break_it() -> None:
    flat = np.full((5, 64, 64, 3), 120, np.uint8)
    assert np.isfinite(PatchFeatures.fit(flat, seed=0).encode(flat)).all()
