"""One file, two pictures: a builder for each trick that `data/picture-integrity` must see, and honest files beside them.

Each takes the picture that people should see and another one that a model should, uint8 (h, w, 3) of one shape.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]


def saved(pixels: Pixels, kind: str, **options: object) -> bytes:
    """An encoded file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """The chunk right after the header."""
    return png[:33] + chunk(kind, body) + png[33:]


def orientation(shown: Pixels, _: Pixels) -> bytes:
    """Stored upside down, with a tag that turns it back for people."""
    tags = Image.Exif()
    tags[0x0112] = 3
    return saved(shown[::-1, ::-1], "JPEG", exif=tags, quality=90)


def gamma(shown: Pixels, _: Pixels) -> bytes:
    """Dark pixels that a gamma of 1 brightens in programs that honour it."""
    return with_chunk(saved((shown // 4).astype(np.uint8), "PNG"), b"gAMA", struct.pack(">I", 100_000))


def chromaticities(shown: Pixels, _: Pixels) -> bytes:
    """Primaries of red and blue swapped."""
    body = struct.pack(">8I", 31270, 32900, 15000, 6000, 30000, 60000, 64000, 33000)
    return with_chunk(saved(shown, "PNG"), b"cHRM", body)


def colour_profile(shown: Pixels, _: Pixels) -> bytes:
    """A profile that changes every colour: that of XYZ for sRGB pixels."""
    return saved(shown, "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes())


def alpha(shown: Pixels, seen: Pixels) -> bytes:
    """Fully transparent pixels whose colours are another picture."""
    out = np.dstack([seen, np.full(seen.shape[:2], 0, np.uint8)])
    out[: len(shown) // 2, :, :3] = shown[: len(shown) // 2]
    out[: len(shown) // 2, :, 3] = 255
    return saved(out, "PNG")


def alpha_webp(shown: Pixels, seen: Pixels) -> bytes:
    """The same in WebP, which keeps colours under transparency when it is told to."""
    out = np.dstack([seen, np.full(seen.shape[:2], 8, np.uint8)])
    return saved(out, "WEBP", lossless=True, exact=True)


def palette_transparency(_: Pixels, seen: Pixels) -> bytes:
    """A palette whose every colour is transparent."""
    out = io.BytesIO()
    Image.fromarray(seen).quantize(64).save(out, "PNG", transparency=bytes(64))
    return out.getvalue()


def animated(shown: Pixels, seen: Pixels) -> bytes:
    """A second frame that is another picture."""
    out = io.BytesIO()
    Image.fromarray(seen).save(out, "PNG", save_all=True, append_images=[Image.fromarray(shown)], duration=1)
    return out.getvalue()


def animated_gif(shown: Pixels, seen: Pixels) -> bytes:
    """The same as a GIF."""
    out = io.BytesIO()
    Image.fromarray(seen).save(out, "GIF", save_all=True, append_images=[Image.fromarray(shown)], duration=1)
    return out.getvalue()


def sixteen_bit(shown: Pixels, _: Pixels) -> bytes:
    """High bytes that are nearly black: programs that clip instead of scaling see another picture."""
    return saved(shown[..., 0].astype(np.uint16) * 4, "PNG")


def four_channels(shown: Pixels, _: Pixels) -> bytes:
    """CMYK, which some programs invert."""
    out = io.BytesIO()
    Image.fromarray(shown).convert("CMYK").save(out, "JPEG")
    return out.getvalue()


def contradiction(shown: Pixels, _: Pixels) -> bytes:
    """JFIF says YCbCr, an Adobe marker says RGB."""
    jpeg = saved(shown, "JPEG", quality=95)
    return jpeg[:20] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00" + jpeg[20:]


def component_names(shown: Pixels, _: Pixels) -> bytes:
    """Neither JFIF nor Adobe, and YCbCr components that are called R, G and B."""
    jpeg = saved(shown, "JPEG", quality=95)
    jpeg = bytearray(jpeg[:2] + jpeg[20:])
    frame = jpeg.index(b"\xff\xc0")
    scan = jpeg.index(b"\xff\xda")
    for i, name in enumerate(b"RGB"):
        jpeg[frame + 10 + 3 * i] = name
        jpeg[scan + 5 + 2 * i] = name
    return bytes(jpeg)


def trailing(shown: Pixels, seen: Pixels) -> bytes:
    """Another picture after the end."""
    return saved(shown, "JPEG") + saved(seen, "JPEG")


def polyglot(shown: Pixels, _: Pixels) -> bytes:
    """A PDF header inside the first bytes."""
    jpeg = saved(shown, "JPEG")
    body = b"%PDF-1.4\n"
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def bomb(_: Pixels, __: Pixels) -> bytes:
    """A thousand million pixels in a few bytes."""
    head = struct.pack(">IIBBBBB", 31623, 31623, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def torn(shown: Pixels, _: Pixels) -> bytes:
    """Pixel data that stops half way inside a whole structure: Pillow shows black for the rest, others refuse."""
    height, width = shown.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in shown[: height // 2])
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def personal(shown: Pixels, _: Pixels) -> bytes:
    """No trick: a photograph that tells who took it, where and when."""
    tags = Image.Exif()
    tags[0x013B], tags[0x0132] = "Erika Mustermann", "2024:05:06 07:08:09"
    place = tags.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 0.0), "E", (13.0, 24.0, 0.0)
    return saved(shown, "JPEG", exif=tags)


TRICKS: dict[str, tuple[Callable[[Pixels, Pixels], bytes], str]] = {
    "orientation": (orientation, "orientation"), "gamma": (gamma, "gamma"), "chromaticities": (chromaticities, "chromaticities"),
    "colour profile": (colour_profile, "colour-profile"), "alpha": (alpha, "hidden-under-transparency"),
    "alpha webp": (alpha_webp, "hidden-under-transparency"), "palette": (palette_transparency, "hidden-under-transparency"),
    "animated": (animated, "animated"), "animated gif": (animated_gif, "animated"), "sixteen bit": (sixteen_bit, "sixteen-bit"),
    "four channels": (four_channels, "four-channels"), "contradiction": (contradiction, "colour-contradiction"),
    "component names": (component_names, "colour-guess"), "trailing": (trailing, "trailing-bytes"), "polyglot": (polyglot, "polyglot"),
    "bomb": (bomb, "bomb"), "torn": (torn, "one-decoder-only"),
}  # fmt: skip
"""Name -> builder, and the rule that must find it."""


def picture(seed: int, height: int = 48, width: int = 64) -> Pixels:
    """A smooth scene with edges and some noise."""
    rng = np.random.default_rng([seed, 101])
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    out = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    y, x = rng.integers(4, height - 20), rng.integers(4, width - 20)
    out[y : y + 12, x : x + 14] = rng.integers(0, 256, 3)
    return np.clip(out + rng.normal(0, 4, out.shape), 0, 255).astype(np.uint8)


def honest(count: int, seed: int = 0) -> list[bytes]:
    """Plain files as programs write them: formats, qualities, subsamplings, modes and sizes in turn."""
    makers: list[Callable[[Pixels], bytes]] = [
        *(lambda p, q=q, s=s: saved(p, "JPEG", quality=q, subsampling=s) for q in (30, 60, 75, 90, 100) for s in (0, 1, 2)),
        lambda p: saved(p, "JPEG", progressive=True, optimize=True),
        lambda p: saved(p[..., 0].copy(), "JPEG"),
        lambda p: saved(p, "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        lambda p: saved(p, "PNG"),
        lambda p: saved(p, "PNG", compress_level=9, optimize=True, dpi=(300, 300)),
        lambda p: saved(p[..., 0].copy(), "PNG"),
        lambda p: with_chunk(with_chunk(saved(p, "PNG"), b"gAMA", struct.pack(">I", 45455)), b"sRGB", b"\0"),
        _paletted, _one_bit, _cut_out,
        lambda p: saved(p, "WEBP"), lambda p: saved(p, "WEBP", lossless=True), lambda p: saved(p, "BMP"), lambda p: saved(p, "GIF"),
    ]  # fmt: skip
    sizes = ((48, 64), (33, 47), (64, 64), (120, 90))
    return [makers[i % len(makers)](picture(seed + i, *sizes[i % len(sizes)])) for i in range(count)]


def _paletted(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).quantize(200).save(out, "PNG")
    return out.getvalue()


def _one_bit(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).convert("1").save(out, "PNG")
    return out.getvalue()


def _cut_out(pixels: Pixels) -> bytes:
    """A part on a transparent ground of one colour."""
    out = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    out[:8] = out[-8:] = (255, 255, 255, 0)
    return saved(out, "PNG")
