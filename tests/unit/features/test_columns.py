"""Columns of tables, from Python's values and from Arrow's, and the features they become."""

from __future__ import annotations

import datetime
import decimal
import math

import numpy as np
import pyarrow as pa
import pytest

from countermark.errors import FormatRefused, Unusable
from countermark.features import arrow_columns, table
from countermark.features.arrow_columns import Words, columns_of_table
from countermark.features.columns import Column, column_of, columns_of
from countermark.features.table import encode, frequent, names_rows, scaled

DAY = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def test_python_and_arrow_agree() -> None:
    values = {
        "whole": [1, None, 3], "part": [0.5, math.nan, -2.0], "yes": [True, None, False], "word": ["a", None, "b"],
        "when": [DAY, None, DAY + datetime.timedelta(days=1)],
    }  # fmt: skip
    ours, left = columns_of(values)
    theirs, also_left = columns_of(pa.table(values))
    assert left == also_left == () and list(ours) == list(theirs) == list(values)
    for name, column in ours.items():
        np.testing.assert_array_equal(column.values, theirs[name].values, err_msg=name)
        assert (column.kind, column.words) == (theirs[name].kind, theirs[name].words)
        assert column.missing.tolist() == [False, True, False]
    assert ours["when"].values[0] == DAY.timestamp()


def test_types_of_arrow() -> None:
    found, left = columns_of_table(pa.table({
        "decimal": pa.array([decimal.Decimal("1.5"), None]), "date": pa.array([datetime.date(1970, 1, 2), None]),
        "span": pa.array([datetime.timedelta(seconds=2), None], pa.duration("ms")), "clock": pa.array([datetime.time(0, 1), None]),
        "coded": pa.array(["x", "y"]).dictionary_encode(), "nothing": pa.nulls(2),
        "vector": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)), "blob": pa.array([b"\x00", b"\x01"]),
        "list": pa.array([[1], [2, 3]]),
    }))  # fmt: skip
    assert found["decimal"].values[0] == 1.5 and found["date"].values[0] == 86400 and found["date"].kind == "time"
    assert found["span"].values[0] == 2 and found["clock"].values[0] == 60
    assert found["coded"].words == ("x", "y") and found["nothing"].missing.all()
    assert found["vector[0]"].values.tolist() == [1, 3] and found["vector[1]"].values.tolist() == [2, 4]
    assert [line.split(":")[0] for line in left] == ["column blob", "column list"]


def test_words_beyond_the_limit_share_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_columns, "MOST_WORDS", 3)
    words, whole = Words(), Words(whole=True)
    codes = [words.code(str(i)) for i in range(10)]
    assert codes[:3] == [0, 1, 2] and all(w.startswith("#") for w in list(words.codes)[3:])
    assert [whole.code(str(i)) for i in range(10)] == list(range(10))


def test_texts_name_rows() -> None:
    assert column_of("id", [1, 2]).texts() == ["1", "2"]
    assert column_of("x", np.array([0.5])).texts() == ["0.5"]
    with pytest.raises(Unusable, match="row 1"):
        column_of("id", ["a", None]).texts()
    with pytest.raises(Unusable, match="empty"):
        column_of("id", ["a", ""]).texts()


def test_what_is_no_table() -> None:
    for bad in ([1, 2], {"a": [1], "b": [1, 2]}, {}, {"a": []}, {"a": np.zeros((2, 2))}):
        with pytest.raises(Unusable):
            columns_of(bad)
    with pytest.raises(FormatRefused, match="one name"):
        columns_of_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]))


def test_numbers_are_bounded_and_missing_ones_flagged() -> None:
    values = np.array([*np.linspace(0, 1, 50), 1e300, math.inf, -math.inf, math.nan])
    z = scaled(values)
    assert np.isfinite(z).all() and np.abs(z).max() <= table.FAR and z[-1] == 0
    # One far supplier does not set the scale of all.
    assert np.allclose(z[:50], scaled(values[:50]), atol=0.2)


def test_features_of_every_kind_are_finite_and_repeat() -> None:
    rng = np.random.default_rng(0)
    columns = (
        column_of("x", np.where(rng.random(200) < 0.1, math.nan, rng.normal(size=200))), column_of("word", rng.choice(list("abc"), 200).tolist()),
        column_of("when", (np.datetime64("2026-01-01") + rng.integers(0, 300, 200)).astype("datetime64[s]")),
        column_of("name", [f"row {i}" for i in range(200)]), column_of("same", [7] * 200),
    )  # fmt: skip
    one = encode(columns, 3)
    assert one.dtype == np.float32 and np.isfinite(one).all() and (one == encode(columns, 3)).all()
    assert names_rows(columns[3]) and not names_rows(columns[1]) and len(frequent(columns[1])) == 3
    assert encode((columns[4],), 0).shape == (200, 1)


def test_an_exact_value_that_comes_back_gets_a_column() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=400)
    plain = encode((Column("x", "number", values),), 0).shape[1]
    values[:12] = 0.12345
    assert encode((Column("x", "number", values),), 0).shape[1] == plain + 1
