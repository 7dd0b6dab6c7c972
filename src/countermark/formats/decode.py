"""Pictures to pixels. Pillow runs in a confined child; what comes back is checked before it is used.

One picture that kills its decoder costs that picture, not its neighbours: a batch whose child dies
is halved until the guilty one is alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from countermark.errors import FormatRefused, MissingExtra
from countermark.formats.image import ImageFacts, sniff
from countermark.formats.limits import ImageLimits
from countermark.sandbox.confinement import Confinement
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.pipe import Child
from countermark.sandbox.wire import RawArray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TASK = "countermark.formats._decode_task:decode"
PILLOW = {"png": "PNG", "jpeg": "JPEG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP"}
_BATCH_IMAGES = 512
_BATCH_BYTES = 64 << 20
_BATCH_PIXELS = 64 << 20
_MAX_RESTARTS = 64


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels of a batch.

    Attributes:
        pixels: uint8, images x height x width x 3 (RGB); zeros where an image has an error.
        errors: per image None, or why it could not be decoded.
    """

    pixels: NDArray[np.uint8]
    errors: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    """Height, width and RGB bytes of one picture, or its error."""

    height: int = 0
    width: int = 0
    pixels: memoryview = memoryview(b"")  # noqa: RUF009 (an empty view is immutable)
    error: str | None = None


class Decoder:
    """Keeps one confined child for many batches; a context manager.

    Only the first frame of an animation is decoded, transparency is dropped, EXIF orientation is
    not applied, 16 bits are scaled to 8. The same bytes give the same pixels.
    """

    def __init__(self, limits: Limits | None = None, images: ImageLimits | None = None) -> None:
        self._limits = limits or Limits(memory_bytes=2 << 30)
        self._images = images or ImageLimits()
        self._child: Child | None = None
        self._restarts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._drop()

    @property
    def confinement(self) -> Confinement:
        """What holds the child; starts it where it is not running."""
        return self._worker().confinement

    def batch(self, images: Sequence[bytes], size: tuple[int, int] | None = (64, 64)) -> Decoded:
        """Decode pictures into one array.

        Args:
            images: encoded files. size: (width, height) to resize to, or None to keep the size of
                the first readable picture; others of another size are then errors.

        Raises:
            MissingExtra: NumPy or Pillow is absent.
        """
        np = _numpy()
        pictures = self._decode(images, size)
        first = next((p for p in pictures if p.error is None), None)
        width, height = size or ((first.width, first.height) if first else (0, 0))
        pixels = np.zeros((len(pictures), height, width, 3), dtype=np.uint8)
        errors: list[str | None] = []
        for row, picture in zip(pixels, pictures, strict=True):
            error = picture.error
            if error is None and (picture.width, picture.height) != (width, height):
                error = f"{picture.width} x {picture.height} pixels, where the first picture has {width} x {height}"
            if error is None:
                row[:] = np.frombuffer(picture.pixels, np.uint8).reshape(height, width, 3)
            errors.append(error)
        return Decoded(pixels, tuple(errors))

    def each(self, images: Sequence[bytes]) -> list[NDArray[np.uint8] | str]:
        """Decode pictures in their own sizes: height x width x 3 uint8 each, or the error's text.

        Raises:
            MissingExtra: NumPy or Pillow is absent.
        """
        np = _numpy()
        return [
            np.frombuffer(p.pixels, np.uint8).reshape(p.height, p.width, 3) if p.error is None else p.error
            for p in self._decode(images, None)
        ]

    def _decode(self, images: Sequence[bytes], size: tuple[int, int] | None) -> list[_Picture]:
        pictures = [_Picture(error="not looked at")] * len(images)
        readable: list[tuple[int, ImageFacts]] = []
        for index, image in enumerate(images):
            try:
                readable.append((index, sniff(image, self._images)))
            except FormatRefused as error:
                pictures[index] = _Picture(error=error.what)
        self._restarts = 0
        for group in _groups(readable, images, size):
            for (index, _), picture in zip(group, self._group(group, images, size), strict=True):
                pictures[index] = picture
        return pictures

    def _group(
        self, group: list[tuple[int, ImageFacts]], images: Sequence[bytes], size: tuple[int, int] | None
    ) -> list[_Picture]:
        expected = [[PILLOW[facts.format], facts.width, facts.height] for _, facts in group]
        request = {"size": list(size) if size else None, "expected": expected}
        try:
            reply = self._worker().ask(_TASK, request, [images[index] for index, _ in group])
            return _unpack(reply.json.get("pictures"), reply.arrays, size, group)
        except (ChildFailed, BudgetExceeded) as error:
            self._drop()
            self._restarts += 1
            if len(group) == 1 or self._restarts > _MAX_RESTARTS:
                return [_Picture(error=error.what)] * len(group)
            half = len(group) // 2
            return self._group(group[:half], images, size) + self._group(group[half:], images, size)

    def _worker(self) -> Child:
        if self._child is None or not self._child.alive:
            self._drop()
            self._child = Child(self._limits)
        return self._child

    def _drop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def decode_batch(
    images: Sequence[bytes], size: tuple[int, int] | None = (64, 64), *, limits: Limits | None = None
) -> Decoded:
    """Decode one batch in a fresh child; `Decoder` keeps the child for several.

    Arguments and errors as `Decoder.batch`.
    """
    with Decoder(limits) as decoder:
        return decoder.batch(images, size)


def _groups(
    readable: list[tuple[int, ImageFacts]], images: Sequence[bytes], wanted: tuple[int, int] | None
) -> Iterator[list[tuple[int, ImageFacts]]]:
    group: list[tuple[int, ImageFacts]] = []
    size = pixels = 0
    least = wanted[0] * wanted[1] if wanted else 0
    for index, facts in readable:
        weight = max(facts.declared_pixels, least)
        full = len(group) >= _BATCH_IMAGES or size + len(images[index]) > _BATCH_BYTES
        if group and (full or pixels + weight > _BATCH_PIXELS):
            yield group
            group, size, pixels = [], 0, 0
        group.append((index, facts))
        size += len(images[index])
        pixels += weight
    if group:
        yield group


def _unpack(
    answers: object, arrays: list[RawArray], size: tuple[int, int] | None, group: list[tuple[int, ImageFacts]]
) -> list[_Picture]:
    """Cut the flat buffer, each size being the one that was asked for or declared."""
    if not isinstance(answers, list) or len(answers) != len(group) or len(arrays) != 1 or arrays[0].dtype != "|u1":
        raise ChildFailed("the decoder answered for other pictures than it was given")
    buffer, at, out = memoryview(arrays[0].data), 0, []
    for answer, (_, facts) in zip(answers, group, strict=True):
        width, height = size or (facts.width, facts.height)
        if isinstance(answer, str):
            out.append(_Picture(error=answer))
            continue
        piece = buffer[at : at + 3 * width * height]
        if answer != [height, width] or len(piece) != 3 * width * height:
            raise ChildFailed("the decoder answered with another size than it was asked for")
        out.append(_Picture(height, width, piece))
        at += len(piece)
    return out


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise MissingExtra("decoding pictures needs NumPy", mend="pip install 'countermark[screen]'") from None
    return numpy
