"""What a screening keeps of clips and tables: decoded samples by block, read columns by file, each as it was read the first time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from countermark.artefact.tree import TreeEntry
from countermark.errors import FormatRefused
from countermark.lifecycle.claimed_table import Parts
from countermark.lifecycle.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.checks.data._kept import Block, Kept

CLIPS, COLUMNS = "clips", "columns"


class Samples(NamedTuple):
    """Clips, float32 (t, channels) each, and their rates in Hz."""

    clips: Sequence[NDArray[np.float32]]
    rates: Sequence[float]


def blocks_of(listed: Sequence[Row], first: int = 0) -> tuple[Block, ...]:
    """Blocks of rows by what the signed tree says of their files.

    Args:
        first: number of the first row.
    """
    from countermark.checks.data._kept import blocks

    return blocks([row.delivery for row in listed], [digest(row.entry) for row in listed], first)


def digest(entry: TreeEntry) -> bytes:
    """Of a file as the signed tree has it: size and chunk root."""
    return sha256(entry.size.to_bytes(8, "big") + entry.root).digest()


def clips_read(kept: Kept, block: Block) -> Samples | None:
    """The clips of a block as they were kept, or None."""
    import numpy as np

    from countermark.features import arrays

    data = kept.get(CLIPS, block.digest)
    if data is None:
        return None
    try:
        got = arrays.from_bytes(data)
        shapes, rates, flat = got["shapes"], got["rates"].tolist(), got["samples"]
        ends = np.cumsum(shapes[:, 0] * shapes[:, 1])
        clips = [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes.tolist(), strict=True)]
    except (FormatRefused, KeyError, ValueError, IndexError):
        return None
    if len(clips) != block.stop - block.start or len(rates) != len(clips) or flat.dtype != np.float32:
        return None
    kept.count(CLIPS, read=len(clips))
    return Samples(clips, rates)


def clips_kept(kept: Kept, block: Block, read: Samples) -> None:
    """Keep the clips of a block.

    Raises:
        Unusable: it cannot be written.
    """
    import numpy as np

    from countermark.features import arrays

    told = {
        "samples": np.concatenate([clip.ravel() for clip in read.clips]), "shapes": np.array([clip.shape for clip in read.clips], np.int64),
        "rates": np.array(read.rates, np.float64),
    }  # fmt: skip
    kept.put(CLIPS, block.digest, arrays.to_bytes(told))
    kept.count(CLIPS, computed=len(read.clips))


def table_read(kept: Kept, file: TreeEntry) -> Parts | None:
    """The columns of a table as they were kept, or None."""
    import numpy as np

    from countermark.features import arrays

    data = kept.get(COLUMNS, digest(file).hex())
    if data is None:
        return None
    try:
        got = arrays.from_bytes(data)
        told, values = json.loads(got["told"].tobytes()), got["values"]
        heads = [(str(name), int(kind), str(declared)) for name, kind, declared in told["heads"]]
        out = Parts(heads, tuple(told["left"]), [values], told["words"])
    except (FormatRefused, KeyError, ValueError, TypeError):
        return None
    if values.ndim != 2 or values.dtype != np.float64 or not len(values) == len(heads) == len(out.words):
        return None
    kept.count(COLUMNS, read=out.rows)
    return out


def table_kept(kept: Kept, file: TreeEntry, read: Parts) -> None:
    """Keep the columns of a table.

    Raises:
        Unusable: it cannot be written.
    """
    import numpy as np

    from countermark.features import arrays

    told = json.dumps({"heads": read.heads, "left": read.left, "words": read.words}).encode()
    values = np.concatenate(read.values, axis=1) if read.values else np.zeros((len(read.heads), 0))
    kept.put(COLUMNS, digest(file).hex(), arrays.to_bytes({"told": np.frombuffer(told, np.uint8), "values": values}))
    kept.count(COLUMNS, computed=read.rows)
