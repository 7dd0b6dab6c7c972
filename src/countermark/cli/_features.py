"""Options that choose what rows are turned into before they are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._command import PATH

if TYPE_CHECKING:
    from countermark.lifecycle.own_features import Wanted

KINDS = ("patches", "net")


def feature_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--model`` and ``--features``."""
    for option in (
        click.option("--features", type=click.Choice(KINDS), default=KINDS[0], show_default=True,
                     help="net: train a small network here as well, for single labels."),
        click.option("--model", type=PATH, metavar="ONNX", help="Features from this model's inner layer; it is inspected first."),
    ):  # fmt: skip
        function = option(function)
    return function


def wanted(model: Path | None, features: str) -> Wanted:
    """What these options ask for."""
    from countermark.lifecycle.own_features import Wanted

    return Wanted(features, model)
