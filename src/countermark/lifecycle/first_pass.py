"""The first pass of a screening: every delivery is looked at once, block by block, and what was seen is kept.

No more than one delivery's files are in memory. A run that is killed goes on where it stopped: each block is kept, durably,
as soon as it was looked at. docs/reference/formats/kept.md says what lies where, and who is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from countermark.canonical import Fields
from countermark.errors import CountermarkError, FormatRefused, NothingToVerify, Unusable
from countermark.lifecycle import review, rows
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.kept_rows import blocks_of
from countermark.lifecycle.rows import Row

if TYPE_CHECKING:
    from countermark.checks.data._first_look import Eyes, FirstLook
    from countermark.checks.data._kept import Block, Kept
    from countermark.checks.data._work import Frozen, Work
    from countermark.workspace import kept

FIRST_LOOK = "first look"
Progress = Callable[[str, float], None]


class Pass(NamedTuple):
    """All pictures, in order, and the work on them, None where there are none; the rows that are no pictures; and what is kept of all."""

    pictures: tuple[Row, ...]
    work: Work | None
    others: tuple[Row, ...]
    kept: Kept


def first_pass(
    desk: Desk, store: kept.Kept, seed: int, *, refit: bool = False, progress: Progress | None = None
) -> Pass:
    """Look at every picture of the standing deliveries that was not looked at before.

    Args:
        seed: of the screening; a frame learnt with another one is not taken up. refit: believe nothing that was kept.

    Raises:
        Unusable: nothing was admitted. MissingExtra: the screen extra is absent. FormatRefused: a stored picture no longer
            decodes. TreeRefused: an admitted delivery was changed on disk.
    """
    from countermark.checks.data._first_look import Eyes, joined
    from countermark.checks.data._kept import Kept
    from countermark.checks.data._work import Work
    from countermark.formats.compare import Comparer
    from countermark.formats.decode import Decoder

    known = Kept(store, anew=refit)
    listed, others, blocks, looks = list[Row](), list[Row](), list["Block"](), list["FirstLook"]()
    total = len(rows.standing(desk))
    with Decoder() as decoder, Comparer() as comparer:
        eyes = Eyes(decoder, comparer)
        for done, every in enumerate(rows.by_delivery(desk), 1):
            content = {row: data for row, data in every.items() if row.kind == "pictures"}
            others += (row for row in every if row.kind != "pictures")
            for block, look in _looked(known, eyes, content, len(listed)):
                blocks.append(block)
                looks.append(look)
            listed += content
            if progress:
                progress("decode", done / total)
    if not listed and not others:
        raise Unusable("there are no rows to screen", mend="`countermark receive DIR`")
    if not listed:
        return Pass((), None, tuple(others), known)
    work = Work(joined(looks), tuple(blocks), known)
    work.frozen, work.why = (None, "asked for") if refit else _frozen(desk, seed)
    return Pass(tuple(listed), work, tuple(others), known)


def keep(desk: Desk, store: kept.Kept, seen: Pass) -> None:
    """Keep what the next screening can use, and remove what it cannot.

    Raises:
        Unusable: it cannot be written.
    """
    if seen.work is not None and seen.work.frozen is not None:
        desk.space.put(seen.work.frozen.frame.to_bytes())
    store.keep_only(seen.kept.used)


def _looked(known: Kept, eyes: Eyes, content: dict[Row, bytes], first: int) -> Iterator[tuple[Block, FirstLook]]:
    from countermark.checks.data._first_look import FirstLook

    listed, files = list(content), list(content.values())
    for block in blocks_of(listed, first):
        inside = slice(block.start - first, block.stop - first)
        look = _read(known, block)
        if look is None:
            look = FirstLook.of(eyes, files[inside], [r.id for r in listed[inside]])
            known.put(FIRST_LOOK, block.digest, look.to_bytes())
            known.count(FIRST_LOOK, computed=len(look.pixels))
        yield block, look


def _read(known: Kept, block: Block) -> FirstLook | None:
    from countermark.checks.data._first_look import FirstLook

    data = known.get(FIRST_LOOK, block.digest)
    if data is None:
        return None
    try:
        look = FirstLook.from_bytes(data, block.stop - block.start)
    except FormatRefused:
        return None
    known.count(FIRST_LOOK, read=len(look.pixels))
    return look


def _frozen(desk: Desk, seed: int) -> tuple[Frozen | None, str]:
    """The frame that the newest screening names; or none, and why."""
    from countermark.checks.data._work import Frozen
    from countermark.features.frame import Frame

    try:
        _, said = review.newest_screening(desk)
    except NothingToVerify:
        return None, "first screening"
    told = Fields(said.facts, "screening facts").object("features")
    digest, learnt, taught = (told.get(name) for name in ("frame", "learnt", "learntFrom"))
    if said.facts.get("seed") != seed or not isinstance(digest, str):
        return None, "the last screening had another seed or other features"
    if not isinstance(learnt, int | float) or type(taught) is not int:
        return None, "the last screening does not say how its frame was learnt"
    try:
        frozen = Frozen(Frame.from_bytes(desk.space.get(digest)), float(learnt), taught)
    except CountermarkError as error:
        return None, f"the last frame cannot be read: {error.what}"
    return (frozen, "") if frozen.lasting else (None, f"the last frame was learnt from {taught} rows alone")
