"""What delivered files say of themselves, one by one: shared by the checks that compare deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from countermark.errors import FormatRefused
from countermark.formats.coding import coding

CODING = "coding"


def codings(files: Sequence[bytes]) -> list[dict[str, Any] | None]:
    """Per file the members of `formats.coding.Coding`, or None where it is no readable picture."""
    out: list[dict[str, Any] | None] = []
    for data in files:
        try:
            seen = coding(data)
        except FormatRefused:
            out.append(None)
            continue
        out.append({name: getattr(seen, name) for name in seen.__dataclass_fields__})
    return out
