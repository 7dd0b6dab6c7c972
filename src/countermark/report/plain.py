"""Other people's text, fit to be shown: nothing that hides, turns round or floods what stands beside it.

Escaping for HTML is the renderer's work; this is about what escaping lets through: direction overrides (UAX #9),
invisible and control characters, and names of a million characters.
"""

from __future__ import annotations

import unicodedata
from typing import Any

LONGEST = 300
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MOST_MARKS = 4


def plain(value: Any, most: int = LONGEST) -> str:
    """Text without hidden characters, cut at `most` characters; what was hidden shows as ``[U+202E]``.

    No more than four combining marks in a row are kept, so that nothing is drawn over its neighbours.
    """
    text = value if isinstance(value, str) else str(value)
    out: list[str] = []
    marks = 0
    for character in text[: most + 1]:
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if category in _HIDDEN:
            out.append(" " if character in "\n\t" else f"[U+{ord(character):04X}]")
        elif marks <= _MOST_MARKS:
            out.append(character)
    if len(text) > most:
        return "".join(out[:most]) + f"... ({len(text)} characters)"
    return "".join(out)


def short(digest: Any) -> str:
    """The first twelve digits of a digest."""
    return plain(digest, 64)[:12]


def count(number: Any) -> str:
    """A count with thin thousands, or a dash where there is none."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if type(number) is int else "\N{EN DASH}"


def percent(share: Any) -> str:
    """A share as a percentage."""
    if isinstance(share, bool) or not isinstance(share, int | float):
        return "\N{EN DASH}"
    return f"{100 * share:.1f}".removesuffix(".0") + "\N{NARROW NO-BREAK SPACE}%"


def figure(value: Any) -> str:
    """A whole number in full, any other to four digits, and anything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    return count(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
