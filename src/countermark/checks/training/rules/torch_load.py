"""`training/torch-load`: a checkpoint may be a program."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_OTHERS = (
    "torch.jit.load", "torch.package.PackageImporter", "torch.utils.model_zoo.load_url", "torch.hub.load_state_dict_from_url",
    "torchvision.datasets.utils.download_and_extract_archive",
)  # fmt: skip
_WIDENED = (
    "torch.serialization.add_safe_globals",
    "torch.add_safe_globals",
    "torch.serialization.safe_globals",
    "torch.safe_globals",
)


def _find(program: Program) -> Iterator[Hit]:
    for call in program.calls("torch.load"):
        if call.value("weights_only") is not True:
            yield Hit(call.code, call.node, "torch.load without weights_only=True")
    for call in program.calls(*_OTHERS):
        if call.value("weights_only") is not True:
            yield Hit(call.code, call.node, f"{call.name} may run code of the file")
    for call in program.calls(*_WIDENED):
        yield Hit(call.code, call.node, f"{call.name} lets a checkpoint name more classes")


RULE = Rule(
    "training/torch-load", "high", _find,
    why="a checkpoint is a pickle unless weights_only says otherwise, and a fall-back to the unsafe way can be forced by its author",
    fix="torch.load(..., weights_only=True), or safetensors; never retry without it",
    cannot_tell="the default of weights_only in the torch that will run this",
    bandit=("B614",),
)  # fmt: skip
