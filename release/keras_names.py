"""Write the list of Keras classes that a model's configuration may name, from the exports in Keras's source; nothing of it is imported.

    python release/keras_names.py FOLDER_OF_KERAS_PACKAGE VERSION > src/countermark/checks/model/names/keras.names

Left out are classes that hold code, load files or wrap other frameworks; those stand in the second part, with their advisory in the
documentation.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOMS = frozenset({"layers", "initializers", "regularizers", "constraints", "optimizers", "losses", "metrics", "random", "dtype_policies",
                   "quantizers", "activations", "distillation"})  # fmt: skip
TOP = frozenset(
    {
        "Model",
        "Sequential",
        "Functional",
        "DTypePolicy",
        "FloatDTypePolicy",
        "Variable",
        "SeedGenerator",
        "KerasTensor",
        "InputSpec",
    }
)
REFUSED = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
BY_HAND = (
    "class\tkeras.src.models.functional.Functional", "class\tkeras.src.models.sequential.Sequential", "class\tkeras.src.engine.functional.Functional",
    "class\tkeras.engine.functional.Functional", "class\tkeras.src.engine.sequential.Sequential", "class\tkeras.Functional", "class\tkeras.models.Functional",
)  # fmt: skip


def exports(folder: Path) -> Iterator[tuple[str, str]]:
    """Kind and public name of every exported class, and of every function of a room."""
    for place in sorted((folder / "src").rglob("*.py")):
        if place.name.endswith("_test.py"):
            continue
        for node in ast.parse(place.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield from (
                    ("class" if isinstance(node, ast.ClassDef) else "function", name) for name in _exported(node)
                )
                if isinstance(node, ast.ClassDef) and _is_operation(node, place, folder):
                    yield (
                        "class",
                        f"{'.'.join(('keras', *place.relative_to(folder).with_suffix('').parts))}.{node.name}",
                    )


def _is_operation(node: ast.ClassDef, place: Path, folder: Path) -> bool:
    """Operations of `keras.ops`, which functional models name; those of `core.py` take functions."""
    room = place.relative_to(folder).parts
    plain = room[:2] == ("src", "ops") and place.stem in ("numpy", "nn", "math", "linalg", "image", "einops")
    return plain and any(isinstance(base, ast.Name) and base.id == "Operation" for base in node.bases)


def _exported(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "keras_export":
            for constant in ast.walk(decorator):
                if (
                    isinstance(constant, ast.Constant)
                    and isinstance(constant.value, str)
                    and constant.value.startswith("keras.")
                ):
                    yield constant.value


def allowed(kind: str, name: str) -> bool:
    """True for what a configuration may name."""
    parts = name.split(".")
    if parts[-1] in REFUSED or parts[-1].islower() != (kind == "function"):
        return False
    if parts[1] == "src":
        return True
    if kind == "function":
        harmless = {"get", "serialize", "deserialize", "deserialize_keras_object", "register_keras_serializable"}
        return (
            len(parts) == 3
            and parts[1] in ROOMS - {"layers", "random", "dtype_policies", "quantizers"}
            and parts[2] not in harmless
        )
    return (len(parts) >= 3 and parts[1] in ROOMS) or (len(parts) == 2 and parts[1] in TOP) or parts[1:-1] == ["models"]


def main() -> None:
    """Print the list."""
    folder, version = Path(sys.argv[1]), sys.argv[2]
    print("# profile: keras\n# version: 1")
    print(
        f"# date: {datetime.now(UTC):%Y-%m-%d}\n# source: release/keras_names.py over keras {version}; module paths of Functional by hand\n# kind\tname"
    )
    lines = {f"{kind}\t{name}" for kind, name in exports(folder) if allowed(kind, name)}
    print("\n".join(sorted(lines | set(BY_HAND))))
    print("\n".join(f"refused-class\t{name}" for name in sorted(REFUSED)))


if __name__ == "__main__":
    main()
