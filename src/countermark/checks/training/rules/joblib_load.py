"""`training/joblib-load`: joblib files are pickles."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_LOADERS = (
    "joblib.load",
    "sklearn.externals.joblib.load",
    "sklearn.utils._joblib.load",
    "skops.io.load",
    "skops.io.loads",
)


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls(*_LOADERS):
        if not call.name.startswith("skops.") or call.value("trusted", 1) is True:
            yield Hit(call.code, call.node, f"{call.name} builds whatever the file names")
    for code, name, node in program.references("joblib.numpy_pickle.NumpyUnpickler", "joblib.NumpyUnpickler"):
        yield Hit(code, node, f"{name} builds whatever the file names")


RULE = Rule(
    "training/joblib-load", "high", _find,
    why="a joblib file is a pickle: whoever wrote it runs code in this training",
    fix="keep estimators as ONNX or skops with a list of trusted types, arrays as .npy",
    cannot_tell="whether the file is the user's own",
)  # fmt: skip
