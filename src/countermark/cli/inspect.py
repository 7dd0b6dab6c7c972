"""`countermark inspect`: is this model file safe to load, is this recipe safe to run? Needs no workspace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, sitting, with_view, workspace_options
from countermark.cli._progress import Bar
from countermark.cli._show import View
from countermark.errors import Unusable
from countermark.finding import Failed, Finding, Skipped

if TYPE_CHECKING:
    from countermark.checks.model.inspect import Inspection, Progress
    from countermark.checks.training.inspect import RecipeInspection

VERDICTS = {
    0: "proven: every model file loads without running code",
    1: "refused: loading this would not be safe",
    3: "inconclusive: not every file could be proven",
}
RECIPE_VERDICTS = {
    0: "clean: every file of the recipe was read, and no rule is broken",
    1: "refused: the recipe breaks rules",
    3: "inconclusive: not every file of the recipe could be read",
}
BY_RECIPE = "proven: every model file loads without running other code than its recipe names"
CANNOT_TELL = "how the model behaves: a backdoor in its weights needs no code (`countermark trial`)"
RECIPE_CANNOT_TELL = "what the code computes; a hermetic run shows what it touches (`countermark train --dry-run`)"
KINDS = ("model", "recipe")
MOST_APART, MOST_PLACES = 6, 20


@command("inspect", examples=[
    "countermark inspect model/",
    "countermark inspect weights.safetensors --json",
    "countermark inspect recipe.toml --training model.training.json",
    "countermark inspect notebooks/ --kind recipe --sarif notebooks.sarif",
    "countermark inspect model/ --sign inspection.json",
    "countermark inspect model/ --recipe recipe.toml --training model.training.json --sign inspection.json",
])  # fmt: skip
@click.argument("path", type=PATH)
@click.option("--kind", type=click.Choice(KINDS), help="What it is (default: a recipe where recipe.toml is there, "
              "or for a single file of code; else a model).")  # fmt: skip
@click.option("--recipe", type=PATH, metavar="FILE", help="The model's recipe: what its table [model] names is taken "
              "for allowed, once a trainer's statement signed for it.")  # fmt: skip
@click.option("--training", type=PATH, metavar="FILE", help="The training statement: to compare its environment with a "
              "recipe's lock, or the one that signed for --recipe (default: MODEL.training.json).")  # fmt: skip
@click.option("--sarif", type=PATH, metavar="FILE", help="Write findings as SARIF 2.1.0, for code-scanning viewers.")
@click.option("--sign", "out", type=PATH, metavar="FILE", help="Sign the result as this workspace's party.")
@workspace_options
@with_view
def inspect(
    path: Path, kind: str | None, recipe: Path | None, training: Path | None, sarif: Path | None, out: Path | None,
    workspace: Path | None, passphrase_file: Path | None, view: View,
) -> Answer:  # fmt: skip
    """Read a model's files to the last byte, or a recipe's code by its syntax, executing nothing.

    Every file gets one answer: proven, refused, unproven, or not model content. What is not proven is never clean.
    A recipe's code, notebooks, settings and lock are read by the rules of `training/*`.
    """
    from countermark.checks.training.recipe_files import is_recipe

    if kind == "recipe" or (kind is None and recipe is None and is_recipe(path)):
        if recipe is not None:
            raise Unusable("--recipe goes with a model", mend=f"countermark inspect {path}")
        return _recipe(path, training, sarif, out, workspace, passphrase_file)
    with Bar(view) as bar:
        bar.expect(path)
        signs = Signing(out, recipe, training, workspace, passphrase_file)
        result, declares = _model(path, signs, bar.files)
    rows = [(f.answer, f.format, f.path, f.why) for f in result.files]
    table = Table(("answer", "format", "file", "why"), rows)
    verdict = BY_RECIPE if declares and result.exit_code == 0 else VERDICTS[result.exit_code]
    return _answer(result, table, verdict, CANNOT_TELL, sarif, out)


class Signing(NamedTuple):
    """What needs a workspace: where a signed result goes, and the recipe with the statement that signed for it."""

    out: Path | None
    recipe: Path | None
    training: Path | None
    workspace: Path | None
    passphrase_file: Path | None


def _model(path: Path, signs: Signing, progress: Progress) -> tuple[Inspection, bool]:
    """An inspection, and whether its recipe let it contain more than the lists."""
    if signs.out is None and signs.recipe is None:
        from countermark.checks.model.inspect import inspect_path

        return inspect_path(path, progress=progress), False
    from countermark.lifecycle.inspect import inspect as stage

    desk = sitting(signs.workspace, signs.passphrase_file)
    done = stage(desk, path, recipe=signs.recipe, trained=signs.training, progress=progress)
    if signs.out is not None:
        desk.space.disk.write(signs.out, done.envelope.to_bytes(), mode=0o644)
    return done.inspection, done.widened


def _recipe(
    path: Path, training: Path | None, sarif: Path | None, out: Path | None, workspace: Path | None,
    passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    from countermark.checks.training.inspect import collect, inspect_recipe
    from countermark.lifecycle.inspect import inspect_and_sign_recipe, packages_of

    installed = packages_of(training) if training else {}
    if out is not None:
        desk = sitting(workspace, passphrase_file)
        done = inspect_and_sign_recipe(desk, path, installed)
        desk.space.disk.write(out, done.envelope.to_bytes(), mode=0o644)
        result = done.inspection
    else:
        result = inspect_recipe(collect(path), installed=installed)
    rows = [(f.answer, f.path, f.why) for f in result.files]
    table = Table(("answer", "file", "why"), rows)
    if training:
        rows.append(
            ("", training.name, "compared with the lock; its signature was not verified (`countermark verify`)")
        )
    return _answer(result, table, RECIPE_VERDICTS[result.exit_code], RECIPE_CANNOT_TELL, sarif, out)


def _answer(
    result: Inspection | RecipeInspection,
    table: Table,
    verdict: str,
    cannot_tell: str,
    sarif: Path | None,
    out: Path | None,
) -> Answer:
    if sarif is not None:
        _write_sarif(sarif, result)
    body = [
        table, *([""] if result.findings else []), *_told(result.findings),
        "", *(f"not confined: {m}" for m in (result.confinement.missing if result.confinement else ())),
        Pairs([("cannot tell", cannot_tell)]), *(f"written: {file}" for file in (sarif, out) if file),
    ]  # fmt: skip
    facts = result.to_json() | {"signed": str(out) if out else None}
    return Answer(verdict, result.exit_code, facts, body)


def _told(findings: Sequence[Finding]) -> list[Any]:
    """Findings one by one where they are few; else grouped by rule, each reason told once."""
    if len(findings) <= MOST_APART:
        return list(findings)
    body: list[Any] = []
    for (check, rule), some in groupby(sorted(findings, key=_rule_of), key=_rule_of):
        group = list(some)
        first = group[0]
        body += [
            f"{check}/{rule}  {first.severity}, {len(group)} places",
            Table(("place", "what"), [(str(f.where), f.what) for f in group[:MOST_PLACES]]),
            *([f"  ... and {len(group) - MOST_PLACES} more; --json and --sarif name all"] if len(group) > MOST_PLACES else []),
            Pairs([("  why", first.why), ("  fix", first.fix), ("  cannot tell", first.cannot_tell)]), "",
        ]  # fmt: skip
    return body


def _rule_of(finding: Finding) -> tuple[str, str]:
    return finding.check, finding.rule


def _write_sarif(file: Path, result: Inspection | RecipeInspection) -> None:
    from countermark.report.sarif import findings_to_sarif

    missing = [f"{check}: {o.reason}" for check, o in result.checks.items() if isinstance(o, Skipped)]
    broken = [f"{check}: {o.error}" for check, o in result.checks.items() if isinstance(o, Failed)]
    log = findings_to_sarif(result.findings, [*missing, *broken], failed=bool(broken))
    file.write_text(json.dumps(log, indent=1, sort_keys=True) + "\n", encoding="utf-8")
