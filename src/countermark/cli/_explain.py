"""How `countermark screen --explain ROW` tells what a screening says of single rows, and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs, Table, worst
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.checks.data.explanation import Explanation
    from countermark.checks.data.screening import Screening


def explained(result: Screening, rows: Sequence[str], facts: dict[str, Any], picture: Path | None) -> Answer:
    """What every check said of these rows; `picture` is written where it is named.

    Exit code: 1 where a check would set one of them aside; 3 where a check did not look at one of them; else 0.

    Raises:
        Unusable: a row is not there, or its beginning is not unique.
    """
    told = [result.explain(row) for row in rows]
    if picture is not None:
        _write(result, told, picture)
    aside, away = sum(e.flagged for e in told), sum(not e.whole for e in told)
    words = f"a check would set {aside} of {count(len(told), 'row')} aside" if aside else "no check would set " + (
        "these rows aside" if len(told) > 1 else "this row aside"
    )  # fmt: skip
    code = worst(FOUND if e.flagged else FINE if e.whole else INCONCLUSIVE for e in told)
    left = f"; {count(away, 'row')} not looked at by every check" if away else ""
    said = {"rows": [e.to_json() for e in told], "suppliers": facts["suppliers"]} | _signed(facts)
    shown = [block for e in told for block in _blocks(result, e)]
    written = [f"written: {picture}"] if picture is not None else []
    return Answer(words + left, code, said, [*shown, *_of_signed(facts), *written])


def _blocks(result: Screening, e: Explanation) -> list[Any]:
    from countermark.checks.data.explanation import CHECK_COLUMNS, NEAREST_COLUMNS

    found = [f"{c.check}: {what}" for c in e.checks for what in c.found]
    typical = [("typical row", result.seen.ids[e.typical])] if e.typical is not None else []
    return [
        e.headline, "", Table(CHECK_COLUMNS[:-1], [row[:-1] for row in e.check_rows()]), "",
        *(f"found: {line}" for line in found),
        *([""] if found else []),
        "operating points", Pairs([(c.check, f"{c.operating}; false alarms: {c.alarms}") for c in e.checks if c.looked]), "",
        Pairs([*e.facts(), *typical]), "",
        Table(NEAREST_COLUMNS, e.nearest_rows()), "",
        *(f"not looked at: {line}" for line in e.not_looked),
        *(f"cannot tell: {line}" for line in e.cannot_tell), "",
    ]  # fmt: skip


def _signed(facts: dict[str, Any]) -> dict[str, Any]:
    return {"newest_screening": facts["newest"]} if facts.get("newest") else {}


def _of_signed(facts: dict[str, Any]) -> list[str]:
    """What the newest signed screening has to do with this look, which signs nothing."""
    newest = facts.get("newest")
    if newest is None:
        return []
    same = "of the same rows" if newest["same_rows"] else "of other rows than these"
    return [
        f"nothing was signed; the newest screening statement is {newest['statement'][:12]}, {same}, seed {newest['seed']}"
    ]


def _write(result: Screening, told: Sequence[Explanation], picture: Path) -> None:
    import numpy as np

    from countermark.checks.data._exhibit import side_by_side
    from countermark.workspace.disk import Disk

    content = result.seen.content
    pairs = [np.array([e.place, *([] if e.typical is None else [e.typical])], np.intp) for e in told]
    seen = [shown for pair in pairs if (shown := content.thumbnails(pair)) is not None]
    if not seen:
        raise Unusable(f"{content.words.many} cannot be seen", mend="leave out --picture")
    Disk().write(picture, side_by_side(seen), mode=0o644)
