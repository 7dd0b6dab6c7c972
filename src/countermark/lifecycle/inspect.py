"""Inspect: read every file of a model to its last byte, far from keys, and sign what was proven."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from countermark import dsse
from countermark.artefact._private import chunk_root
from countermark.artefact.folder import read_folder
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import Tree, TreeEntry, tree_of
from countermark.checks.model.inspect import Inspection, inspect_files
from countermark.checks.training.inspect import RecipeInspection, collect, inspect_recipe
from countermark.errors import StatementRefused, Unusable
from countermark.formats.source import Memory
from countermark.lifecycle.desk import Desk, read_file
from countermark.statement.predicates import training
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


@dataclass(frozen=True, slots=True)
class InspectedRecipe:
    """An inspection of a recipe, and its signed statement about exactly the bytes that were read."""

    inspection: RecipeInspection
    tree: Tree
    envelope: dsse.Envelope


def inspect_and_sign_recipe(desk: Desk, path: Path, installed: dict[str, str]) -> InspectedRecipe:
    """Inspect a recipe and sign the result; for a look without keys use `checks.training.inspect`.

    Args:
        installed: package name -> version, of the environment that trained.

    Raises:
        Unusable: it cannot be read, or a file is too large for code. StatementRefused, TreeRefused: it does not hold.
    """
    seen = collect(path)
    if seen.large:
        raise Unusable(f"{min(seen.large)} is too large for code", why="what was not read cannot be signed for",
                       mend="bring data as an input of the recipe")  # fmt: skip
    result = inspect_recipe(seen, installed=installed)
    tree = tree_of(TreeEntry(p, len(d), False, chunk_root(d, SHA256, 1)) for p, d in sorted(seen.files.items()))
    said = result.to_json()
    facts = {"files": said["files"], "recipe": result.recipe, "kind": "recipe"}
    predicate = Checked(desk.context(EVERYBODY), said["checks"], facts)
    name = seen.recipe.name if seen.recipe else path.name
    return InspectedRecipe(result, tree, desk.sign(Statement(name, tree.digest, INSPECTION, predicate.to_json())))


def packages_of(statement: Path) -> dict[str, str]:
    """Package name -> version, as a training statement records its environment; its signature is not looked at.

    Raises:
        Unusable: it cannot be read. StatementRefused: it is no training statement, or of before packages were recorded.
    """
    said = Statement.from_bytes(dsse.Envelope.from_bytes(read_file(statement), what=statement.name).statement_bytes())
    if said.predicate_type != training.TYPE:
        raise StatementRefused(
            f"{statement.name} is no training statement", mend="it lies beside the model: MODEL.training.json"
        )
    packages = training.Training.from_json(said.predicate).environment.get("packages", "")
    if not packages:
        raise StatementRefused(f"{statement.name} names no packages", why="it was made before they were recorded",
                               mend="train again, or leave --training out")  # fmt: skip
    return dict(package.split("==", 1) for package in packages.split() if "==" in package)
