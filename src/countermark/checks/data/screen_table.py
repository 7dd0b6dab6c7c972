"""Screening of tables: the checks of suppliers and labels, over columns instead of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from countermark.checks.data._given import Beside
from countermark.checks.data._prepare import Names, Progress, view_of
from countermark.checks.data._table import Table
from countermark.checks.data.battery import screened
from countermark.checks.data.screening import Features, Screening
from countermark.engines.engine import one_thread
from countermark.errors import Unusable
from countermark.features.columns import Column, columns_of
from countermark.features.table import encode

if TYPE_CHECKING:
    import pyarrow

NAME = "columns on robust scales, and random Fourier features of them"


def screen_table(
    table: pyarrow.Table | Mapping[str, Sequence[Any]], *, label: str = "label", supplier: str = "supplier",
    id: str | None = None, schema: bytes | str | None = None,
    contract: Mapping[str, Mapping[str, int]] | None = None, seed: int = 0, progress: Progress | None = None,
) -> Screening:  # fmt: skip
    """Screen the rows of a table for poison, and name the supplier.

    The same checks as `countermark.screen`, without those of pictures: they are reported as not applicable, never as passed.

    Args:
        table: a pyarrow.Table, a dict of columns, or a data frame that Arrow can take (pandas, Polars): n rows.
        label, supplier: columns that name class and supplier. id: column that names rows; their place where absent.
        schema: pandera's schema, the text of what its `to_json` or `to_yaml` writes. Without it, each supplier is held against
            what the others deliver.
        contract: supplier -> class -> rows agreed. seed: of folds and features: same seed, same result.
        progress: called with (stage, share done, 0 to 1).

    Raises:
        Unusable: a column is missing or holds no name, rows disagree, ids repeat, or there are fewer than two suppliers or
        classes. FormatRefused: the schema is none. MissingExtra: pyarrow is absent, or pandera where a schema was given.
    """
    columns, left = columns_of(table)
    return screen_columns(
        columns, label=label, supplier=supplier, id=id, schema=schema.encode() if isinstance(schema, str) else schema, contract=contract, seed=seed,
        left=left, progress=progress,
    )  # fmt: skip


def screen_columns(
    columns: Mapping[str, Column], *, label: str, supplier: str, id: str | None, schema: bytes | None,
    contract: Mapping[str, Mapping[str, int]] | None, seed: int, left: Sequence[str] = (), progress: Progress | None = None,
) -> Screening:  # fmt: skip
    """`screen_table` over columns that were read already.

    Args:
        left: columns that were left out, with the reason.
    """
    named = [label, supplier, *([id] if id else [])]
    for name in named:
        if name not in columns:
            raise Unusable(f"there is no column {name!r}", why=f"columns: {', '.join(columns)[:300]}",
                           mend="name the columns of class and supplier")  # fmt: skip
    rest = tuple(column for name, column in columns.items() if name not in named)
    if not rest:
        raise Unusable("no column is left that says something of a row", why="; ".join(left)[:300])
    labels, suppliers = columns[label].texts(), columns[supplier].texts()
    ids = columns[id].texts() if id else [f"{i:08d}" for i in range(len(labels))]
    return screen_rows(rest, (labels, suppliers, ids), schema=schema, contract=contract, seed=seed, progress=progress)


def screen_rows(
    columns: tuple[Column, ...], names: Names, *, schema: bytes | None = None, contract: Mapping[str, Mapping[str, int]] | None = None,
    seed: int = 0, beside: Beside | None = None, progress: Progress | None = None,
) -> Screening:  # fmt: skip
    """`screen_table` over the columns that say something of a row, one at least.

    Args:
        names: labels, suppliers and ids, one a row each. beside: what is known of deliveries and decisions.
    """
    with one_thread():
        content = Table(columns, schema)
        view, rows = view_of(content, names, contract, seed, lambda: encode(columns, seed))
        view = view if beside is None else beside.put(view)
        return screened(view, Features(NAME, rows.dimensions, view.heads.accuracy), progress)
