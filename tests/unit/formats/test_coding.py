"""How files are coded, against what Pillow was asked to write."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import CountermarkError
from countermark.formats.coding import coding

Image = pytest.importorskip("PIL.Image", reason="pictures are made with the screen extra")


def saved(kind: str, camera: str = "", taken: str = "", mode: str = "RGB", **how: object) -> bytes:
    out, told = io.BytesIO(), Image.Exif()
    if camera:
        told[0x010F], told[0x0110] = "Maker", camera
    if taken:
        told.get_ifd(0x8769)[0x9003] = taken
    picture = Image.linear_gradient("L").resize((40, 24)).convert(mode)
    picture.save(out, kind, **how, **({"exif": told} if len(told) or taken else {}))
    return out.getvalue()


@pytest.mark.parametrize("quality", [30, 50, 75, 92, 100])
def test_quality_is_the_one_asked_for(quality: int) -> None:
    assert abs(coding(saved("JPEG", quality=quality)).quality - quality) <= 1


def test_very_low_qualities_read_higher_and_stay_low() -> None:
    """Steps end at 255, where the scale goes on."""
    assert 5 < coding(saved("JPEG", quality=5)).quality < 20


@pytest.mark.parametrize(("number", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_subsampling(number: int, name: str) -> None:
    assert coding(saved("JPEG", subsampling=number)).subsampling == name


def test_what_a_png_is() -> None:
    told = coding(saved("PNG"))
    assert (told.format, told.width, told.height, told.bits, told.channels) == ("png", 40, 24, 8, 3)
    assert (told.quality, told.subsampling, told.camera, told.taken) == (0, "", "", "")
    assert coding(saved("JPEG", mode="L")).subsampling == ""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_cameras_are_told_apart_and_not_named(kind: str) -> None:
    one, same, other = (coding(saved(kind, camera)) for camera in ("Alpha 7", "Alpha 7", "Beta"))
    assert one.camera == same.camera != other.camera
    assert len(one.camera) == 16 and int(one.camera, 16) >= 0
    assert coding(saved(kind, "Alpha 7", "2026:01:02 03:04:05")).taken == "2026-01-02 03:04:05"
    assert coding(saved(kind, "Alpha 7", "yesterday")).taken == ""


WHOLE = saved("JPEG", "Alpha 7", "2026:01:02 03:04:05")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=6), st.booleans())
def test_damaged_files_are_refused_or_told(at: int, put: bytes, cut: bool) -> None:
    data = WHOLE[:at] + put + (b"" if cut else WHOLE[at + len(put) :])
    try:
        told = coding(data)
    except CountermarkError:
        return
    assert 0 <= told.quality <= 100 and len(told.subsampling) <= 8
