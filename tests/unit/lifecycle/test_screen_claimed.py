"""The public call: a dataset where it lies gives what its arrays, names and files give."""

from __future__ import annotations

from pathlib import Path

import made_up_parts
import numpy as np
import pytest
from PIL import Image

import countermark
from countermark.errors import Unusable
from countermark.lifecycle.claimed import read_claimed

DATA = made_up_parts.honest(0, classes=3, suppliers=4, rows=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for at, (label, supplier) in enumerate(zip(DATA.label, DATA.supplier, strict=True)):
        path = tmp_path / supplier / label / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DATA.images[at]).save(path)
    return tmp_path


def test_a_folder_is_a_dataset(folder: Path) -> None:
    rows = read_claimed(str(folder), "{supplier}/{label}/*")
    by_path, by_rows = countermark.screen(folder), countermark.screen(rows)
    by_arrays = countermark.screen(rows.images, rows.labels, rows.suppliers, ids=rows.paths, files=rows.files)
    assert np.array_equal(by_path.row_p, by_rows.row_p) and np.array_equal(by_path.row_p, by_arrays.row_p)
    assert [s.id for s in by_path.suppliers] == sorted(set(DATA.supplier))
    assert by_path.findings == by_arrays.findings


def test_names_go_with_arrays_and_not_with_datasets(folder: Path) -> None:
    with pytest.raises(Unusable, match="without labels or suppliers"):
        countermark.screen(DATA.images, DATA.label)
    with pytest.raises(Unusable, match="beside a dataset"):
        countermark.screen(folder, DATA.label, DATA.supplier)
