"""Pictures by two decoders, in a confined child; what comes back is checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from countermark.formats.decode import PILLOW
from countermark.formats.image import ImageFacts
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import Child

_TASK = "countermark.formats._compare_task:compare"
_BATCH_IMAGES, _BATCH_PIXELS, _BATCH_BYTES = 128, 16 << 20, 64 << 20


@dataclass(frozen=True, slots=True)
class Compared:
    """What two decoders and a colour engine say of one picture.

    Attributes:
        first, second: why that decoder could not read it, or empty. skipped: why there was no second decoder, or empty.
        mean, block: grey levels (0 to 255) apart, on average and in the worst 8 x 8 block. profile: grey levels that the embedded colour
            profile changes on average. hidden: spread in grey levels of what lies under transparency.
    """

    first: str = ""
    second: str = ""
    skipped: str = ""
    mean: float = 0.0
    block: float = 0.0
    profile: float = 0.0
    hidden: float = 0.0


class Comparer:
    """Keeps one confined child for many batches; a context manager."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._bounds = limits or Limits(memory_bytes=2 << 30)
        self._worker: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        for child in self._worker:
            child.close()
        self._worker.clear()

    def compare(self, images: Sequence[bytes], facts: Sequence[ImageFacts]) -> list[Compared]:
        """Compare pictures that `image.sniff` has read; one that kills the child costs that picture alone.

        Raises:
            MissingExtra: Pillow is absent.
        """
        out = list[Compared]()
        for group in _groups(list(zip(images, facts, strict=True))):
            out += _ask(self._worker, self._bounds, group)
        return out


def _groups(pairs: list[tuple[bytes, ImageFacts]]) -> Iterator[list[tuple[bytes, ImageFacts]]]:
    group: list[tuple[bytes, ImageFacts]] = []
    pixels = size = 0
    for image, facts in pairs:
        full = pixels + facts.declared_pixels > _BATCH_PIXELS or size + len(image) > _BATCH_BYTES
        if group and (full or len(group) >= _BATCH_IMAGES):
            yield group
            group, pixels, size = [], 0, 0
        group.append((image, facts))
        pixels, size = pixels + facts.declared_pixels, size + len(image)
    if group:
        yield group


def _ask(worker: list[Child], bounds: Limits, group: list[tuple[bytes, ImageFacts]]) -> list[Compared]:
    if not worker or not worker[-1].alive:
        worker.append(Child(bounds))
    expected = [[PILLOW[facts.format], facts.width, facts.height] for _, facts in group]
    try:
        reply = worker[-1].ask(_TASK, {"expected": expected}, [image for image, _ in group])
        return _unpack(reply.json.get("pictures"), len(group))
    except (ChildFailed, BudgetExceeded) as error:
        worker.pop().close()
        if len(group) == 1:
            return [Compared(first=error.what)]
        half = len(group) // 2
        return _ask(worker, bounds, group[:half]) + _ask(worker, bounds, group[half:])


def _unpack(answers: object, count: int) -> list[Compared]:
    if not isinstance(answers, list) or len(answers) != count:
        raise ChildFailed("the decoders answered for other pictures than they were given")
    return [_one(answer) for answer in answers]


def _one(answer: Any) -> Compared:
    if not isinstance(answer, dict):
        raise ChildFailed("the decoders answered malformed")
    texts = [answer.get(name) or "" for name in ("first", "second", "skipped")]
    numbers = [answer.get(name) for name in ("mean", "block", "profile", "hidden")]
    levels = [float(n) for n in numbers if isinstance(n, int | float) and math.isfinite(n)]
    if not all(isinstance(text, str) for text in texts) or len(levels) != len(numbers):
        raise ChildFailed("the decoders answered malformed")
    first, second, skipped = (str(text)[:200] for text in texts)
    return Compared(first, second, skipped, *levels)
