"""Pictures: what their structure declares, and each hostile one by the rule that stops it."""

from __future__ import annotations

import importlib.util
import io
import sys
import time
from pathlib import Path

import pytest

from countermark.formats.image import EXTENSIONS, FORMATS, content_format, name_mismatch, sniff
from countermark.formats.limits import ImageLimits, Malformed, OverLimit

np = pytest.importorskip("numpy", reason="needs the screen extra")
Image = pytest.importorskip("PIL.Image", reason="needs the screen extra")


def _load(name):
    path = Path(__file__).parents[3] / "attacks" / "formats" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"attack_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


images = _load("images")
ATTACKS = images.attacks()


def encoded(form: str, mode: str = "RGB", size=(20, 33), **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_a_hostile_picture_is_refused_or_flagged_under_its_rule(name):
    attack = ATTACKS[name]
    started = time.process_time()
    try:
        said = {flag.rule for flag in sniff(attack.data).flags}
    except Malformed as error:
        said = {error.rule}
    assert attack.rule in said
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "L", {}), ("PNG", "P", {}), ("PNG", "1", {}),
        ("JPEG", "RGB", {}), ("JPEG", "L", {}), ("JPEG", "CMYK", {}), ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "RGB", {"restart_marker_rows": 1}), ("GIF", "P", {}), ("BMP", "RGB", {}), ("BMP", "L", {}),
        ("BMP", "1", {}), ("WEBP", "RGB", {}), ("WEBP", "RGB", {"lossless": True}), ("WEBP", "RGBA", {}),
    ],
)  # fmt: skip
def test_what_pillow_writes_is_understood_without_flags(form, mode, options):
    facts = sniff(encoded(form, mode, **options))
    assert (facts.format, facts.width, facts.height) == (form.lower(), 20, 33)
    assert (facts.frames, facts.trailing, facts.flags) == (1, 0, ())
    assert facts.declared_pixels == 660


def test_an_animation_is_flagged_with_its_frames():
    pixels = np.random.default_rng(0).integers(0, 255, (3, 20, 20, 3), dtype=np.uint8)
    first, *rest = [Image.fromarray(p) for p in pixels]
    for form in ("GIF", "WEBP", "PNG"):
        out = io.BytesIO()
        first.save(out, form, save_all=True, append_images=rest)
        facts = sniff(out.getvalue())
        assert facts.frames == 3
        assert [flag.rule for flag in facts.flags] == ["animated"]


def test_limits_are_the_callers(tmp_path):
    data = encoded("PNG")
    assert sniff(data, ImageLimits(pixels=660)).width == 20
    for bounds, budget in ((ImageLimits(pixels=659), "pixels"), (ImageLimits(side=32), "side")):
        with pytest.raises(OverLimit) as caught:
            sniff(data, bounds)
        assert caught.value.budget == budget
    with pytest.raises(OverLimit, match="file bytes"):
        sniff(data, ImageLimits(file_bytes=10))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_every_prefix_of_a_picture_is_refused(form):
    data = encoded(form, size=(9, 9))
    for length in range(0, len(data), max(1, len(data) // 97)):
        with pytest.raises(Malformed):
            sniff(data[:length])


def test_a_name_is_a_claim_about_the_content():
    facts = sniff(encoded("PNG"))
    assert name_mismatch("part.png", facts) == ""
    assert name_mismatch("PART.JPG", facts) == "jpeg"
    assert name_mismatch("part.bin", facts) == name_mismatch("png", facts) == ""
    assert set(EXTENSIONS.values()) == set(FORMATS)


def test_the_first_bytes_announce_a_format():
    assert content_format(b"RIFF\0\0\0\0WEBPVP8 ") == "webp"
    assert content_format(b"junkjunkWEBP") == content_format(b"") == ""


def test_a_refusal_tells_the_byte_and_the_mend():
    with pytest.raises(Malformed) as caught:
        sniff(ATTACKS["png-crc-idat"].data)
    assert caught.value.offset == 33 + 8 + 1
    assert "seen 00000007" in caught.value.why
    assert caught.value.mend
