"""The public call of a screening: arrays, or a dataset where it lies, whose suppliers are claimed by names alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.artefact.labelled import PATTERN, Columns
from countermark.checks.data.battery import screen as screen_arrays
from countermark.checks.data.screening import Screening
from countermark.errors import Unusable
from countermark.lifecycle.claimed import Claimed, read_claimed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.engines.engine import Engine


def screen(
    images: NDArray[np.uint8] | str | Path | Claimed,
    labels: Sequence[str] | None = None,
    suppliers: Sequence[str] | None = None,
    *,
    model: object | None = None,
    deliveries: Sequence[str] | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    label_from: str = PATTERN,
    columns: Columns | None = None,
    **how: Any,
) -> Screening:
    """Screen training data for poison, and name the supplier.

    Args:
        images: uint8 (n, h, w) or (n, h, w, 3), sides of at least 8; or a dataset: a folder, Parquet or Arrow tables, WebDataset
            shards, a bucket's URL of any of these, or `Claimed` rows of one. Datasets bring names and files of their own, and are
            brought to 64 x 64.
        labels, suppliers: n names each; of arrays alone.
        model: the user's own, whose inner layer gives the features: a path to an ONNX file, its bytes, a function of uint8 (n, h, w, 3)
            that returns features (n, ...), a torch module, or features (n, d). k-means patches are learnt where absent.
        deliveries: n delivery ids; among a supplier's rows, earlier deliveries stand before later ones. seed: of sampling and folds.
        engine: how feature extraction is spread; by default two threads of this process.
        label_from: where supplier and class stand in a dataset's paths. columns: where they stand in its tables and shards.
        how: `features`, `ids`, `contract`, `files`, `tests` and `progress`, as `checks.data.battery.screen` takes them.

    Raises:
        Unusable: labels or suppliers stand beside a dataset, or are missing beside arrays; as `checks.data.battery.screen`. As
            `read_claimed`, for datasets.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.integers(0, 256, (40, 16, 16), dtype=np.uint8)
    >>> seen = screen(noise, ["nut", "bolt"] * 20, ["acme"] * 20 + ["umbra"] * 20)
    >>> seen.named, int(seen.row_flagged.sum())
    ((), 0)
    """
    how |= {"model": model, "deliveries": deliveries, "seed": seed, "engine": engine}
    if isinstance(images, str | Path):
        images = read_claimed(str(images), label_from, columns, how.get("progress"))
    if isinstance(images, Claimed):
        if labels is not None or suppliers is not None:
            raise Unusable("labels or suppliers beside a dataset", mend="leave them out: the dataset names its own")
        given = {"ids": images.paths, "files": images.files} | how
        return screen_arrays(images.images, images.labels, images.suppliers, **given)
    if labels is None or suppliers is None:
        raise Unusable("pictures without labels or suppliers", mend="one name per row for each, or a dataset's path")
    return screen_arrays(images, labels, suppliers, **how)
