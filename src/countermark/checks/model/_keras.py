"""What a Keras configuration names: classes and functions of a list, and nothing that a loader would import, fetch or open.

Source: `keras/src/saving/serialization_lib.py` of Keras 3 and `keras/src/legacy/saving` for HDF5; the advisories named below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from countermark.checks.model._lists import listed
from countermark.formats import json_text

_LIST = "keras"
_MARKS = frozenset(
    {"__keras_tensor__", "__tuple__", "__numpy__", "__tensor__", "__bytes__", "__ellipsis__", "__slice__", "__set__"}
)
_ADVISORY = {
    "Lambda": "CVE-2024-3660, CVE-2025-9905", "TFSMLayer": "CVE-2026-1462", "TorchModuleWrapper": "CVE-2025-49655",
}  # fmt: skip
_FETCHING = frozenset(
    {"get_file", "enable_unsafe_deserialization", "load_model", "load_weights", "deserialize_keras_object"}
)
_SISTERS = frozenset({"keras_hub", "keras_nlp", "keras_cv"})
_PATHS = frozenset({"vocabulary", "idf_weights", "filepath", "file_path", "path", "filename", "fname", "origin", "url", "cache_dir",
                    "vocabulary_file", "vocab_file", "proto", "model_path", "saved_model_path"})  # fmt: skip
_UNSAFE_ROOMS = frozenset(
    {"utils", "config", "saving", "callbacks", "export", "datasets", "applications", "preprocessing", "backend"}
)


@dataclass(slots=True)
class KerasJudge:
    """What a configuration may not name, and what no list has.

    Attributes:
        refusals: rule to (what, why, the word to look for). doubts: names of no list. classes: how many were listed.
    """

    refusals: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    classes: int = 0

    def refuse(self, rule: str, what: str, why: str, word: str) -> None:
        """Keep the first one of each rule."""
        self.refusals.setdefault(rule, (what, why, word))


def judge(value: Any) -> KerasJudge:
    """Look at every object of a parsed configuration."""
    said = KerasJudge()
    for node in json_text.nodes(value):
        if isinstance(node, dict):
            _object(node, said)
    return said


def _object(node: dict[str, Any], said: KerasJudge) -> None:
    name = node.get("class_name")
    if name is not None:
        if isinstance(name, str):
            _named(name, node, said)
        else:
            said.refuse("keras-config", "a class name that is no text", "readers disagree on it", "class_name")
    if node.get("function_type") == "lambda":
        said.refuse(
            "keras-lambda", "a layer that holds code", f"loading runs it ({_ADVISORY['Lambda']})", "function_type"
        )
    for key in node.keys() & _PATHS:
        if isinstance(node[key], str) and node[key]:
            said.refuse(
                "keras-path", f"{key} is the path {node[key][:80]!r}",
                "a loader opens that file or address (CVE-2025-12058, CVE-2025-8747)", node[key],
            )  # fmt: skip


def _named(name: str, node: dict[str, Any], said: KerasJudge) -> None:
    module = node.get("module")
    if name in _MARKS:
        said.classes += 1
    elif name == "__lambda__":
        said.refuse("keras-lambda", "a function that holds code", f"loading runs it ({_ADVISORY['Lambda']})", name)
    elif name in listed(_LIST, "refused-class"):
        why = f"loading it runs code that is not in the file or that is no layer ({_ADVISORY.get(name, 'as Lambda')})"
        said.refuse("keras-lambda" if name == "Lambda" else "keras-class", f"the class {name}", why, name)
    elif module is not None and not isinstance(module, str):
        said.refuse("keras-config", "a module that is no text", "readers disagree on it", "module")
    elif name == "function":
        _function(node.get("config"), module, said)
    else:
        _class(name, module, node.get("registered_name"), said)


def _class(name: str, module: str | None, registered: Any, said: KerasJudge) -> None:
    full = f"{module}.{name}" if module else name
    if module and not _is_keras(module):
        return _foreign(full, module, said)
    if _reaches(module, name):
        return said.refuse(
            "keras-module", f"the name {full[:120]}", "loading calls it (CVE-2025-8747, CVE-2025-9906)", name
        )
    if registered not in (None, name, full) and not str(registered).startswith("keras>"):
        said.doubts.append(f"{full} registered as {str(registered)[:80]}")
    elif full in listed(_LIST, "class") if module else name in _bare():
        said.classes += 1
    else:
        said.doubts.append(full[:120])
    return None


def _function(config: Any, module: str | None, said: KerasJudge) -> None:
    name = config if isinstance(config, str) else ""
    if not name:
        return said.refuse("keras-callable", "a function that is no name", "it holds code", "function")
    full = f"{module}.{name}" if module else name
    if module not in (None, "builtins") and not _is_keras(module or ""):
        return _foreign(full, module or "", said)
    if _reaches(module, name):
        return said.refuse(
            "keras-callable", f"the function {full[:120]}", "loading calls it (CVE-2025-8747, CVE-2025-9906)", name
        )
    if name in {f.rpartition(".")[2] for f in listed(_LIST, "function")}:
        said.classes += 1
    else:
        said.doubts.append(f"the function {full[:120]}")
    return None


def _foreign(full: str, module: str, said: KerasJudge) -> None:
    if module.split(".", maxsplit=1)[0] in _SISTERS or module == "__main__":
        said.doubts.append(full[:120])
    else:
        said.refuse(
            "keras-module",
            f"the name {full[:120]}",
            "a loader imports any module that stands there (CVE-2025-1550)",
            module,
        )


def _is_keras(module: str) -> bool:
    return module == "keras" or module.startswith("keras.")


def _reaches(module: str | None, name: str) -> bool:
    """Names of Keras that fetch, open or unlock instead of being a part of a model."""
    parts = (module or "keras").split(".")
    rooms = [part for part in parts[1:] if part != "src"]
    return name in _FETCHING or bool(rooms and rooms[0] in _UNSAFE_ROOMS)


@cache
def _bare() -> frozenset[str]:
    """Class names without module, as old files write them."""
    return frozenset(name.rpartition(".")[2] for name in listed(_LIST, "class") if not name.startswith("keras.src.ops"))
