"""Inspect: read every file of a model to its last byte, far from keys, and sign what was proven."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import Tree, TreeEntry
from countermark.checks.model.inspect import Inspection, inspect_files
from countermark.formats.source import Memory
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates.checked import INSPECTION, Checked
from countermark.statement.statement import EVERYBODY, Statement


@dataclass(frozen=True, slots=True)
class Inspected:
    """An inspection and the tree of exactly the bytes that were inspected."""

    inspection: Inspection
    tree: Tree
    envelope: dsse.Envelope


def inspect(desk: Desk, model: Path) -> Inspected:
    """Inspect a model and sign the result; for a look without keys use `checks.model.inspect.inspect_path`.

    Raises:
        TreeRefused, Unusable: the model cannot be read as a tree.
    """
    files: dict[str, bytes] = {}

    def keep(entry: TreeEntry, data: bytes) -> None:
        files[entry.path] = data

    tree = read_folder(model, sink=keep)
    result = inspect_files((path, Memory(data)) for path, data in files.items())
    said = result.to_json()
    predicate = Checked(desk.context(EVERYBODY), said["checks"], {"files": said["files"]})
    envelope = desk.sign(Statement(model.name, tree.digest, INSPECTION, predicate.to_json()))
    return Inspected(result, tree, envelope)
