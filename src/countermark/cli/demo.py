"""`countermark demo`: the case studies, end to end, on this machine."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from countermark import compose
from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Table, Verbatim
from countermark.cli._command import PATH, command, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, safe
from countermark.errors import MissingExtra

TRY = (
    "countermark inspect YOUR_MODEL_FILE_OR_FOLDER",
    "countermark screen YOUR_PHOTOS --label-from '{supplier}/{label}/*'",
    "countermark digest YOUR_FOLDER",
)
MARKS = {"command": "$ ", "say": "  ", "refused": "  refused: ", "result": "  "}
COLOURS = {"stage": "cyan", "command": "white", "refused": "yellow", "result": "green"}


@click.group()
def demo() -> None:
    """The case studies, end to end, on this machine."""


@command("factory", group=demo, examples=[
    "countermark demo factory",
    "countermark demo factory --variant wild --seed 3",
    "countermark demo factory --parts-library kicad-parts/ --parts 300",
])  # fmt: skip
@click.option("--out", type=PATH, metavar="DIR", default=Path("demo-factory"), show_default=True,
              help="Folder for everything it makes.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of photographs and of the attacks.")
@click.option("--variant", type=click.Choice(["rig", "wild"]), default="rig", show_default=True,
              help="One photo rig for all suppliers, or everybody's own light and background.")  # fmt: skip
@click.option("--parts-library", type=PATH, metavar="DIR", help="Folder of VRML, STL or OBJ part models to render.")
@click.option("--parts", type=click.IntRange(10), default=200, show_default=True, help="How many different parts.")
@click.option("--images", type=click.IntRange(100), help="How many photographs (default: about 30 per part).")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that render.")
@with_view
def factory(
    out: Path, seed: int, variant: str, parts_library: Path | None, parts: int, images: int | None, workers: int,
    view: View,
) -> Answer:  # fmt: skip
    """A factory's model from three dozen suppliers, two of whom cheat.

    Parties, deliveries, screening, hermetic training, trials, release, and the plant that verifies: every step is
    also a command, and is shown as you would type it.
    """
    try:
        from countermark.cases.factory import story
        from countermark.cases.factory.tell import Tell
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the demonstration needs {error.name}", mend="pip install 'countermark[demo]'") from error
    began = time.monotonic()
    options = story.Options(
        out, compose.cache_folder() / "factory", seed, variant, parts_library, parts, images, workers
    )
    with Bar(view) as bar, ExitStack() as held:
        tell = Tell(_printer(view, bar), bar.tick)
        result, _, _ = story.run(options, tell, held)
    return _told(result, out, time.monotonic() - began)


def _printer(view: View, bar: Bar) -> Any:
    """Prints the story's events, unless the user wants the last line or JSON only."""
    stages = [0]

    def event(kind: str, line: str) -> None:
        if view.json or view.quiet:
            return
        if kind == "stage":
            stages[0] += 1
            bar.clear()
            click.echo(color=view.out.colour)
        text = f"{stages[0]}. {line}" if kind == "stage" else MARKS.get(kind, "  ") + line
        styled = click.style(safe(text), fg=COLOURS.get(kind), bold=kind in ("stage", "result"), dim=kind == "command")
        click.echo(styled, color=view.out.colour)

    return event


def _told(result: dict[str, Any], out: Path, seconds: float) -> Answer:
    worth = [
        (name, f"{w['top1']:.3f}", f"{w['top5']:.3f}", f"{w['attack_success']:.3f}")
        for name, w in result["worth"].items()
    ]
    aside = result["quarantined"]
    admitted = str(result["verdict"]).startswith("admitted")
    body = [
        "", Table(("model trained on", "top-1", "top-5", "attack success"), worth), "",
        Pairs([
            ("named", ", ".join(n["supplier"] for n in result["named"]) or "nobody"),
            ("planted by", f"{result['planted']['backdoor']} (backdoor), {result['planted']['label_flips']} (labels)"),
            ("set aside", f"{aside['rows']} rows, precision {aside['precision']:.2f}, recall {aside['recall']:.2f}"),
            ("turned away", f"{len(result['refused_deliveries'])} deliveries at the door"),
            ("hermetic", result["hermetic"]), ("report", out / "report.html"), ("everything is in", out), ("seconds", f"{seconds:.0f}"),
        ]),
        "", "Try it on your own files; none of these needs init, keys or a workspace:", Verbatim([f"  {t}" for t in TRY]), "",
    ]  # fmt: skip
    facts = {**result, "folder": str(out), "total_seconds": round(seconds, 1)}
    return Answer(str(result["verdict"]), FINE if admitted else FOUND, facts, body)
