"""`training/yaml-load`: YAML can name Python objects to build."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Call, Program
from countermark.checks.training._rule import Hit, Rule

_UNSAFE = (
    "yaml.unsafe_load",
    "yaml.unsafe_load_all",
    "yaml.full_load",
    "yaml.full_load_all",
    "ruamel.yaml.unsafe_load",
)
_BY_LOADER = ("yaml.load", "yaml.load_all", "ruamel.yaml.load", "ruamel.yaml.load_all")
_SAFE = frozenset({"yaml.SafeLoader", "yaml.CSafeLoader", "yaml.BaseLoader", "yaml.CBaseLoader", "yaml.loader.SafeLoader",
                   "yaml.cyaml.CSafeLoader", "ruamel.yaml.SafeLoader"})  # fmt: skip


def _safe(call: Call) -> bool:
    loader = call.argument("Loader", 1)
    return loader is not None and call.code.names.of(loader) <= _SAFE


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_UNSAFE):
        yield Hit(code, node, f"{name} builds Python objects")
    for call in program.calls(*_BY_LOADER):
        if not _safe(call):
            yield Hit(call.code, call.node, f"{call.name} without a safe loader")
    for call in program.calls("ruamel.yaml.YAML"):
        if call.value("typ") == "unsafe":
            yield Hit(call.code, call.node, "ruamel.yaml.YAML(typ='unsafe')")


RULE = Rule(
    "training/yaml-load", "high", _find,
    why="a tag such as !!python/object/apply makes the loader call what the file names",
    fix="yaml.safe_load, or TOML",
    cannot_tell="what the file holds",
    bandit=("B506",),
)  # fmt: skip
