"""The confined side of `lifecycle.claimed_table`: the columns of one table as doubles and new words, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from countermark.errors import FormatRefused
from countermark.features.arrow_columns import Planned, Words, holds_bytes, planned, values_of
from countermark.features.columns import KINDS, MOST_COLUMNS
from countermark.formats import _tables
from countermark.formats.limits import OverLimit
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray

MOST_NAME, MOST_WORD = 512, 4096


@dataclass(slots=True)
class _Reading:
    """What this child is reading."""

    batches: Iterator[Any]
    plan: tuple[Planned, ...] = ()
    words: list[Words] = field(default_factory=list)
    told: list[int] = field(default_factory=list)


_now = _Reading(iter(()))


@task
def begin(job: Job) -> Answer:
    """Open the source. Request: ``whole``, names of text columns whose words are all kept (those of labels, suppliers and ids).

    The answer names the columns to come, and those left out with the reason.
    """
    plan, left = planned_within(_tables.opened(job.sources[0]).schema)
    # A schema of its own for each reading: what is left out is not decoded.
    wanted = list(dict.fromkeys(p.source for p in plan))
    kept = set(map(str, job.request["whole"]))
    _now.batches, _now.plan = _tables.opened(job.sources[0], wanted).batches, plan
    _now.words, _now.told = [Words(whole=p.name in kept) for p in plan], [0] * len(plan)
    columns = [[p.name, KINDS.index(p.kind), p.declared[:60]] for p in plan]
    return Answer({"columns": columns, "left": [line[:300] for line in left[:MOST_COLUMNS]]})


def planned_within(schema: Any) -> tuple[tuple[Planned, ...], tuple[str, ...]]:
    """As `planned`, within limits.

    Raises:
        OverLimit: more than 4,096 columns. FormatRefused: the name of one is longer than 512 characters. As `planned`.
    """
    plan, left = planned(schema)
    if len(plan) > MOST_COLUMNS:
        raise OverLimit("columns", len(plan), MOST_COLUMNS)
    if long := [p.name[:60] for p in plan if len(p.name) > MOST_NAME]:
        raise FormatRefused(f"the name of column {long[0]!r} is longer than {MOST_NAME} characters")
    return plan, left


@task
def pictures(job: Job) -> Answer:
    """How many columns of bytes the table has, which may be pictures."""
    return Answer({"columns": sum(map(holds_bytes, _tables.opened(job.sources[0]).schema.types))})


@task
def more(_job: Job) -> Answer:
    """The next rows: doubles (columns, rows), and for each column of text the words that are new; no rows at the end."""
    batch = next(_now.batches, None)
    if batch is None:
        return Answer({"words": {}}, (RawArray("<f8", (len(_now.plan), 0), b""),))
    with _tables.refusing():
        parts = [values_of(batch.column(p.source), p, w) for p, w in zip(_now.plan, _now.words, strict=True)]
    values = np.ascontiguousarray(np.stack(parts) if parts else np.zeros((0, 0)), "<f8")
    return Answer({"words": _new_words()}, (RawArray("<f8", values.shape, values.tobytes()),))


def _new_words() -> dict[str, list[str]]:
    out = {}
    for at, words in enumerate(_now.words):
        if len(words.codes) > _now.told[at]:
            new = list(words.codes)[_now.told[at] :]
            if long := [w for w in new if len(w) > MOST_WORD]:
                raise OverLimit(f"characters of a word in column {_now.plan[at].name!r:.60}", len(long[0]), MOST_WORD)
            out[str(at)], _now.told[at] = new, len(words.codes)
    return out
