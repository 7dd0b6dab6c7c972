"""`training/keras-load`: a Keras file can hold functions."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import ABSENT, Program
from countermark.checks.training._rule import Hit, Rule

_LOADERS = (
    *(f"{root}.models.{name}" for root in ("keras", "tensorflow.keras", "tf_keras", "tensorflow.python.keras")
      for name in ("load_model", "model_from_json", "model_from_yaml", "model_from_config")),
    "keras.saving.load_model", "keras.layers.TFSMLayer", "tensorflow.keras.layers.TFSMLayer",
)  # fmt: skip
_SWITCH = ("keras.config.enable_unsafe_deserialization", "tensorflow.keras.config.enable_unsafe_deserialization",
           "keras.src.config.enable_unsafe_deserialization")  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_SWITCH):
        yield Hit(code, node, f"{name} lets model files run code")
    for call in program.calls(*_LOADERS):
        path, mode = call.value("filepath", 0), call.value("safe_mode")
        if mode is not True and mode is not ABSENT:
            yield Hit(call.code, call.node, f"{call.name} with safe_mode off")
        elif isinstance(path, str) and path.endswith((".h5", ".hdf5")):
            yield Hit(call.code, call.node, f"{call.name} of an HDF5 file, for which safe_mode does nothing")
        elif call.name.endswith(("TFSMLayer", "model_from_yaml")):
            yield Hit(call.code, call.node, f"{call.name} runs what the file holds")


RULE = Rule(
    "training/keras-load", "high", _find,
    why="Lambda layers hold Python functions, and safe_mode is all that stops them (CVE-2024-3660, CVE-2025-9905, CVE-2025-9906)",
    fix="load .keras files with safe_mode=True; weights alone by load_weights from safetensors",
    cannot_tell="what the file holds; `countermark inspect FILE` reads it",
)  # fmt: skip
