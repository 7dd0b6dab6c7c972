"""Options that choose what rows are turned into before they are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.kinds import Kind
    from countermark.lifecycle.own_features import Wanted

FEATURES = ("patches", "net")


def feature_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--model``, ``--model-column`` and ``--features``."""
    for option in (
        click.option("--features", type=click.Choice(FEATURES), default=FEATURES[0], show_default=True,
                     help="net: train a small network here as well, for single labels."),
        click.option("--model-column", "model_columns", multiple=True, metavar="NAME",
                     help="Column that a model of tables takes; once for each, in its order. All of numbers, in the table's."),
        click.option("--model", "models", multiple=True, metavar="[KIND=]ONNX",
                     help="Features from this model's inner layer; it is inspected first. KIND: pictures, tables or clips. May repeat."),
    ):  # fmt: skip
        function = option(function)
    return function


def wanted(models: Sequence[str], columns: Sequence[str], features: str) -> Wanted:
    """What these options ask for.

    Raises:
        Unusable: two models of one kind of rows.
    """
    from countermark.lifecycle.kinds import KINDS
    from countermark.lifecycle.own_features import ANY, Wanted

    of: dict[Kind | Literal["any"], Path] = {}
    for said in models:
        name, _, file = said.partition("=")
        kind = next((kind for kind in KINDS if kind == name), ANY)
        if kind in of:
            raise Unusable(
                "two models of the same rows", why=f"{of[kind]} and {said}", mend="--model KIND=ONNX, one for each kind"
            )
        of[kind] = Path(said if kind == ANY else file)
    return Wanted(features, of, tuple(columns))
