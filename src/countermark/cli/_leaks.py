"""`--test`: the option of commands that look for training rows in a test set."""

from __future__ import annotations

from typing import Any

import click

from countermark.cli._progress import Bar

test_option = click.option(
    "--test", "test_place", metavar="PLACE",
    help="Also tell rows that are, nearly, in this test set: a folder, tables, shards or a URL.",
)  # fmt: skip


def tests_of(place: str | None, columns: dict[str, str], bar: Bar) -> tuple[Any, tuple[str, ...]] | None:
    """The test pictures at PLACE and their names, or None where no place was given.

    Args:
        columns: `--label-column` and its like, by their parameters.
    """
    if place is None:
        return None
    from countermark.artefact.labelled import Columns
    from countermark.lifecycle.tested_on import read_tests

    return read_tests(
        place, Columns(**{name.removesuffix("_column"): value for name, value in columns.items()}), bar.share
    )
