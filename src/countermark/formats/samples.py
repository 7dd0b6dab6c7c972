"""Samples of a WebDataset shard: runs of members whose names agree up to the first dot of the last part.

Source: the WebDataset format description. Names are checked by who uses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from countermark.errors import FormatRefused
from countermark.formats import tar
from countermark.formats.limits import OverLimit
from countermark.sandbox.task import Source

MOST_COMPONENTS = 4096


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: its key, and its components by suffix in small letters."""

    key: str
    parts: dict[str, tar.Member]


def samples(source: Source) -> Iterator[Sample]:
    """Every sample in order; a key that comes again in another place is for the caller to find.

    Raises:
        FormatRefused: not a strict tar, a member that is no ``KEY.SUFFIX``, or two of one suffix in a sample.
    """
    for key, run in groupby(((_split(m.name), m) for m in tar.members(source)), key=lambda item: item[0][0]):
        parts: dict[str, tar.Member] = {}
        for (_, suffix), member in run:
            if suffix in parts:
                raise FormatRefused(f"sample {key!r:.120} has two components {suffix!r:.40}")
            if len(parts) >= MOST_COMPONENTS:
                raise OverLimit("components", len(parts) + 1, MOST_COMPONENTS)
            parts[suffix] = member
        yield Sample(key, parts)


def _split(name: str) -> tuple[str, str]:
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, dot, suffix = last.partition(".")
    if not stem or not dot:
        raise FormatRefused(f"{name!r:.120} is no component of a sample", why="KEY.SUFFIX names one")
    return f"{folder}{slash}{stem}", suffix.lower()
