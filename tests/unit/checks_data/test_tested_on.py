"""A test set for the battery, and how one is read."""

from __future__ import annotations

from pathlib import Path

import made_up_parts
import numpy as np
import pytest
from PIL import Image

from countermark.checks.data.battery import screen
from countermark.errors import Unusable
from countermark.lifecycle.tested_on import read_tests

DATA = made_up_parts.honest(0, classes=2, rows=3)


def test_the_battery_tells_and_flags_rows_of_the_test_set() -> None:
    images, names = DATA.images, [f"r{i}" for i in range(len(DATA.images))]
    done = screen(images, DATA.label, DATA.supplier, ids=names, tests=(images[[4]][:, :, ::-1], ["held-out/1.png"]))
    (leak,) = (f for f in done.findings if f.rule == "test-leak")
    assert leak.where.rows == ("r4",) and done.row_flagged[4]
    with pytest.raises(Unusable, match="2 names and test images"):
        screen(images, DATA.label, DATA.supplier, tests=(images[[4]], ["a", "b"]))
    with pytest.raises(Unusable, match="test images of shape"):
        screen(images, DATA.label, DATA.supplier, tests=(images[[4], :32, :32], ["a"]))


def test_pictures_are_read_wherever_they_lie(tmp_path: Path) -> None:
    for at, path in enumerate(("a.png", "deep/er/b.png")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DATA.images[at]).save(tmp_path / path)
    images, names = read_tests(str(tmp_path))
    assert names == ("a.png", "deep/er/b.png") and np.array_equal(images, DATA.images[:2])
