"""Rows on their way: Arrow record batches of one shape before pass 1, and of one after it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from countermark.errors import FormatRefused, MissingExtra

if TYPE_CHECKING:
    import pyarrow

NAMES = ("id", "supplier", "label")
PICTURE, PIXELS = "picture", "pixels"
MOST_BATCH_BYTES = 2 << 30


def arrow() -> Any:
    """The module pyarrow, typed as Any where it has no stubs.

    Raises:
        MissingExtra: it is absent.
    """
    try:
        import pyarrow
    except ImportError:
        raise MissingExtra("batches of rows need pyarrow", mend="pip install 'countermark[datasets]'") from None
    return pyarrow


def batch_of(
    ids: Sequence[str], suppliers: Sequence[str], labels: Sequence[str], content: Sequence[bytes], kind: str = PICTURE
) -> pyarrow.RecordBatch:
    """A batch for pass 1.

    Args:
        ids, suppliers, labels: n names each. content: n encoded pictures, or n times 64 x 64 x 3 bytes of pixels.
        kind: which of both, `PICTURE` or `PIXELS`: the name of the last column.
    """
    pa = arrow()
    columns = [pa.array(list(c), pa.string()) for c in (ids, suppliers, labels)]
    return pa.RecordBatch.from_arrays([*columns, pa.array(list(content), pa.binary())], [*NAMES, kind])


def to_bytes(batch: pyarrow.RecordBatch) -> bytes:
    """A batch as an Arrow IPC stream; the same batch gives the same bytes."""
    pa = arrow()
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema) as writer:
        writer.write_batch(batch)
    return out.getvalue()


def from_bytes(data: bytes) -> pyarrow.RecordBatch:
    """The one batch of a stream that this program wrote itself; others' tables go through `artefact.labelled`.

    Raises:
        FormatRefused: malformed, over 2 GiB, or not one batch.
    """
    pa = arrow()
    if len(data) > MOST_BATCH_BYTES:
        raise FormatRefused(f"a batch of {len(data)} bytes", why=f"the limit is {MOST_BATCH_BYTES}")
    try:
        with pa.ipc.open_stream(data) as reader:
            found: list[Any] = list(reader)
        for batch in found:
            batch.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatRefused("this is no batch of rows", why=f"{type(error).__name__}: {error}"[:300]) from error
    if len(found) != 1:
        raise FormatRefused(f"{len(found)} batches where one belongs")
    return found[0]
