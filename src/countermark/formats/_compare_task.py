"""Runs in the confined child only: the same picture by two decoders, its colour profile applied, and what lies under transparency.

Pillow (libjpeg-turbo, zlib, libwebp, its own GIF and BMP) against kornia-rs (zune-jpeg and the png crate, both Rust). Where a coding is
one that the second decoder does not read, it says so; nothing is taken as alike that was not compared.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import MissingExtra
from countermark.sandbox.task import Answer, Job, task

BLOCK = 8
_OPAQUE = 128
_LEAST_HIDDEN = 0.02
_PROFILE_SIDE = 256
_PNG = {(0, 8): "mono", (2, 8): "rgb", (3, 8): "mono", (6, 8): "rgba", (0, 16): "mono", (2, 16): "rgb", (6, 16): "rgba"}
_ERRORS = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError)
Levels = NDArray[np.float32]


@task
def compare(job: Job) -> Answer:
    """Compare each blob.

    Request:
        ``expected``: per blob [Pillow format, width, height].

    Returns:
        ``pictures``: per blob an object: ``first``, ``second`` (error text, or null), ``skipped`` (why there was no second decoder, or
        null), ``mean`` and ``block`` (grey levels apart on average, and in the worst 8 x 8 block), ``profile`` (grey levels that the colour
        profile changes on average), ``hidden`` (spread in grey levels of what lies under transparency).
    """
    try:
        import PIL.Image
    except ImportError:
        raise MissingExtra("comparing decoders needs Pillow", mend="pip install 'countermark[screen]'") from None
    PIL.Image.MAX_IMAGE_PIXELS = None  # the declared size was checked before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Answer(
            {"pictures": [_one(bytes(b), *e) for b, e in zip(job.blobs, job.request["expected"], strict=True)]}
        )


def _one(blob: bytes, name: str, width: int, height: int) -> dict[str, Any]:
    out: dict[str, Any] = dict.fromkeys(("first", "second", "skipped"))
    out |= dict.fromkeys(("mean", "block", "profile", "hidden"), 0.0)
    first: Levels | None = None
    try:
        first = _first(blob, name, (width, height), out)
    except _ERRORS as error:
        out["first"] = f"{type(error).__name__}: {error}"[:200]
    try:
        second = _second(blob, name, width, height, out)
    except (Exception, SystemError) as error:  # noqa: BLE001 (the library raises plain Exception for what it cannot read)
        out["second"] = f"{type(error).__name__}: {error}"[:200]
    else:
        if first is not None and second is not None:
            _apart(first, second, out)
    return out


def _first(blob: bytes, name: str, size: tuple[int, int], out: dict[str, Any]) -> Levels:
    import PIL.Image

    with PIL.Image.open(io.BytesIO(blob), formats=(name,)) as picture:
        if picture.size != size:
            raise ValueError(f"decodes to {picture.size}, though its header says {size}")
        picture.load()
        out["profile"] = _profile(picture)
        out["hidden"] = _hidden(picture)
        if name == "PNG" and picture.mode in ("1", "P", "L", "LA"):
            if picture.mode == "P":  # indices: both decoders read the same palette bytes, and `walk` has checked them
                return np.asarray(picture, np.float32)[..., None]
            return np.asarray(picture.convert("L"), np.float32)[..., None]
        if picture.mode.startswith("I"):
            return (np.asarray(picture).astype(np.float32) / np.float32(256))[..., None]
        return np.asarray(picture.convert("RGBA" if picture.mode == "RGBA" else "RGB"), np.float32)


def _profile(picture: Any) -> float:
    """Mean change in grey levels when the embedded profile is applied; 0 where there is none, 255 where it does not work."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return 0.0
    from PIL import ImageCms

    small = picture.convert("RGB") if picture.mode not in ("L", "RGB", "CMYK") else picture.copy()
    small.thumbnail((_PROFILE_SIDE, _PROFILE_SIDE))
    plain = np.asarray(small.convert("RGB"), np.float32)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        shown = ImageCms.profileToProfile(small, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_ERRORS):
        return 255.0
    return float(np.abs(np.asarray(shown, np.float32) - plain).mean())


def _hidden(picture: Any) -> float:
    """Spread of the colours of pixels that are mostly transparent; 0 where they are under 2 % of the picture."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return 0.0
    pixels = np.asarray(picture.convert("RGBA"))
    under = pixels[pixels[..., 3] < _OPAQUE][:, :3]
    if len(under) < _LEAST_HIDDEN * pixels.shape[0] * pixels.shape[1]:
        return 0.0
    return float(under.astype(np.float32).std(axis=0).max())


def _second(blob: bytes, name: str, width: int, height: int, out: dict[str, Any]) -> Levels | None:
    try:
        from kornia_rs import io as rust
    except ImportError:
        out["skipped"] = "no second decoder is installed: pip install 'countermark[decoders]'"
        return None
    if name == "JPEG":
        if _components(blob) == 4:
            out["skipped"] = "JPEG with four colour channels"
            return None
        return np.asarray(rust.decode_image_jpeg(blob), np.float32)
    mode = _PNG.get((blob[25], blob[24])) if name == "PNG" else None
    if mode is None:
        out["skipped"] = f"{name} of {blob[24]} bits and colour type {blob[25]}" if name == "PNG" else name
        return None
    if blob[24] == 16:
        return np.asarray(rust.decode_image_png_u16(blob, (height, width), mode), np.float32) / np.float32(256)
    return np.asarray(rust.decode_image_png_u8(blob, (height, width), mode), np.float32)


def _components(blob: bytes) -> int:
    from countermark.formats import _jpeg

    return _jpeg.walk(blob).channels


def _apart(first: Levels, second: Levels, out: dict[str, Any]) -> None:
    if first.shape[:2] != second.shape[:2]:
        out["second"] = f"decodes to {second.shape[1]} x {second.shape[0]}"
        return
    channels = min(first.shape[2], second.shape[2])
    if first.shape[2] != second.shape[2]:  # grey against three equal channels
        first, second = (v if v.shape[2] == channels else v[..., :channels] for v in (first, second))
    gap = np.abs(first - second).mean(axis=2)
    out["mean"] = float(gap.mean())
    high, wide = (max(BLOCK, n // BLOCK * BLOCK) for n in gap.shape)
    if gap.shape[0] >= BLOCK and gap.shape[1] >= BLOCK:
        tiles = gap[:high, :wide].reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK)
        out["block"] = float(tiles.mean(axis=(1, 3)).max())
    else:
        out["block"] = out["mean"]
