"""How `countermark screen --explain ROW` tells what a screening says of single rows, and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs, Table, worst
from countermark.cli._screened import Results
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.checks.data.explanation import Explanation
    from countermark.checks.data.screening import Screening


def explained(results: Results, rows: Sequence[str], facts: dict[str, Any], picture: Path | None) -> Answer:
    """What every check said of these rows; `picture` is written where it is named.

    Args:
        results: by the rows' form; each row is explained in the one that holds it. facts: `places` say where rows of tables lie.

    Exit code: 1 where a check would set one of them aside; 3 where a check did not look at one of them; else 0.

    Raises:
        Unusable: a row is not there, or its beginning is not unique; a picture of rows of several kinds.
    """
    of = [_holding(results, row, facts.get("unseen_rows", {})) for row in rows]
    told = [result.explain(row) for result, row in zip(of, rows, strict=True)]
    if picture is not None:
        if len({id(result) for result in of}) > 1:
            raise Unusable("one picture shows rows of one kind", mend="explain them one kind at a time")
        _write(of[0], told, picture)
    aside, away = sum(e.flagged for e in told), sum(not e.whole for e in told)
    words = f"a check would set {aside} of {count(len(told), 'row')} aside" if aside else "no check would set " + (
        "these rows aside" if len(told) > 1 else "this row aside"
    )  # fmt: skip
    code = worst(FOUND if e.flagged else FINE if e.whole else INCONCLUSIVE for e in told)
    left = f"; {count(away, 'row')} not looked at by every check" if away else ""
    places = facts.get("places", {})
    said = {"rows": [e.to_json() | _place(places, e) for e in told], "suppliers": facts["suppliers"]} | _signed(facts)
    shown = [
        block for result, e in zip(of, told, strict=True)
        for block in (*(f"{e.row} is {place}" for place in _place(places, e).values()), *_blocks(result, e))
    ]  # fmt: skip
    written = [f"written: {picture}"] if picture is not None else []
    return Answer(words + left, code, said, [*shown, *_of_signed(facts), *written])


def _holding(results: Results, row: str, unseen: dict[str, str]) -> Screening:
    """The result that a row is in; the first where none is, which says so.

    Args:
        unseen: ids of rows that are in none, and why.

    Raises:
        Unusable: rows of several begin like this, or nobody could look at the row.
    """
    found = [result for _, result in results if any(name.startswith(row) for name in result.seen.ids)]
    exact = [result for result in found if row in result.seen.ids]
    if len(found) > 1 and not exact:
        raise Unusable(f"{row!r:.200} names no row", why="rows of several kinds begin like this", mend="the whole id")
    if not found and (why := next((why for name, why in unseen.items() if row and name.startswith(row)), None)):
        raise Unusable(f"{row:.200} was not looked at", why=why, mend="receive deliveries of others with rows alike")
    return (exact or found or [results[0][1]])[0]


def _place(places: dict[str, str], e: Explanation) -> dict[str, str]:
    return {"place": places[e.row]} if e.row in places else {}


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
