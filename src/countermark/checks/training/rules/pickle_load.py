"""`training/pickle-load`: reading a pickle runs what it says."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_LOADERS = (
    "pickle.load", "pickle.loads", "pickle.Unpickler", "pickle._load", "pickle._loads", "pickle._Unpickler", "dill.load", "dill.loads",
    "dill.Unpickler", "dill.load_session", "dill.load_module", "cloudpickle.load", "cloudpickle.loads", "marshal.load", "marshal.loads",
    "shelve.open", "shelve.DbfilenameShelf", "jsonpickle.decode", "jsonpickle.unpickler.decode", "jsonpickle.loads", "pandas.read_pickle",
    "pandas.io.pickle.read_pickle", "compress_pickle.load", "compress_pickle.loads", "pickle5.load", "pickle5.loads", "torch.utils.data._utils.pickle.loads",
)  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_LOADERS):
        yield Hit(code, node, f"reads a pickle with {name}")


RULE = Rule(
    "training/pickle-load", "high", _find,
    why="a pickle is a program: whoever wrote the file runs code in this training",
    fix="keep arrays as .npy or safetensors, tables as Parquet, settings as JSON or TOML",
    cannot_tell="whether the file is the user's own; a signed input can still be wrong",
    bandit=("B301", "B302"),
)  # fmt: skip
