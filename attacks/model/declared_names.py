"""A recipe lets its model contain more than the lists do. Who may say so, and of what?

    python attacks/model/declared_names.py

A model holds an object of a class that no list has. Its own recipe, signed for by a trainer, lets it pass; nothing else does: not the
supplier's word, not a recipe that was changed by a byte, not the recipe of another model, not a declared `os.system`, not an inspection
whose training statement nobody shows. Exit code 0 when that held.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from core_world import OWNER, SECOND, SUPPLIER, World

from countermark.artefact.folder import read_folder
from countermark.canonical import sha256_hex
from countermark.checks.model.inspect import inspect_path
from countermark.errors import CountermarkError
from countermark.lifecycle.inspect import Inspected, inspect
from countermark.passport.evidence import _signed_for
from countermark.statement.predicates.training import TYPE, Training
from countermark.statement.statement import EVERYBODY, Statement

CLASS = "vendor_layers.gates:Gate"
RECIPE = """format = 1
name = "gated"
[code]
files = ["train.py"]
[inputs]
train = "data"
[output]
folder = "out"
model = "model"
metrics = "metrics.json"
[model]
classes = [{classes}]
"""


OBJECT = b"\x80\x04\x8c\x13vendor_layers.gates\x8c\x04Gate\x93)\x81}\x8c\x05widthK\x03sb."
"""An object of a class that no list has, with a state."""
SYSTEM = b"cos\nsystem\n(S'true'\ntR."


class Case:
    """A model folder, its recipe and the training statement of who signed for it."""

    def __init__(self, world: World, name: str, data: bytes, classes: str = f'"{CLASS}"', *, by: str = SECOND) -> None:
        self.world, self.model = world, world.root / name
        self.model.mkdir()
        (self.model / "model.pkl").write_bytes(data)
        self.recipe = world.root / f"{name}.recipe.toml"
        self.recipe.write_text(RECIPE.format(classes=classes))
        self.trained = world.root / f"{name}.training.json"
        self.trained.write_bytes(self._statement(by))

    def _statement(self, by: str) -> bytes:
        desk = self.world[by]
        said = Training(
            desk.context(EVERYBODY), by, sha256_hex(self.recipe.read_bytes()), {}, ("python", "train.py"), {}, "claimed", (), {}, {},
            {}, "2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z",
        )  # fmt: skip
        return desk.sign(Statement("model", read_folder(self.model).digest, TYPE, said.to_json())).to_bytes()

    def inspected(self) -> Inspected:
        return inspect(self.world[OWNER], self.model, recipe=self.recipe, trained=self.trained)

    def tried(self) -> str:
        """The answer on the file, or why there is none."""
        try:
            return self.inspected().inspection.files[0].answer
        except CountermarkError as error:
            return f"stopped: {error.what}"


def project(root: Path) -> World:
    """SECOND trains."""
    world = World.make(root)
    world.amend(lambda d: d.with_party(replace(d.party(SECOND), roles=("model-owner", "trainer"))))
    return world


def outcomes(root: Path) -> dict[str, str]:
    """What each way of widening the list comes to."""
    world, data = project(root), OBJECT
    honest = Case(world, "honest", data)
    said = {"without a recipe": inspect_path(honest.model).files[0].answer, "its recipe, signed for": honest.tried()}
    foreign = Case(world, "supplier", data, by=SUPPLIER)
    said["signed for by a supplier"] = foreign.tried()
    changed = Case(world, "changed", data, classes="")
    changed.recipe.write_text(RECIPE.format(classes=f'"{CLASS}"'))
    said["a class written into it after signing"] = changed.tried()
    other = Case(world, "other", data)
    (other.model / "more.txt").write_text("another model")
    said["the recipe of another model"] = other.tried()
    said["another class declared"] = Case(world, "another", data, classes='"vendor_layers.gates:Fate"').tried()
    said["os.system declared"] = Case(world, "system", SYSTEM, classes='"os:system"').tried()
    said["a module declared whole"] = Case(world, "whole", data, classes='"vendor_layers.gates:*"').tried()
    return said


EXPECTED = {
    "without a recipe": "unproven", "its recipe, signed for": "proven",
    "signed for by a supplier": "stopped: acme may not say this: it needs the role trainer",
    "a class written into it after signing": "stopped: changed.recipe.toml is not the recipe that changed.training.json names",
    "the recipe of another model": "stopped: this recipe is of another model",
    "another class declared": "unproven", "os.system declared": "refused",
    "a module declared whole": "stopped: recipe: model: 'vendor_layers.gates:*' is no exact name",
}  # fmt: skip


def counts(case: Case) -> tuple[bool, bool, bool]:
    """Whether the inspection's word counts: beside its training statement, without it, and beside another recipe's."""
    declared = Statement.from_bytes(case.inspected().envelope.statement_bytes()).predicate["facts"]["declared"]
    beside = {"statement": declared["training"], "recipe": declared["recipe"]}
    return (
        _signed_for(declared, beside),
        _signed_for(declared, None),
        _signed_for(declared, beside | {"recipe": "0" * 64}),
    )


def main() -> int:
    """Both sides."""
    with tempfile.TemporaryDirectory() as place:
        said = outcomes(Path(place) / "world")
        taken = counts(Case(project(Path(place) / "again"), "honest", OBJECT))
    for name, told in said.items():
        print(f"{name}: {told}")
    print(
        f"the inspection counts beside its training statement {taken[0]}, alone {taken[1]}, beside another recipe {taken[2]}"
    )
    return 0 if said == EXPECTED and taken == (True, False, False) else 1


if __name__ == "__main__":
    sys.exit(main())
