"""The public Python API is a handful of names, and each of them is there."""

from __future__ import annotations

import inspect

import countermark


def test_public_names_are_pinned() -> None:
    assert countermark.__all__ == [
        "deliver", "inspect", "load", "receive", "release", "screen", "screen_signals", "screen_table", "verify",
    ]  # fmt: skip
    assert sorted(countermark.__all__) == countermark.__all__ and len(countermark.__all__) <= 9


def test_every_public_name_is_a_documented_function() -> None:
    for name in countermark.__all__:
        function = getattr(countermark, name)
        assert inspect.isfunction(function) and inspect.getdoc(function), name


def test_nothing_else_is_there() -> None:
    assert not hasattr(countermark, "unheard_of")
    assert set(dir(countermark)) == {*countermark.__all__, "__version__"}
