"""What a reader may spend on one file, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from countermark.errors import FormatRefused


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bounds of one picture, checked on its header before anything is decoded.

    Attributes:
        file_bytes: encoded size. pixels: declared width x height. side: declared width or height.
        frames: frames of an animation; only the first one is ever decoded.
    """

    file_bytes: int = 64 << 20
    pixels: int = 64 << 20
    side: int = 1 << 16
    frames: int = 1 << 10


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Bounds of one model file.

    Attributes:
        header_bytes: safetensors JSON header. tensors: entries of any table of tensors.
        axes: dimensions of one tensor. depth: nested ONNX subgraphs. messages: protobuf messages walked.
        members: zip entries. ratio: inflated over stored bytes of one entry above 16 MiB. inflated_bytes: all entries together.
    """

    header_bytes: int = 32 << 20
    tensors: int = 1 << 20
    axes: int = 64
    depth: int = 16
    messages: int = 4 << 20
    members: int = 1 << 16
    ratio: int = 250
    inflated_bytes: int = 1 << 36


class Malformed(FormatRefused):
    """A file breaks its format.

    Attributes:
        rule: short stable name of the rule that it breaks, ``"png-crc"``.
        offset: byte where that shows, or None.
        answer: ``refused``, or ``unproven`` where the reader stopped before it could know.
    """

    answer: Literal["refused", "unproven"] = "refused"

    def __init__(self, rule: str, what: str, *, offset: int | None = None, why: str = "", mend: str = "") -> None:
        super().__init__(what if offset is None else f"{what} (byte {offset})", why=why, mend=mend)
        self.rule = rule
        self.offset = offset


class OverLimit(Malformed):
    """A file is well formed so far and crosses a limit: the rest was not looked at.

    Attributes:
        budget: the limit's name.
    """

    answer = "unproven"

    def __init__(self, budget: str, seen: int, limit: int, *, offset: int | None = None) -> None:
        what = f"{budget.replace('_', ' ')}: {seen} where the limit is {limit}"
        super().__init__(f"limit-{budget.replace('_', '-')}", what, offset=offset, why="reading stops at its limits")
        self.budget = budget


class Unaccounted(Malformed):
    """Bytes that this reader has no meaning for: nothing wrong was seen, and nothing is proven."""

    answer = "unproven"
