"""`training/archive-extract`: an archive says where its files go."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls(
        "*.extractall", "*.extract", "shutil.unpack_archive", "patoolib.extract_archive", "*.extract_archive"
    ):
        safe = call.value("filter") == "data"
        opened = call.name.startswith(("tarfile.", "zipfile.")) or not call.name.endswith(".extract")
        if opened and not safe:
            yield Hit(call.code, call.node, f"{call.shown} without filter='data'")


RULE = Rule(
    "training/archive-extract", "medium", _find,
    why="members named ../ or linking elsewhere write outside the folder (CVE-2007-4559)",
    fix="tarfile's filter='data'; or read the members without unpacking them",
    cannot_tell="what the archive holds",
    bandit=("B202",),
)  # fmt: skip
