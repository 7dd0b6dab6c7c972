"""Runs in the confined child only: pictures to RGB pixels with Pillow.

Resizing uses area averaging (Pillow's BOX): every source pixel counts, so that a picture hidden for
a sparse scaling kernel does not come out (Quiring et al., USENIX Security 2020).
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from countermark.errors import MissingExtra
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray

if TYPE_CHECKING:
    from PIL.Image import Image

_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I")


@task
def decode(job: Job) -> Answer:
    """Decode each blob.

    Request:
        ``size``: [width, height] or null. ``expected``: per blob [Pillow format, width, height].

    Returns:
        ``pictures``: per blob [height, width] or an error text; one flat uint8 array of all pixels
        in order, height x width x 3 each.
    """
    try:
        import PIL.Image
    except ImportError:
        raise MissingExtra("decoding pictures needs Pillow", mend="pip install 'countermark[screen]'") from None
    PIL.Image.MAX_IMAGE_PIXELS = None  # the declared size was checked before, and again below
    pixels = bytearray()
    pictures: list[Any] = []
    for blob, expected in zip(job.blobs, job.request["expected"], strict=True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # oddities of metadata that nothing here uses
                picture = _rgb(blob, tuple(expected), job.request["size"])
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
            pictures.append(f"{type(error).__name__}: {error}"[:300])
        else:
            pictures.append([picture.height, picture.width])
            pixels += picture.tobytes()
    return Answer({"pictures": pictures}, (RawArray("|u1", (len(pixels),), pixels),))


def _rgb(blob: bytearray, expected: tuple[str, int, int], size: list[int] | None) -> Image:
    import PIL.Image

    name, width, height = expected
    with PIL.Image.open(io.BytesIO(blob), formats=(name,)) as picture:
        if picture.size != (width, height):
            raise ValueError(f"decodes to {picture.size}, though its header says {(width, height)}")
        picture.load()
        rgb = _eight_bits(picture).convert("RGB")
    return rgb if size is None else rgb.resize((size[0], size[1]), PIL.Image.Resampling.BOX)


def _eight_bits(picture: Image) -> Image:
    """Scale 16-bit samples down; Pillow's own conversion would clip them at 255."""
    if picture.mode not in _SIXTEEN_BIT:
        return picture
    return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
