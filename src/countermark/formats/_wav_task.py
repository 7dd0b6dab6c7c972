"""Runs in the confined child only: WAV files to samples."""

from __future__ import annotations

import numpy as np

from countermark.errors import FormatRefused
from countermark.formats.limits import OverLimit
from countermark.formats.wav import facts_of, samples
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray

MOST_SAMPLES = 128 << 20


@task
def decode(job: Job) -> Answer:
    """Decode each blob.

    Returns:
        ``clips``: per blob [frames, channels, rate] or an error text; one flat float32 array of all samples in order.
    """
    clips: list[list[int] | str] = []
    parts = []
    total = 0
    for blob in job.blobs:
        try:
            facts = facts_of(blob)
            total += facts.frames * facts.channels
            if total > MOST_SAMPLES:
                raise OverLimit("samples", total, MOST_SAMPLES)
            values, rate = samples(blob)
        except FormatRefused as error:
            clips.append(f"{error.what}{'; ' + error.mend if error.mend else ''}"[:300])
        else:
            clips.append([*values.shape, rate])
            parts.append(np.ascontiguousarray(values, "<f4").tobytes())
    data = b"".join(parts)
    return Answer({"clips": clips}, (RawArray("<f4", (len(data) // 4,), data),))
