"""The trainer says: this model came from these inputs by this recipe, in this environment.

Shape: SLSA Provenance v1 (https://slsa.dev/spec/v1.0/provenance); what SLSA has no field for stands
in fields with our vendor prefix, as that specification asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from countermark.artefact.tree import DIGEST_NAME
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context

TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:countermark:build:train:v1"
LEVELS = ("not hermetic", "claimed", "reproduced", "attested")


@dataclass(frozen=True, slots=True)
class Training:
    """A training run.

    Attributes:
        inputs: name -> tree digest hex of every declared input (data sets, code, environment).
        recipe: SHA-256 hex of the recipe file. command: the argument list that ran.
        level: one of `LEVELS`. reasons: why that level and not a higher one; probe: its results by name.
        metrics: numbers the script reported. trainer: party id.
    """

    context: Context
    trainer: str
    recipe: str
    parameters: dict[str, Any]
    command: tuple[str, ...]
    inputs: dict[str, str]
    level: str
    reasons: tuple[str, ...]
    probe: dict[str, str]
    environment: dict[str, str]
    metrics: dict[str, float]
    started: str
    finished: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"recipe": self.recipe, "command": list(self.command)},
                "internalParameters": self.parameters,
                "resolvedDependencies": [
                    {"name": name, "digest": {DIGEST_NAME: digest}} for name, digest in sorted(self.inputs.items())
                ],
            },
            "runDetails": {
                "builder": {"id": f"urn:countermark:party:{self.trainer}", "version": self.environment},
                "metadata": {"startedOn": self.started, "finishedOn": self.finished},
            },
            "countermark_context": self.context.to_json(),
            "countermark_hermetic": {"level": self.level, "reasons": list(self.reasons), "probe": self.probe},
            "countermark_metrics": self.metrics,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Training:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, another build type, an unknown level.
        """
        fields = Fields(value, "training")
        definition = Fields(fields.object("buildDefinition"), "training: buildDefinition")
        run = Fields(fields.object("runDetails"), "training: runDetails")
        external = Fields(definition.object("externalParameters"), "training: externalParameters")
        builder = Fields(run.object("builder"), "training: builder")
        times = Fields(run.object("metadata"), "training: metadata")
        hermetic = Fields(fields.object("countermark_hermetic"), "training: hermetic")
        if definition.text("buildType") != BUILD_TYPE:
            raise StatementRefused("training statement of another build type")
        out = cls(
            context=Context.from_json(fields.object("countermark_context")),
            trainer=builder.text("id").removeprefix("urn:countermark:party:"),
            recipe=external.hex("recipe"),
            parameters=definition.object("internalParameters"),
            command=external.texts("command"),
            inputs=dict(_input(i) for i in definition.items("resolvedDependencies")),
            level=hermetic.text("level"),
            reasons=hermetic.texts("reasons"),
            probe=_texts(hermetic.object("probe"), "probe"),
            environment=_texts(builder.object("version"), "environment"),
            metrics=_numbers(fields.object("countermark_metrics")),
            started=times.text("startedOn"),
            finished=times.text("finishedOn"),
        )
        for each in (fields, definition, run, external, builder, times, hermetic):
            each.done()
        if out.level not in LEVELS:
            raise StatementRefused(f"unknown hermetic level {out.level!r}", mend=f"one of {', '.join(LEVELS)}")
        return out


def _input(value: Any) -> tuple[str, str]:
    fields = Fields(value, "training input")
    digest = Fields(fields.object("digest"), "training input digest")
    out = fields.text("name"), digest.hex(DIGEST_NAME)
    fields.done()
    return out


def _texts(value: dict[str, Any], what: str) -> dict[str, str]:
    fields = Fields(value, f"training: {what}")
    return {name: fields.text(name) for name in value}


def _numbers(value: dict[str, Any]) -> dict[str, float]:
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise StatementRefused(f"metric {name!r} is not a number")
    return dict(value)
