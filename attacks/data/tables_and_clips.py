"""Suppliers who deliver tables of measurements and clips of sound, for tests of the one way that data flow. No part of the program."""

from __future__ import annotations

import struct
from pathlib import Path

import made_up_sounds
import made_up_tables
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet


def wav(clip: NDArray[np.float32], rate: int = made_up_sounds.RATE) -> bytes:
    """A mono WAV file of 16 bits."""
    raw = (np.clip(clip, -1, 1) * 32767).astype("<i2").tobytes()
    return wav_of(raw, rate=rate)


def wav_of(raw: bytes, *, tag: int = 1, bits: int = 16, channels: int = 1, rate: int = made_up_sounds.RATE) -> bytes:
    """A WAV file around these bytes."""
    block = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * block, block, bits)
    body = b"WAVE" + head + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", len(body)) + body


def table_of(data: made_up_tables.MadeUp, supplier: str, file: Path) -> Path:
    """Write a supplier's rows as it would deliver them: Parquet with a column `label`."""
    columns = data.table()
    del columns["supplier"]
    mine = data.supplier == supplier
    parquet.write_table(pa.table({name: values[mine] for name, values in columns.items()}), file)
    return file


def clips_of(data: made_up_sounds.MadeUp, supplier: str, folder: Path) -> Path:
    """Write a supplier's clips as it would deliver them: WAV files, a folder per class."""
    for i in np.flatnonzero(data.supplier == supplier):
        place = folder / str(data.label[i])
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:04}.wav").write_bytes(wav(data.clips[i]))
    return folder
