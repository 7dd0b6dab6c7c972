"""What rows are screened as: pictures, rows of tables, or clips; and the screening of the latter two."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._command import PATH
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.checks.data.screening import Screening
    from countermark.cli._progress import Bar

CONTENTS = ("auto", "pictures", "table", "clips")
Told = tuple["Screening", dict[str, Any], str]
Source = tuple[str, str, dict[str, str]]


def content_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--content`` and ``--schema``."""
    for option in (
        click.option("--schema", type=PATH, metavar="FILE",
                     help="pandera's schema of a table (JSON or YAML); else suppliers are held against each other."),
        click.option("--content", type=click.Choice(CONTENTS), default=CONTENTS[0], show_default=True,
                     help="What rows are; by default what they look like."),
    ):  # fmt: skip
        function = option(function)
    return function


def other_rows(
    source: Source, content: str, schema: Path | None, contract: Path | None, how: Any, bar: Bar
) -> Told | None:
    """Screen rows that are no pictures; None where they are.

    Args:
        source: place, pattern of paths, and the command's ``*_column`` options. how: engine, seed, features, test set.

    Raises:
        Unusable: a schema for something else than a table; a network or a test set for something else than pictures; a model of other rows.
    """
    place, pattern, named = source
    kind = _kind(place, pattern) if content == CONTENTS[0] else content
    if kind != "table" and schema is not None:
        raise Unusable("a schema describes columns", mend="--content table")
    if kind == "pictures":
        return None
    if how.tests is not None:
        raise Unusable(f"test sets are of pictures, not of {kind}", mend="leave out --test")
    how = how._replace(wanted=how.wanted.settled(["tables" if kind == "table" else "clips"]))
    agreed = _agreed(contract)
    if kind == "table":
        return _table(place, named, schema, agreed, how, bar)
    return _clips(place, pattern, agreed, how, bar)


def _kind(place: str, pattern: str) -> str:
    from countermark.lifecycle.claimed_clips import holds_clips
    from countermark.lifecycle.claimed_table import holds_no_pictures

    if holds_no_pictures(place):
        return "table"
    return "clips" if holds_clips(place, pattern) else "pictures"


def _agreed(contract: Path | None) -> Any:
    from countermark.cli.receive import contract_of

    agreed = contract_of(Path(), contract) if contract else None
    return agreed.rows if agreed and agreed.rows else None


def _table(place: str, named: dict[str, str], schema: Path | None, agreed: Any, how: Any, bar: Bar) -> Told:
    from countermark.artefact.labelled import Columns
    from countermark.checks.data._schema_document import MOST_BYTES
    from countermark.checks.data.screen_table import screen_columns
    from countermark.lifecycle.claimed_table import read_table
    from countermark.lifecycle.desk import read_file

    columns = Columns(**{name.removesuffix("_column"): value for name, value in named.items()})
    encoder = how.wanted.encoder("tables")  # before everything is read: it may be refused
    read = read_table(place, columns, bar.share)
    result = screen_columns(
        read.columns, label=columns.label, supplier=columns.supplier, id=columns.id or None,
        schema=read_file(schema, MOST_BYTES) if schema else None, contract=agreed, seed=how.seed, left=read.left,
        encoder=encoder, encoder_columns=how.wanted.columns, progress=bar.share,
    )  # fmt: skip
    suppliers, labels = (read.columns[c].texts() for c in (columns.supplier, columns.label))
    ids = read.columns[columns.id].texts() if columns.id else [f"{i:08d}" for i in range(len(labels))]
    return _with_names(result, list(zip(ids, suppliers, labels, strict=True)), {"columns_left_out": list(read.left)})


def _clips(place: str, pattern: str, agreed: Any, how: Any, bar: Bar) -> Told:
    from countermark.checks.data.screen_signals import screen_signals
    from countermark.lifecycle.claimed_clips import read_clips

    encoder = how.wanted.encoder("clips")
    clips = read_clips(place, pattern, bar.share)
    result = screen_signals(
        clips.signals, clips.labels, clips.suppliers, rate=clips.rates, ids=clips.paths, contract=agreed, seed=how.seed,
        encoder=encoder, engine=how.engine, progress=bar.share,
    )  # fmt: skip
    return _with_names(result, list(zip(clips.paths, clips.suppliers, clips.labels, strict=True)), {})


def _with_names(result: Screening, rows: list[tuple[str, str, str]], more: dict[str, Any]) -> Told:
    from countermark.lifecycle.claimed import named_csv

    bad: Iterable[bool] = [bool(b) for b in result.row_flagged]
    flagged = [row[0] for row, out in zip(rows, bad, strict=True) if out]
    return result, {"suppliers": "claimed", "flagged": flagged} | more, named_csv(rows, bad)
