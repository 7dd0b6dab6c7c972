"""The recipe: what a training run is made of, written by its owner in TOML and known by its digest.

Unknown keys are refused, because a key that nobody reads is a promise that nobody keeps.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.artefact.declared import NOTHING, Declared
from countermark.artefact.tree import check_path
from countermark.canonical import Fields
from countermark.errors import StatementRefused

FORMAT = 1
MAX_BYTES = 1 << 20
TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training configuration.

    Attributes:
        digest: SHA-256 hex of the recipe file's bytes.
        code: files or folders of the training code; inputs: name -> path. Both relative to the recipe's folder,
            at the very places where the script looks. The input named ``train`` is the training data.
        output: folder the script writes. model, metrics: what to find in it.
        parameters: the tables ``parameters``, ``preprocessing`` and ``seeds``, recorded as they stand.
        lock: hash-pinned dependency lock, or None. seconds, memory_bytes: limits of a run.
        declared: what the model may contain beyond what the inspection's lists allow.
    """

    digest: str
    name: str
    code: tuple[str, ...]
    inputs: dict[str, str]
    output: str
    model: str
    metrics: str
    parameters: dict[str, Any]
    lock: str | None
    seconds: int
    memory_bytes: int
    declared: Declared = NOTHING


def parse(data: bytes) -> Recipe:
    """Parse a recipe strictly.

    Raises:
        StatementRefused: not TOML, an unknown or missing key, a path that leaves the folder, no training data.
    """
    fields = Fields(_toml(data), "recipe")
    if fields.integer("format") != FORMAT:
        raise StatementRefused("recipe of an unknown format", mend=f"format = {FORMAT}")
    code = Fields(fields.object("code"), "recipe: code")
    output = Fields(fields.object("output"), "recipe: output")
    limits = Fields(fields.optional("limits") or {}, "recipe: limits")
    environment = Fields(fields.optional("environment") or {}, "recipe: environment")
    inputs = fields.object("inputs")
    paths = Fields(inputs, "recipe: inputs")
    out = Recipe(
        digest=canonical.sha256_hex(data),
        name=fields.text("name", most=200),
        code=tuple(_relative(p) for p in code.texts("files")),
        inputs={name: _relative(paths.text(name)) for name in inputs},
        output=_relative(output.text("folder")),
        model=_relative(output.text("model")),
        metrics=_relative(output.text("metrics")),
        parameters={n: fields.optional(n) or {} for n in ("parameters", "preprocessing", "seeds")},
        lock=environment.optional_text("lock"),
        seconds=limits.integer("seconds", least=1) if limits.optional("seconds") else 3600,
        declared=Declared.from_json(fields.optional("model") or {}, "recipe: model"),
        memory_bytes=(limits.integer("memory_mb", least=64) if limits.optional("memory_mb") else 8192) << 20,
    )
    for each in (fields, code, output, limits, environment, paths):
        each.done()
    if TRAIN not in out.inputs:
        raise StatementRefused("the recipe names no training data", mend='[inputs]\ntrain = "data/train"')
    return out


def _toml(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise StatementRefused(f"recipe of {len(data)} bytes", why=f"the limit is {MAX_BYTES}")
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise StatementRefused("the recipe is not TOML", why=str(error)) from error


def _relative(path: str) -> str:
    check_path(path)
    return path
