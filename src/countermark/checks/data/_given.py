"""What a caller knows of rows beside the rows themselves, put into a `View`: files, deliveries, counts, a test set, a frozen frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.checks.data._codings import CODING, codings
from countermark.checks.data._kept import Block, Kept
from countermark.checks.data._prepare import Spread, as_pixels
from countermark.checks.data._view import Counts, View
from countermark.checks.data._work import Encoded, Frozen, Work
from countermark.checks.data.contract import counts as count_rows
from countermark.errors import Unusable
from countermark.formats.image import sniff


@dataclass(frozen=True, slots=True)
class Known:
    """What a workspace knows of rows that a first look does not; None where it is not known.

    Attributes:
        delivered: n labels as the suppliers gave them, where decisions changed some. aside: n, whether a row is set aside; it is screened
            all the same, and not counted against the contract.
        sizes: n (width, height) that the pictures had before they were brought to one size; read from files where absent.
        work: what earlier screenings left of these rows; it takes the place of their files.
        kept, blocks: where summaries of clips lie, and the clips cut as they were kept; of pictures `work` has both.
        forms: of rows that are screened beside each other, each by itself, these among them: p-values are adjusted over all.
    """

    delivered: Sequence[str] | None = None
    aside: Sequence[bool] | None = None
    sizes: Sequence[tuple[int, int]] | None = None
    work: Work | None = None
    forms: int = 1
    kept: Kept | None = None
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """What `battery.screen` takes beside rows, each as described there; None where it is not known."""

    deliveries: Sequence[str] | None = None
    files: Sequence[bytes] | None = None
    tests: tuple[NDArray[np.uint8], Sequence[str]] | None = None
    known: Known = Known()

    def put(self, view: View) -> View:
        """A view of the same pictures that knows all this.

        Raises:
            Unusable: not one per row, or test pictures of another size. FormatRefused: a file is no picture.
        """
        each = {"sizes": self.known.sizes, "files": self.files, "deliveries": self.deliveries}
        for what, given in each.items():
            if given is not None and len(given) != len(view.label):
                raise Unusable(f"{len(given)} {what} for {len(view.label)} rows", mend="one per row")
        view = replace(self._with_files(view), tests=self._tests(view), forms=self.known.forms)
        if self.deliveries is not None:
            view = _with_deliveries(view, self.deliveries)
        return (
            view
            if self.known.delivered is None and self.known.aside is None
            else replace(view, counts=self._counts(view))
        )

    def _with_files(self, view: View) -> View:
        """What is known of the files: themselves, or what a first look at them told."""
        looked: dict[str, Sequence[Any]] = {} if self.files is None else {CODING: _codings(self.files)}
        if self.known.work is not None:
            looked = dict(self.known.work.look.told)
            view = replace(view, properties=self.known.work.look.properties)
        sizes = self.known.sizes
        if CODING in looked and sizes is None:
            sizes = [(one["width"], one["height"]) for one in looked[CODING]]
        return replace(view, files=self.files, looked=looked, sizes=None if sizes is None else np.array(sizes, np.intp))

    def _tests(self, view: View) -> tuple[NDArray[np.uint8], tuple[str, ...]] | None:
        if self.tests is None:
            return None
        pixels, names = as_pixels(self.tests[0]), self.tests[1]
        if pixels.shape[1:] != view.images.shape[1:] or len(pixels) != len(names):
            raise Unusable(
                f"{len(names)} names and test images of shape {pixels.shape}",
                mend="of the size of the images, one name each",
            )
        return pixels, tuple(names)

    def _counts(self, view: View) -> tuple[Counts, Counts]:
        """Rows by supplier and class as delivered, and as they are in the data now."""
        labels, suppliers = (
            [names[i] for i in code] for names, code in ((view.classes, view.label), (view.suppliers, view.supplier))
        )
        known = self.known
        kept = [i for i, out in enumerate(known.aside if known.aside is not None else [False] * len(labels)) if not out]
        now = count_rows([labels[i] for i in kept], [suppliers[i] for i in kept])
        return count_rows(labels if known.delivered is None else known.delivered, suppliers), now


def _codings(files: Sequence[bytes]) -> list[dict[str, Any] | None]:
    out = codings(files)
    if None in out:
        sniff(files[out.index(None)])  # says why it is no picture
    return out


def _with_deliveries(view: View, deliveries: Sequence[str]) -> View:
    names = tuple(dict.fromkeys(deliveries))
    code = {name: i for i, name in enumerate(names)}
    return replace(view, delivery=np.array([code[d] for d in deliveries], np.intp), deliveries=names)


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
