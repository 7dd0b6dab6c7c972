"""W12: a fresh install of the reference fails on an undeclared dependency."""

from __future__ import annotations

import ast
import sys
from importlib import metadata
from pathlib import Path

import weakness
from weakness import Answers

import countermark.statement.oms
import countermark.statement.oms_keys

TRIES = "run on a machine that has only what the package declares"


def imported(file: str) -> set[str]:
    """Top-level modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def attack(place: Path) -> Answers:
    """The reference without pyOpenSSL; ours by what our OMS modules import and what our metadata declares."""
    code = "import sys; sys.modules['OpenSSL'] = None; import model_signing.verifying"
    reference = weakness.library(place, code)
    modules = (countermark.statement.oms, countermark.statement.oms_keys)
    foreign = set.union(*(imported(str(m.__file__)) for m in modules)) - set(sys.stdlib_module_names) - {"countermark"}
    declared = {r.split(";")[0].split(">")[0].split("=")[0].strip() for r in metadata.requires("countermark") or []
                if "extra" not in r}  # fmt: skip
    missing = foreign - declared
    ours = f"imports {sorted(foreign)}, all declared" if not missing else f"UNDECLARED {sorted(missing)}"
    return Answers(reference, ours, not missing)


if __name__ == "__main__":
    sys.exit(weakness.main(TRIES, attack))
