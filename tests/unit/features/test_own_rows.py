"""Features of the user's own model for clips and rows of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_up_sounds
import made_up_tables
import numpy as np
import pytest

from countermark import screen_signals, screen_table
from countermark.errors import FormatRefused, Unusable
from countermark.features import own_rows
from countermark.features.columns import Column, coded
from countermark.features.own_rows import of_clips, of_rows

pytest.importorskip("onnx", reason="needs onnx")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")
from own_networks import INNER, averaging, flat

RNG = np.random.default_rng(0)
CLIPS = [RNG.normal(size=(16, 1)).astype(np.float32) for _ in range(5)]
STEREO = [RNG.normal(size=(16, 2)).astype(np.float32) for _ in range(5)]
RATES = [8000.0] * 5
NUMBERS = RNG.normal(size=(7, 3))
COLUMNS = (
    Column("width", "number", NUMBERS[:, 0]), coded("colour", ["red"] * 7), Column("height", "number", NUMBERS[:, 1]),
    Column("when", "time", NUMBERS[:, 0]), Column("mass", "number", NUMBERS[:, 2]),
)  # fmt: skip


def expected(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    want = np.maximum(x.reshape(len(x), -1).astype(np.float32) @ weight, 0)
    return np.asarray(want / want.std())


@pytest.mark.parametrize("shape", [[None, 16], [None, 1, 16], [1, 16]])
def test_clips_of_one_channel(shape: list[int | None]) -> None:
    """Batch first, with or without an axis of channels; a model of one clip at a time as well."""
    model, weight = flat(shape)
    got = of_clips(model, CLIPS, RATES)
    assert np.allclose(got.values, expected(np.stack(CLIPS), weight), atol=1e-5)
    assert "clips of 16 samples (0 cut, 0 padded with zeros)" in got.name and "SHA-256" in got.name


def test_clips_of_two_channels_and_of_other_lengths_than_the_models() -> None:
    """To a fixed length clips are cut or padded with zeros at their ends, and the name of the features says how many."""
    model, weight = flat([None, 2, 12])
    some = [STEREO[0], STEREO[1][:12], STEREO[2][:9], STEREO[3], STEREO[4][:9]]
    fitted = np.stack([np.concatenate([clip[:12], np.zeros((max(0, 12 - len(clip)), 2))]) for clip in some])
    got = of_clips(model, some, RATES)
    assert np.allclose(got.values, expected(np.moveaxis(fitted, 2, 1), weight), atol=1e-5)
    assert "clips of 12 samples (2 cut, 2 padded with zeros)" in got.name


def test_a_model_of_any_length_gets_clips_as_they_are() -> None:
    lengths = (16, 30, 16, 9, 30)
    some = [RNG.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    model, kernel = averaging(2)
    got = of_clips(model, some, RATES)
    heard = [[[(k * clip[at : at + 3].T).sum() for k in kernel] for at in range(len(clip) - 2)] for clip in some]
    each = [np.maximum(one, 0).mean(axis=0) for one in heard]
    assert got.values.shape == (5, INNER) and "as long as they are" in got.name
    assert np.allclose(got.values, np.array(each) / np.std(each), atol=1e-4)


def test_clips_that_a_model_does_not_take_are_refused(tmp_path: Path) -> None:
    fits = flat([None, 16])[0]
    with pytest.raises(Unusable, match="2 rates, 8000 to 16000 Hz") as refused:
        of_clips(fits, CLIPS, [8000.0, 8000.0, 16000.0, 8000.0, 8000.0])
    assert "bring all clips to the model's rate" in refused.value.mend
    for shape in ([None, 16], [None, 1, 16], [None, 16, 2], [None, 3, 16], [None, 2, 4, 4], [None, 2, 0]):
        with pytest.raises(Unusable, match="the model takes"):
            of_clips(flat(shape)[0], STEREO, RATES)
    with pytest.raises(Unusable, match="takes clips of 16777217 samples"):
        of_clips(averaging(1, length=own_rows.MOST_SAMPLES + 1)[0], CLIPS, RATES)
    with pytest.raises(Unusable, match="does not run on"):
        of_clips(averaging(1, kernel=17)[0], CLIPS, RATES)
    with pytest.raises(Unusable, match="takes bytes"):
        of_clips(flat([None, 16], whole=True)[0], CLIPS, RATES)
    with pytest.raises(Unusable, match="type int"):
        of_clips(7, CLIPS, RATES)
    with pytest.raises(Unusable, match="cannot be read"):
        of_clips(tmp_path / "absent.onnx", CLIPS, RATES)


@pytest.mark.parametrize("of", ["clips", "rows"])
def test_hostile_models_are_refused(of: str) -> None:
    """Answers that are no numbers, no layer before the last, a file that is cut short: an error of ours, never features."""
    shape = [None, 16] if of == "clips" else [None, 3]

    def asked(model: bytes) -> Any:
        return of_clips(model, CLIPS, RATES) if of == "clips" else of_rows(model, COLUMNS)

    with pytest.raises(Unusable, match="not a finite number"):
        asked(flat(shape, nan=True)[0])
    with pytest.raises(Unusable, match=r"does not run on .* answers with shape"):
        asked(flat(shape, turned=True)[0])
    with pytest.raises(FormatRefused, match="no layer before its last"):
        asked(flat(shape, layers=1)[0])
    for bad in (b"", b"no model", flat(shape)[0][:-40]):
        with pytest.raises(FormatRefused):
            asked(bad)


def test_columns_of_numbers_in_the_tables_order_or_as_named() -> None:
    model, weight = flat([None, 3])
    got = of_rows(model, COLUMNS)
    assert np.allclose(got.values, expected(NUMBERS, weight), atol=1e-5) and "3 columns of numbers" in got.name
    turned = of_rows(model, COLUMNS, ["mass", "width", "height"])
    assert np.allclose(turned.values, expected(NUMBERS[:, [2, 0, 1]], weight), atol=1e-5)
    function = of_rows(lambda x: x[:, :2], COLUMNS)
    assert function.values.shape == (7, 2) and function.name == own_rows.OWN
    assert np.allclose(of_rows(flat([None, None], size=3)[0], COLUMNS).values, got.values)


def test_columns_that_a_model_does_not_take_are_refused() -> None:
    model = flat([None, 3])[0]
    with pytest.raises(Unusable, match=r"takes \(n, 3\), and these are 2 columns") as refused:
        of_rows(model, COLUMNS[:3])
    assert "--model-column" in refused.value.mend and refused.value.why == "width, height"
    with pytest.raises(Unusable, match=r"takes \(n, 1, 3\)"):
        of_rows(flat([None, 1, 3])[0], COLUMNS)
    for name, kind in (("colour", "category"), ("when", "time"), ("depth", "no column")):
        with pytest.raises(Unusable, match=f"'{name}' is {kind}"):
            of_rows(model, COLUMNS, ["width", name, "mass"])
    with pytest.raises(Unusable, match="no column of numbers"):
        of_rows(model, COLUMNS[1:2])
    for bad in (np.nan, np.inf, 1e39):
        holed = Column("mass", "number", np.where(np.arange(7) == 4, bad, NUMBERS[:, 2]))
        with pytest.raises(Unusable, match="'mass' has no number that a model can take in row 4"):
            of_rows(model, (*COLUMNS[:4], holed))


def test_a_screening_of_clips_uses_it_and_says_so(tmp_path: Path) -> None:
    """The inner layer of a file names a liar, and says whose features these are; heads are fitted out of fold."""
    data = made_up_sounds.flipped(
        made_up_sounds.honest(1, suppliers=14, rows=20, classes=3, seconds=0.1), "site-03", share=0.8
    )
    (tmp_path / "sounds.onnx").write_bytes(averaging(1, kernel=64, inner=96)[0])
    seen = screen_signals(
        data.clips, list(data.label), list(data.supplier), rate=made_up_sounds.RATE, encoder=tmp_path / "sounds.onnx"
    )
    assert seen.features.name.startswith("inner layer of sounds.onnx (SHA-256 ") and seen.features.dimensions == 96
    assert "out of fold" in seen.features.name and seen.named == ("site-03",)
    again = screen_signals(
        data.clips,
        list(data.label),
        list(data.supplier),
        rate=made_up_sounds.RATE,
        encoder=averaging(1, kernel=64, inner=96)[0],
    )
    assert np.array_equal(again.row_p, seen.row_p)


def test_a_screening_of_a_table_uses_it_and_says_so() -> None:
    data = made_up_tables.flipped(made_up_tables.honest(1, suppliers=16), "lab-03", share=0.6)
    full = {
        name: np.nan_to_num(column) if column.dtype.kind == "f" else column for name, column in data.table().items()
    }
    seen = screen_table(full, encoder=flat([None, 8], inner=64)[0])
    assert seen.features.dimensions == 64 and "8 columns of numbers" in seen.features.name
    assert seen.named == ("lab-03",)
    part = screen_table(full, encoder=flat([None, 2])[0], encoder_columns=["x07", "x02"])
    assert "2 columns of numbers" in part.features.name
    with pytest.raises(Unusable, match="no number that a model"):
        screen_table(data.table(), encoder=flat([None, 8])[0])
