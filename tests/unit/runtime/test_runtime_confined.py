"""A model in a confined child: the same answers to the bit, the same refusals, and nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
from guard_world import pictures, tiny_model

from countermark.errors import ExchangeRefused, FormatRefused
from countermark.runtime import onnx
from countermark.runtime.confined import ConfinedModel
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits


def test_the_same_bits_as_in_this_process() -> None:
    images = pictures(9)
    with ConfinedModel(tiny_model()) as model:
        assert model.input_shape == (8, 8, 3)
        assert model.predict(images).tobytes() == onnx.load(tiny_model()).predict(images).tobytes()
        floats = images.astype(np.float32)
        assert model.predict(floats).tobytes() == model.predict(images).tobytes()


def test_what_does_not_fit_is_refused_and_the_child_lives_on() -> None:
    with ConfinedModel(tiny_model()) as model:
        with pytest.raises(ExchangeRefused, match="does not fit"):
            model.predict(np.zeros((1, 4, 4, 3), np.uint8))
        with pytest.raises(ExchangeRefused, match="not made of numbers"):
            model.predict(np.array([["a"]]))
        assert model.predict(pictures(2)).shape == (2, 5)


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(FormatRefused):
        ConfinedModel(b"\x08\x08no model")
    with pytest.raises(FormatRefused):
        ConfinedModel(b"")


def test_a_budget_that_is_crossed_is_named() -> None:
    with pytest.raises(BudgetExceeded, match="blob bytes"):
        ConfinedModel(tiny_model(), limits=Limits(blob_bytes=100))


def test_a_closed_child_says_so() -> None:
    model = ConfinedModel(tiny_model())
    model.close()
    with pytest.raises(ChildFailed):
        model.predict(pictures(1))
