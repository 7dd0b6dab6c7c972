"""Inspect: read every file of a model to its last byte, far from keys, and sign what was proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark import dsse, merkle
from countermark.artefact import recipe as recipes
from countermark.artefact._private import chunk_root
from countermark.artefact.declared import NOTHING
from countermark.artefact.profile import SHA256
from countermark.artefact.recipe import Recipe
from countermark.artefact.tree import Tree, TreeEntry, tree_of
from countermark.artefact.walk import paths, unreadable
from countermark.checks.model.inspect import Inspection, Progress, inspect_files
from countermark.checks.training.inspect import RecipeInspection, collect, inspect_recipe
from countermark.errors import StatementRefused, Unusable
from countermark.formats.source import FileSource
from countermark.lifecycle.desk import Desk, read_envelope, read_file
from countermark.lifecycle.train import beside
from countermark.statement.predicates import training
from countermark.statement.predicates.checked import INSPECTION, Checked
from countermark.statement.statement import EVERYBODY, Statement

BESIDE = "it lies beside the model: MODEL.training.json"


@dataclass(frozen=True, slots=True)
class Inspected:
    """An inspection and the tree of exactly the bytes that were inspected; `widened` where a recipe declared more than the lists."""

    inspection: Inspection
    tree: Tree
    envelope: dsse.Envelope
    widened: bool


def inspect(
    desk: Desk,
    model: Path,
    *,
    recipe: Path | None = None,
    trained: Path | None = None,
    progress: Progress | None = None,
) -> Inspected:
    """Inspect a model and sign the result; for a look without keys use `checks.model.inspect.inspect_path`.

    Each file is read once: what the tree digest is made of is what the readers are given, however large the folder.

    Args:
        recipe: the model's recipe, which may let it contain more than the lists do; its digest must stand in the training
            statement `trained` (by default beside the model), signed by a trainer. progress: told (files done, bytes done).

    Raises:
        TreeRefused, Unusable: the model cannot be read as a tree. StatementRefused: another recipe, or another model's.
        TrustRefused, SignatureRefused: no trainer signed for the recipe.
    """
    signed = _signed_recipe(desk, recipe, trained or beside(model)) if recipe else None
    declared, facts = (signed.recipe.declared, signed.facts()) if signed else (NOTHING, {})
    entries: list[TreeEntry] = []
    result = inspect_files(_opened(model, entries, progress), declared=declared)
    tree = tree_of(entries)
    if signed and signed.model != tree.digest:
        raise StatementRefused(
            "this recipe is of another model", why=f"its training made {signed.model[:16]}, seen {tree.digest[:16]}",
            mend="inspect without --recipe, or with that of this model",
        )  # fmt: skip
    said = result.to_json()
    predicate = Checked(
        desk.context(EVERYBODY), said["checks"], {"files": said["files"], "lists": said["lists"]} | facts
    )
    envelope = desk.sign(Statement(model.name, tree.digest, INSPECTION, predicate.to_json()))
    return Inspected(result, tree, envelope, bool(declared))


@dataclass(frozen=True, slots=True)
class _SignedRecipe:
    """A recipe that a trainer signed for: by whom, in which statement, about which model (tree digest)."""

    recipe: Recipe
    trainer: str
    statement: str
    model: str

    def facts(self) -> dict[str, Any]:
        """As it stands in the inspection statement; nothing where the recipe declares nothing."""
        if not self.recipe.declared:
            return {}
        by = {"recipe": self.recipe.digest, "training": self.statement, "signer": self.trainer}
        return {"declared": by | self.recipe.declared.to_json()}


def _signed_recipe(desk: Desk, path: Path, trained: Path) -> _SignedRecipe:
    recipe, envelope = recipes.parse(read_file(path)), read_envelope(trained)
    signed = desk.verify(desk.trust(), envelope, "trainer")
    said = Statement.from_bytes(envelope.statement_bytes())
    if said.predicate_type != training.TYPE:
        raise StatementRefused(f"{trained.name} is no training statement", mend=BESIDE)
    if training.Training.from_json(said.predicate).recipe != recipe.digest:
        raise StatementRefused(
            f"{path.name} is not the recipe that {trained.name} names", why="a recipe counts as it was signed, byte for byte",
            mend="bring the recipe that trained this model",
        )  # fmt: skip
    return _SignedRecipe(recipe, signed.party.id, envelope.digest, said.digest)


def _opened(model: Path, entries: list[TreeEntry], progress: Progress | None) -> Iterator[tuple[str, FileSource]]:
    """Every file of a folder in the order of its tree; once it is hashed, its entry stands in `entries`."""
    home = model.parent if model.is_file() else model
    size = 0
    for done, path in enumerate(_names(model)):
        leaves: list[bytes] = []

        def read(window: bytes, done: int = done, leaves: list[bytes] = leaves) -> None:
            nonlocal size
            size += len(window)
            leaves.append(SHA256.chunks.leaf(window))
            if progress:
                progress(done, size)

        source = FileSource(home / path, read)
        root = merkle.root(leaves, SHA256.chunks) if leaves else SHA256.no_bytes()
        entries.append(TreeEntry(path, source.size, source.executable, root))
        yield path, source
        source.release()


def _names(model: Path) -> list[str]:
    try:
        return list(paths(model))
    except OSError as error:
        raise unreadable(model, error) from error


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
        raise StatementRefused(f"{statement.name} is no training statement", mend=BESIDE)
    packages = training.Training.from_json(said.predicate).environment.get("packages", "")
    if not packages:
        raise StatementRefused(f"{statement.name} names no packages", why="it was made before they were recorded",
                               mend="train again, or leave --training out")  # fmt: skip
    return dict(package.split("==", 1) for package in packages.split() if "==" in package)
