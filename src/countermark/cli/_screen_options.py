"""The options of `countermark screen`, as one value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from countermark.cli._command import PATH
from countermark.cli._content import content_options
from countermark.cli._engine import engine_options
from countermark.cli._features import feature_options
from countermark.cli._leaks import test_option
from countermark.cli._options import taken_as
from countermark.errors import Unusable

PATTERN = "{supplier}/{label}/*"
COLUMNS = ("label_column", "supplier_column", "picture_column", "id_column")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, each as its option says; `rows` are those of ``--explain``, `columns` the four ``--*-column`` by their names."""

    photos: str | None
    label_from: str
    columns: dict[str, str]
    contract: Path | None
    csv_file: Path | None
    rows: tuple[str, ...]
    picture: Path | None
    models: tuple[str, ...]
    model_columns: tuple[str, ...]
    features: str
    seed: int
    content: str
    schema: Path | None
    test_place: str | None
    refit: bool
    engine: str
    workers: int
    cluster: str | None
    cluster_token: Path | None

    @classmethod
    def of(cls, **said: Any) -> Asked:
        """From the options by their names."""
        return cls(columns={name: said.pop(name) for name in COLUMNS}, **said)

    def __post_init__(self) -> None:
        if (self.picture is not None and not self.rows) or (self.csv_file is not None and self.rows):
            raise Unusable("--picture goes with --explain, and --csv does not", mend="--explain ROW --picture FILE")


_OPTIONS = (
    click.argument("photos", required=False),
    click.option("--label-from", metavar="PATTERN", default=PATTERN, show_default=True,
                 help="Where supplier and label stand in the paths below PHOTOS."),
    click.option("--label-column", metavar="NAME", default="label", show_default=True,
                 help="Column of the class in tables; member of the .json component in shards."),
    click.option("--supplier-column", metavar="NAME", default="supplier", show_default=True,
                 help="The same for the supplier."),
    click.option("--picture-column", metavar="NAME", default="",
                 help="Column (or component) of the pictures; the only one of bytes."),
    click.option("--id-column", metavar="NAME", default="", help="Column (or member) that names rows; their place."),
    click.option("--contract", type=PATH, metavar="FILE", help="Contract (JSON or TOML): rows agreed per supplier and class."),
    click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Write the flagged rows as CSV."),
    click.option("--explain", "rows", multiple=True, metavar="ROW",
                 help="Tell all about one row (its id, or its beginning) instead; sign nothing. May repeat."),
    click.option("--picture", type=PATH, metavar="FILE", help="With --explain: the row beside its class's typical one, as PNG."),
    feature_options,
    click.option("--seed", type=int, default=0, show_default=True, help="Of sampling and folds."),
    content_options,
    test_option,
    click.option("--refit", is_flag=True, help="Learn features anew and look at every row again; believe nothing kept."),
    engine_options,
)  # fmt: skip


screen_options = taken_as(
    "asked", Asked.of, (*COLUMNS, *(one.name for one in fields(Asked) if one.name != "columns")), _OPTIONS
)
"""Adds them to a command, which takes them as `asked`."""
