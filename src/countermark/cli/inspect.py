"""`countermark inspect`: is this model file safe to load? Needs no workspace."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._command import PATH, command, sitting, workspace_options

VERDICTS = {
    0: "proven: every model file loads without running code",
    1: "refused: loading this would not be safe",
    3: "inconclusive: not every file could be proven",
}
CANNOT_TELL = "how the model behaves: a backdoor in its weights needs no code (`countermark trial`)"


@command("inspect", examples=[
    "countermark inspect model/",
    "countermark inspect weights.safetensors --json",
    "countermark inspect model/ --sign inspection.json",
])  # fmt: skip
@click.argument("path", type=PATH)
@click.option("--sign", "out", type=PATH, metavar="FILE", help="Sign the result as this workspace's party.")
@workspace_options
def inspect(path: Path, out: Path | None, workspace: Path | None, passphrase_file: Path | None) -> Answer:
    """Read a model's files to the last byte, executing nothing.

    Every file gets one answer: proven, refused, unproven, or not model content. What is not proven is never clean.
    """
    if out is not None:
        from countermark.lifecycle.inspect import inspect as stage

        desk = sitting(workspace, passphrase_file)
        done = stage(desk, path)
        desk.space.disk.write(out, done.envelope.to_bytes(), mode=0o644)
        result = done.inspection
    else:
        from countermark.checks.model.inspect import inspect_path

        result = inspect_path(path)
    missing = result.confinement.missing if result.confinement else ()
    body = [
        Table(("answer", "format", "file", "why"), [(f.answer, f.format, f.path, f.why) for f in result.files]),
        *([""] if result.findings else []), *result.findings,
        "", *(f"not confined: {m}" for m in missing), Pairs([("cannot tell", CANNOT_TELL)]),
        *([f"written: {out}"] if out else []),
    ]  # fmt: skip
    return Answer(
        VERDICTS[result.exit_code], result.exit_code, result.to_json() | {"signed": str(out) if out else None}, body
    )
