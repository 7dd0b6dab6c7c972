"""Decoding in a confined child: the right pixels, an error per bad picture, and a decoder that dies."""

from __future__ import annotations

import io
import struct
import zlib

import pytest

from countermark.formats import decode
from countermark.formats.decode import Decoder, decode_batch
from countermark.sandbox.limits import Limits
from countermark.sandbox.pipe import Child

np = pytest.importorskip("numpy", reason="needs the screen extra")
Image = pytest.importorskip("PIL.Image", reason="needs the screen extra")


@pytest.fixture(scope="module")
def decoder():
    with Decoder(Limits(memory_bytes=1 << 30)) as worker:
        yield worker


def picture(seed: int, size=(64, 64)):
    return np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


def png(pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_pixels_are_those_that_were_encoded(decoder):
    pixels = np.stack([picture(i) for i in range(20)])
    done = decoder.batch([png(p) for p in pixels])
    assert done.errors == (None,) * 20
    assert done.pixels.dtype == np.uint8
    assert np.array_equal(done.pixels, pixels)


def test_a_bad_picture_costs_only_itself(decoder):
    good = png(picture(1))
    done = decoder.batch([good, good[:100], b"", good])
    assert [error is None for error in done.errors] == [True, False, False, True]
    assert np.array_equal(done.pixels[0], done.pixels[3])
    assert not done.pixels[1].any()


def test_other_sizes_are_averaged_down(decoder):
    big = np.zeros((128, 128, 3), np.uint8)
    big[::2, ::2] = 200
    done = decoder.batch([png(big)], (64, 64))
    assert np.all(done.pixels == 50)


def test_without_a_size_all_must_agree(decoder):
    done = decoder.batch([png(picture(1, (30, 20))), png(picture(2, (30, 21)))], None)
    assert done.pixels.shape == (2, 20, 30, 3)
    assert "30 x 21" in done.errors[1]
    each = decoder.each([png(picture(1, (30, 20))), b"no", png(picture(2, (30, 21)))])
    assert each[0].shape == (20, 30, 3)
    assert isinstance(each[1], str)
    assert np.array_equal(each[2], picture(2, (30, 21)))


def test_sixteen_bits_are_scaled_and_not_clipped(decoder):
    grey = np.array([[0, 255, 256, 65535]], np.uint16)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    done = decoder.batch([out.getvalue()], None)
    assert done.pixels[0, 0, :, 0].tolist() == [0, 0, 1, 255]


def test_no_pictures_give_an_empty_array(decoder):
    assert decoder.batch([], (64, 64)).pixels.shape == (0, 64, 64, 3)


def test_a_picture_whose_pixels_are_fewer_than_declared_is_an_error(decoder):
    head = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 50)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks
    )
    assert "truncated" in decoder.batch([data]).errors[0]


class _Mortal(Child):
    """A child that dies on every batch holding the deadly picture."""

    started = 0

    def __init__(self, limits=None):
        type(self).started += 1
        super().__init__(limits)

    def ask(self, task, request, blobs=(), *, sources=()):
        if DEADLY in blobs:
            return super().ask("countermark.sandbox._selfcheck:misbehave", {"how": "die"})
        return super().ask(task, request, blobs, sources=sources)


DEADLY = png(np.full((64, 64, 3), 13, np.uint8)) if np else b""


def test_a_picture_that_kills_the_decoder_is_found_among_its_neighbours(monkeypatch):
    monkeypatch.setattr(decode, "Child", _Mortal)
    _Mortal.started = 0
    with Decoder() as worker:
        done = worker.batch([png(picture(1)), png(picture(2)), DEADLY, png(picture(3))])
    assert [error is None for error in done.errors] == [True, True, False, True]
    assert "SIGABRT" in done.errors[2]
    assert np.array_equal(done.pixels[3], picture(3))
    assert 2 <= _Mortal.started <= 5


def test_an_answer_of_another_size_is_not_believed():
    from countermark.formats.decode import _unpack
    from countermark.formats.image import sniff
    from countermark.sandbox.limits import ChildFailed
    from countermark.sandbox.wire import RawArray

    facts = sniff(png(picture(1)))
    group = [(0, facts)]
    flat = RawArray("|u1", (3,), b"abc")
    for answers, arrays in (([[64, 64]], [flat]), ([[1, 1]], [flat]), ([], [flat]), (None, [flat]), (["no"], [])):
        with pytest.raises(ChildFailed):
            _unpack(answers, arrays, None, group)


def test_large_results_are_cut_into_groups_that_fit(decoder):
    from countermark.formats.decode import _groups
    from countermark.formats.image import sniff

    data = png(picture(1))
    readable = [(i, sniff(data)) for i in range(100)]
    groups = list(_groups(readable, [data] * 100, (2048, 2048)))
    assert [len(group) for group in groups] == [16] * 6 + [4]
    assert [index for group in groups for index, _ in group] == list(range(100))
    assert len(list(_groups(readable, [data] * 100, (64, 64)))) == 1
    assert decoder.batch([data, data], (1024, 1024)).errors == (None, None)


def test_one_call_decodes_one_batch():
    assert decode_batch([png(picture(5))]).errors == (None,)


def test_a_bomb_never_reaches_the_child(monkeypatch):
    def never(*_):
        raise AssertionError("a child was started")

    monkeypatch.setattr(decode, "Child", never)
    data = png(picture(1))
    bomb = data[:16] + struct.pack(">II", 31623, 31623) + data[24:29]
    bomb += struct.pack(">I", zlib.crc32(bomb[12:29])) + data[33:]
    assert "pixels: 1000014129" in decode_batch([bomb]).errors[0]
