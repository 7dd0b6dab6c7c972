"""WAV files to samples: whole numbers of 8 to 32 bits and floats, in RIFF chunks. Every length is checked before it is believed.

Source: IBM and Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF, WAVE), 1991; Microsoft,
"Multiple Channel Audio Data and WAVE Files" (WAVE_FORMAT_EXTENSIBLE).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from countermark.formats.limits import Malformed, OverLimit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 256 << 20
MOST_CHANNELS, MOST_RATE, MOST_CHUNKS = 8, 1_000_000, 1000
LEAST_FRAMES = 16  # of a clip that has a spectrum
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
WIDTHS = {PCM: (1, 2, 3, 4), FLOAT: (4, 8)}
_HEAD, _FORMAT = struct.Struct("<4sI"), struct.Struct("<HHIIHH")
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
MEND = "convert to WAV (uncompressed), for instance with sox or ffmpeg"


@dataclass(frozen=True, slots=True)
class WavFacts:
    """What a header says, and it is so: samples a second, channels, bytes a sample, whether floats, frames, and where they begin.

    after: bytes behind the end that it declares.
    """

    rate: int
    channels: int
    width: int
    is_float: bool
    frames: int
    data_at: int
    after: int = 0


def is_wav(data: bytes | bytearray) -> bool:
    """Whether the first 12 bytes announce a WAV file."""
    return bytes(data[:4]) == b"RIFF" and bytes(data[8:12]) == b"WAVE"


def named_as_wav(path: str) -> bool:
    """Whether a file's name ends as a WAV file's does."""
    return path.lower().endswith(".wav")


def facts_of(data: bytes | bytearray) -> WavFacts:
    """Walk the chunks of a whole file.

    Raises:
        Malformed: no WAV, cut short, contradictory, or compressed. OverLimit: larger than 256 MiB, more than 8 channels,
        1 MHz or 1,000 chunks.
    """
    if len(data) > MOST_BYTES:
        raise OverLimit("bytes of a clip", len(data), MOST_BYTES)
    if not is_wav(data):
        raise Malformed("wav-magic", "this is no WAV file", mend=MEND)
    declared = _HEAD.unpack_from(data)[1] + 8
    if declared > len(data):
        raise Malformed("wav-cut", f"a file of {declared} bytes is cut short at {len(data)}", offset=4)
    chunks = _chunks(data, declared)
    for name in (b"fmt ", b"data"):
        if len(chunks.get(name, [])) != 1:
            raise Malformed(
                "wav-chunks",
                f"{len(chunks.get(name, []))} chunks {name.decode().strip()!r}",
                why="one of each is needed",
            )
    (format_at, format_size), (data_at, size) = chunks[b"fmt "][0], chunks[b"data"][0]
    facts = _facts(bytes(data[format_at : format_at + format_size]), data_at, size)
    return replace(facts, after=len(data) - declared)


def samples(data: bytes | bytearray) -> tuple[NDArray[np.float32], int]:
    """Samples within -1 to 1 (floats as they are), float32 (frames, channels), and the rate in Hz.

    Raises:
        As `facts_of`.
    """
    import numpy as np

    facts = facts_of(data)
    count = facts.frames * facts.channels
    raw = np.frombuffer(data, np.uint8, count * facts.width, facts.data_at)
    if facts.is_float:
        values = raw.view(f"<f{facts.width}").astype(np.float32)
    elif facts.width == 1:
        values = (raw.astype(np.float32) - np.float32(128)) / np.float32(128)
    else:
        # The three or two bytes of a sample stand for the upper ones of 32 bits, so that one shift serves all widths.
        wide = np.zeros((count, 4), np.uint8)
        wide[:, 4 - facts.width :] = raw.reshape(count, facts.width)
        values = wide.reshape(-1).view("<i4").astype(np.float32) / np.float32(2**31)
    return values.reshape(facts.frames, facts.channels), facts.rate


def _chunks(data: bytes | bytearray, end: int) -> dict[bytes, list[tuple[int, int]]]:
    """Chunk name -> (place of its content, size), each inside the file."""
    out: dict[bytes, list[tuple[int, int]]] = {}
    at = 12
    for _ in range(MOST_CHUNKS):
        if at + _HEAD.size > end:
            return out
        name, size = _HEAD.unpack_from(data, at)
        if at + _HEAD.size + size > end:
            raise Malformed("wav-cut", f"chunk {name!r} of {size} bytes reaches beyond the file", offset=at)
        out.setdefault(name, []).append((at + _HEAD.size, size))
        at += _HEAD.size + size + size % 2
    raise OverLimit("chunks", MOST_CHUNKS + 1, MOST_CHUNKS)


def _facts(said: bytes, data_at: int, size: int) -> WavFacts:
    if len(said) < _FORMAT.size:
        raise Malformed("wav-format", f"a format chunk of {len(said)} bytes")
    tag, channels, rate, _, block, bits = _FORMAT.unpack_from(said)
    if tag == EXTENSIBLE:
        if len(said) < 40 or said[26:40] != _GUID_TAIL:
            raise Malformed("wav-format", "an extended format that is not known", mend=MEND)
        tag = struct.unpack_from("<H", said, 24)[0]
    width = bits // 8
    if bits % 8 or width not in WIDTHS.get(tag, ()):
        raise Malformed(
            "wav-format", f"samples of format {tag} and {bits} bits", why="whole numbers and floats are read", mend=MEND
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise OverLimit("channels", channels, MOST_CHANNELS)
    if not 1 <= rate <= MOST_RATE:
        raise OverLimit("samples a second", rate, MOST_RATE)
    if block != channels * width or size % block:
        raise Malformed("wav-format", f"{size} bytes of frames of {block} bytes, {channels} channels of {width}")
    return WavFacts(rate, channels, width, tag == FLOAT, size // block, data_at)
