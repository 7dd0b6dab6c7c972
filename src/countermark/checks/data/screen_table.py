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
from countermark.features.own_rows import of_rows
from countermark.features.table import encode

if TYPE_CHECKING:
    import pyarrow

NAME = "columns on robust scales, and random Fourier features of them"


def screen_table(
    table: pyarrow.Table | Mapping[str, Sequence[Any]], *, label: str = "label", supplier: str = "supplier",
    id: str | None = None, schema: bytes | str | None = None, encoder: object | None = None, encoder_columns: Sequence[str] = (),
    contract: Mapping[str, Mapping[str, int]] | None = None, seed: int = 0, progress: Progress | None = None,
) -> Screening:  # fmt: skip
    """Screen the rows of a table for poison, and name the supplier.

    The same checks as `countermark.screen`, without those of pictures: they are reported as not applicable, never as passed.

    Args:
        table: a pyarrow.Table, a dict of columns, or a data frame that Arrow can take (pandas, Polars): n rows.
        label, supplier: columns that name class and supplier. id: column that names rows; their place where absent.
        schema: pandera's schema, the text of what its `to_json` or `to_yaml` writes. Without it, each supplier is held against
            what the others deliver.
        encoder: the user's own, whose inner layer gives the features: a path to an ONNX file or its bytes, which takes float32 (n, d), or a function
            of float32 (m, d) that returns features (m, ...). Statistics of columns are used where absent. encoder_columns: those that it takes, in
            its order; all columns of numbers in the table's order where empty.
        contract: supplier -> class -> rows agreed. seed: of folds and features: same seed, same result.
        progress: called with (stage, share done, 0 to 1).

    Raises:
        Unusable: a column is missing or holds no name, rows disagree, ids repeat, or there are fewer than two suppliers or
        classes; as `own_rows.of_rows`. FormatRefused: the schema is none; as there. MissingExtra: pyarrow is absent, or pandera
        where a schema was given; as there.
    """
    columns, left = columns_of(table)
    return screen_columns(
        columns, label=label, supplier=supplier, id=id, schema=schema.encode() if isinstance(schema, str) else schema, contract=contract, seed=seed,
        left=left, encoder=encoder, encoder_columns=encoder_columns, progress=progress,
    )  # fmt: skip


def screen_columns(
    columns: Mapping[str, Column], *, label: str, supplier: str, id: str | None, schema: bytes | None,
    contract: Mapping[str, Mapping[str, int]] | None, seed: int, left: Sequence[str] = (), encoder: object | None = None,
    encoder_columns: Sequence[str] = (), progress: Progress | None = None,
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
    return screen_rows(
        rest, (labels, suppliers, ids), schema=schema, contract=contract, seed=seed, encoder=encoder, encoder_columns=encoder_columns,
        progress=progress,
    )  # fmt: skip


def screen_rows(
    columns: tuple[Column, ...], names: Names, *, schema: bytes | None = None, contract: Mapping[str, Mapping[str, int]] | None = None,
    seed: int = 0, encoder: object | None = None, encoder_columns: Sequence[str] = (), beside: Beside | None = None,
    progress: Progress | None = None,
) -> Screening:  # fmt: skip
    """`screen_table` over the columns that say something of a row, one at least.

    Args:
        names: labels, suppliers and ids, one a row each. beside: what is known of deliveries and decisions.
    """
    with one_thread():
        content = Table(columns, schema)
        own = None if encoder is None else of_rows(encoder, columns, encoder_columns)
        view, rows = view_of(
            content, names, contract, seed, lambda: encode(columns, seed) if own is None else own.values
        )
        view = view if beside is None else beside.put(view)
        return screened(view, Features(own.name if own else NAME, rows.dimensions, view.heads.accuracy), progress)
