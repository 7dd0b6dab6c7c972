"""Runs in the confined child only: WAV files to samples, or to what keeps them from being screened."""

from __future__ import annotations

import numpy as np

from countermark.errors import FormatRefused
from countermark.formats.limits import OverLimit
from countermark.formats.wav import LEAST_FRAMES, facts_of, samples
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


@task
def examine(job: Job) -> Answer:
    """Decode each blob for what is wrong with it.

    Returns:
        ``errors``: per blob a text, empty where its samples can be screened.
    """
    return Answer({"errors": [_wrong(blob) for blob in job.blobs]})


def _wrong(blob: bytearray) -> str:
    try:
        facts = facts_of(blob)
        if facts.after:
            return f"{facts.after} bytes after the end of the WAV file"
        if facts.frames < LEAST_FRAMES:
            return f"{facts.frames} samples; {LEAST_FRAMES} are the least"
        if facts.frames * facts.channels > MOST_SAMPLES:
            raise OverLimit("samples", facts.frames * facts.channels, MOST_SAMPLES)
        return "" if np.isfinite(samples(blob)[0]).all() else "samples that are no finite numbers"
    except FormatRefused as error:
        return f"{error.what}{'; ' + error.mend if error.mend else ''}"[:300]
