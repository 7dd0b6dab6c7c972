"""Ids of all checks, for who names one without running it; a test compares them with the checks themselves."""

from __future__ import annotations

DATA = (
    "data/contract", "data/schema", "data/duplicates", "data/picture-integrity", "data/privacy", "data/image-scaling", "data/recurring-patch",
    "data/spectral", "data/frequency", "data/label-errors", "data/leave-one-supplier-out", "data/cell-difference", "data/drift",
)  # fmt: skip
MODEL = (
    "model/archive", "model/code", "model/config", "model/coreml", "model/coverage", "model/external-data", "model/files",
    "model/format-name", "model/gguf", "model/hdf5", "model/keras", "model/npy", "model/onnx", "model/pickle", "model/safetensors",
    "model/savedmodel", "model/skops", "model/tflite", "model/trees", "model/xml",
)  # fmt: skip
ALL = (*DATA, *MODEL)
