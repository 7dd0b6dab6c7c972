"""The confined side of `runtime.confined`: one model, kept between requests because a session is dear to make."""

from __future__ import annotations

import numpy as np

from countermark.errors import Unusable
from countermark.runtime import onnx
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray

_held: list[onnx.OnnxModel] = []


@task
def load(job: Job) -> Answer:
    """First blob: the model; the others: its data files, named in the request. Answers with the input's shape."""
    model, *data = (bytes(blob) for blob in job.blobs)
    _held[:] = [onnx.load(model, external=dict(zip(job.request["external"], data, strict=True)))]
    return Answer({"input": [-1 if side is None else side for side in _held[0].input_shape]})


@task
def predict(job: Job) -> Answer:
    """One blob: a batch of the dtype and shape that the request names. Answers with float32 scores."""
    if not _held:
        raise Unusable("no model is loaded in this child")
    batch = np.frombuffer(job.blobs[0], job.request["dtype"]).reshape(job.request["shape"])
    scores = np.ascontiguousarray(_held[0].predict(batch), "<f4")
    return Answer({}, (RawArray("<f4", scores.shape, scores.tobytes()),))
