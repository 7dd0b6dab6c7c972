"""WAV: the same samples as Python's own module reads, and a refusal for everything else."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from countermark.errors import FormatRefused
from countermark.formats.wav import EXTENSIBLE, FLOAT, PCM, facts_of, samples


def file_of(values: np.ndarray, rate: int = 8000, width: int = 2) -> bytes:
    """A file as `wave` writes it, from whole numbers (frames, channels)."""
    raw = values.astype("<i4").tobytes()
    cut = b"".join(raw[at : at + width] for at in range(0, len(raw), 4))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(values.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(cut)
    return out.getvalue()


def chunked(format_chunk: bytes, data: bytes, between: bytes = b"") -> bytes:
    body = (
        b"WAVE"
        + b"fmt "
        + struct.pack("<I", len(format_chunk))
        + format_chunk
        + between
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 2, 3, 4]),
    st.integers(1, 8),
    st.integers(0, 60),
    st.integers(1, 200_000),
    st.integers(0, 2**32 - 1),
)
def test_the_same_samples_as_the_standard_library(width: int, channels: int, frames: int, rate: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = (0, 255) if width == 1 else (-(1 << (8 * width - 1)), (1 << (8 * width - 1)) - 1)
    values = rng.integers(low, high + 1, (frames, channels))
    data = file_of(values, rate, width)
    with wave.open(io.BytesIO(data)) as theirs:
        assert (theirs.getnchannels(), theirs.getframerate(), theirs.getnframes()) == (channels, rate, frames)
    found, said = samples(data)
    expected = (values - 128) / 128 if width == 1 else values / (1 << (8 * width - 1))
    assert said == rate and found.shape == (frames, channels)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_floats_extensions_and_other_chunks() -> None:
    values = np.array([0.5, -0.25], "<f4")
    plain = struct.pack("<HHIIHH", FLOAT, 1, 100, 400, 4, 32)
    long = (
        struct.pack("<HHIIHHHHI", EXTENSIBLE, 1, 100, 400, 4, 32, 22, 32, 0)
        + struct.pack("<H", FLOAT)
        + bytes.fromhex("000000001000800000aa00389b71")
    )
    for head in (plain, long):
        for between in (b"", b"LIST" + struct.pack("<I", 3) + b"abc\0"):
            found, rate = samples(chunked(head, values.tobytes(), between))
            assert rate == 100 and found[:, 0].tolist() == [0.5, -0.25]


GOOD = file_of(np.arange(8).reshape(4, 2))


@pytest.mark.parametrize(("data", "told"), [
    (b"", "no WAV"), (b"ID3\x04" + bytes(40), "no WAV"), (GOOD[:-1], "cut short"), (GOOD[:20], "cut short"),
    (chunked(struct.pack("<HHIIHH", 2, 1, 100, 100, 1, 8), b"ab"), "format 2"), (chunked(b"", b"ab"), "format chunk"),
    (chunked(struct.pack("<HHIIHH", PCM, 0, 100, 100, 0, 8), b""), "channels"), (chunked(struct.pack("<HHIIHH", PCM, 9, 100, 900, 9, 8), b""), "channels"),
    (chunked(struct.pack("<HHIIHH", PCM, 1, 2_000_000, 100, 1, 8), b""), "second"), (chunked(struct.pack("<HHIIHH", PCM, 1, 100, 100, 2, 8), b"ab"), "frames of 2"),
    (chunked(struct.pack("<HHIIHH", PCM, 1, 100, 100, 2, 12), b"ab"), "12 bits"), (b"RIFF" + struct.pack("<I", 4) + b"WAVE", "0 chunks"),
    (b"RIFF" + struct.pack("<I", 12) + b"WAVEdata" + struct.pack("<I", 1 << 31), "beyond the file"),
    (b"RIFF" + struct.pack("<I", 4 + 8 * 2000) + b"WAVE" + (b"junk" + bytes(4)) * 2000, "chunks"),
])  # fmt: skip
def test_what_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(FormatRefused, match=told):
        facts_of(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
@example(4, 255, len(GOOD))
def test_no_mutant_does_anything_but_read_or_refuse(at: int, byte: int, end: int) -> None:
    mutant = bytearray(GOOD)
    mutant[at] = byte
    try:
        found, rate = samples(bytes(mutant[:end]))
    except FormatRefused as refused:
        assert refused.what
    else:
        assert found.size * 2 <= len(GOOD) * 2 and 1 <= rate <= 1_000_000
