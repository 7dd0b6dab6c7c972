"""What rows are: pictures, rows of tables, or clips of sound. Names decide, and the door holds them against what files hold."""

from __future__ import annotations

from typing import Literal

from countermark.artefact import shards
from countermark.formats.wav import named_as_wav

Kind = Literal["pictures", "tables", "clips"]
KINDS: tuple[Kind, ...] = ("pictures", "tables", "clips")


def kind_of(path: str, *, inside: bool) -> Kind:
    """Of a row.

    Args:
        path: as it stands in the tree, or as the file that a row inside a table or shard would be. inside: whether it is such a row.
    """
    if inside:
        return "tables" if shards.is_values(path) else "pictures"
    return "clips" if named_as_wav(path) else "pictures"
