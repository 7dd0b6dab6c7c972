"""JSON as libraries of other people write it: infinities are theirs, a key that stands twice is nobody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from countermark.formats.limits import Malformed, OverLimit

MOST_BYTES = 32 << 20


def parse(data: bytes, rule: str, at: int = 0) -> Any:
    """The value of a whole text.

    Args:
        data: UTF-8, up to 32 MiB. rule: under which it is refused. at: byte where it begins.

    Raises:
        Malformed: no JSON, a key twice, or nested too deep. OverLimit: larger.
    """
    if len(data) > MOST_BYTES:
        raise OverLimit("text bytes", len(data), MOST_BYTES, offset=at)
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else str(error)[:80]
        raise Malformed(rule, f"not JSON that is read alike everywhere: {what}", offset=at) from error


def nodes(value: Any) -> Iterator[Any]:
    """Every object and list of a parsed text, the outermost first; nothing recurses."""
    todo = [value]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo += node.values()
        elif isinstance(node, list):
            yield node
            todo += node


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key stands twice")
    return out
