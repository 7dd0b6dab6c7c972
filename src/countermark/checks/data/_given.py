"""What a caller knows of rows beside the rows themselves, put into a `View`: files, deliveries, counts, a test set, a frozen frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._codings import CODING, codings
from countermark.checks.data._prepare import Spread, as_pixels
from countermark.checks.data._view import Counts, View
from countermark.checks.data._work import Encoded, Frozen, Work
from countermark.checks.data.contract import counts as count_rows
from countermark.errors import Unusable
from countermark.formats.image import sniff


def tests_beside(
    tests: tuple[NDArray[np.uint8], Sequence[str]] | None, view: View
) -> tuple[NDArray[np.uint8], tuple[str, ...]] | None:
    """A test set as a view takes it, None where there is none.

    Raises:
        Unusable: pictures of another size, or not one name each.
    """
    if tests is None:
        return None
    pixels = as_pixels(tests[0])
    if pixels.shape[1:] != view.images.shape[1:] or len(pixels) != len(tests[1]):
        raise Unusable(
            f"{len(tests[1])} names and test images of shape {pixels.shape}",
            mend="of the size of the images, one name each",
        )
    return pixels, tuple(tests[1])


def frozen(view: View, features: Encoded, spread: Spread, work: Work) -> tuple[View, Encoded]:
    """The same rows on another frame where heads do worse than they did on this one; and which frame rows are on now."""
    if work.frozen is not None and work.frozen.worse(view.heads.accuracy):
        work.why = f"out-of-fold accuracy fell to {view.heads.accuracy:.2f} from {work.frozen.accuracy:.2f}"
        work.frozen = None
        features = spread(view.images)
        view = replace(view, heads=view.heads.over(features.rows))
    if work.frozen is None and features.frame is not None:
        work.frozen = Frozen(features.frame, view.heads.accuracy, len(view.label))
    return view, features


def with_files(
    view: View, sizes: Sequence[tuple[int, int]] | None, files: Sequence[bytes] | None, work: Work | None
) -> View:
    """The same rows, with what is known of their files: themselves, or what a first look at them told.

    Raises:
        Unusable: not one size or file per row. FormatRefused: a file is no picture.
    """
    for what, given in (("sizes", sizes), ("files", files)):
        if given is not None and len(given) != len(view.label):
            raise Unusable(f"{len(given)} {what} for {len(view.label)} rows", mend="one per row")
    looked: dict[str, Sequence[Any]] = {} if files is None else {CODING: _codings(files)}
    if work is not None:
        looked = dict(work.look.told)
        view = replace(view, properties=work.look.properties)
    if CODING in looked and sizes is None:
        sizes = [(one["width"], one["height"]) for one in looked[CODING]]
    return replace(view, files=files, looked=looked, sizes=None if sizes is None else np.array(sizes, np.intp))


def _codings(files: Sequence[bytes]) -> list[dict[str, Any] | None]:
    out = codings(files)
    if None in out:
        sniff(files[out.index(None)])  # says why it is no picture
    return out


def with_deliveries(view: View, deliveries: Sequence[str]) -> View:
    """The same rows, with the delivery of each.

    Raises:
        Unusable: not one per row.
    """
    if len(deliveries) != len(view.label):
        raise Unusable(f"{len(deliveries)} deliveries for {len(view.label)} rows", mend="one per row")
    names = tuple(dict.fromkeys(deliveries))
    code = {name: i for i, name in enumerate(names)}
    return replace(view, delivery=np.array([code[d] for d in deliveries], np.intp), deliveries=names)


def counted(
    labels: Sequence[str], suppliers: Sequence[str], delivered: Sequence[str] | None, aside: Sequence[bool] | None
) -> tuple[Counts, Counts]:
    """Rows by supplier and class as delivered, and as they are in the data now."""
    kept = [i for i, out in enumerate(aside if aside is not None else [False] * len(labels)) if not out]
    now = count_rows([labels[i] for i in kept], [suppliers[i] for i in kept])
    return count_rows(labels if delivered is None else delivered, suppliers), now
