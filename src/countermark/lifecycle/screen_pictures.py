"""The part of a screening that is of pictures: what the first pass saw of them, or a model that sees them as they were delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from countermark.checks.data._given import Known
from countermark.checks.data._work import Work
from countermark.checks.data.battery import screen as run_battery
from countermark.checks.data.screening import Screening
from countermark.lifecycle import rows
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.first_pass import Pass
from countermark.lifecycle.own_features import Wanted
from countermark.lifecycle.pixels import decoded
from countermark.lifecycle.rows import Row, Selection
from countermark.lifecycle.screen_parts import ALONE, Part, Unseen, comparable

Progress = Callable[[str, float], None]
PIXELS = (64, 64)


def looks_at(seen: Pass) -> bool:
    """Whether there are pictures that can be compared; where there is nothing else, the battery says why not."""
    return seen.work is not None and not (seen.others and not comparable(seen.pictures))


def pictures(
    desk: Desk, agreed: Any, seen: Pass, selection: Selection, wanted: Wanted, forms: int, **how: Any
) -> list[Part | Unseen]:
    """The part of the pictures, of `forms` parts in all; nothing without any."""
    listed, work = seen.pictures, seen.work
    if work is None:
        return []
    if not looks_at(seen):
        return [Unseen("pictures", listed, ALONE)]
    given = _given(desk, listed, wanted, how["progress"]) if "pictures" in wanted.models else None
    how |= {"model": given, "features": wanted.kind}
    return [Part("pictures", "pictures", listed, _battery(agreed, listed, work, selection, forms, **how))]


def _given(desk: Desk, listed: Sequence[Row], wanted: Wanted, progress: Progress | None) -> Any:
    """Features of the user's own model, which sees pictures as they were delivered."""
    content = rows.all_rows(desk)
    return wanted.given([content[r] for r in listed], [r.id for r in listed], progress)


def _battery(agreed: Any, listed: Sequence[Row], work: Work, selection: Selection, forms: int, **how: Any) -> Screening:
    relabelled = selection.relabelled
    return run_battery(
        work.look.pixels,
        [relabelled.get(r.id, r.label) for r in listed],
        [r.supplier for r in listed],
        deliveries=[r.delivery for r in listed],
        ids=[r.id for r in listed],
        contract=agreed,
        known=Known([r.label for r in listed], [r.id in selection.aside for r in listed], work=work, forms=forms),
        **how,
    )


def decode(pictures: Sequence[bytes], names: Sequence[str], progress: Progress | None = None) -> Any:
    """Pixels of all rows: uint8 (n, 64, 64, 3), decoded in a confined child.

    Raises:
        FormatRefused: a picture does not decode. MissingExtra: NumPy or Pillow is absent.
    """
    import numpy as np

    told = (lambda done: progress("decode", done)) if progress else None
    return np.concatenate(list(decoded(pictures, names, PIXELS, told)))
