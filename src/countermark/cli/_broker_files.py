"""Exchanges with hosts that have no network: a challenge, and the answer to a request."""

from __future__ import annotations

from pathlib import Path

import click

from countermark import compose
from countermark.cli._answer import Answer
from countermark.cli._broker import HOME, broker
from countermark.cli._broker_service import service
from countermark.cli._command import PATH, command
from countermark.errors import Unusable

MOST_HOURS = 24 * 30


@command("challenge", group=broker, examples=["countermark broker challenge --out plant.challenge"])
@click.option(
    "--hours", type=click.IntRange(1, MOST_HOURS), default=72, show_default=True, help="How long it may travel."
)
@click.option("--out", type=PATH, required=True, metavar="FILE", help="To carry to the host.")
@HOME
def challenge(hours: int, out: Path, home: Path) -> Answer:
    """Write a challenge for a host without a network; it is answered once, and until it expires."""
    from countermark.broker.challenges import Challenges
    from countermark.broker.home import Home
    from countermark.workspace.disk import Disk

    made = Challenges(Home.open(home).challenge_secret(), hours * 3600)
    Disk().write(out, made.issue(int(compose.clock().timestamp())), mode=0o644)
    return Answer(f"made: a challenge for {hours} hours, {out}", facts={"file": str(out), "hours": hours})


@command("answer", group=broker, examples=["countermark broker answer plant.request --out plant.answer"])
@click.argument("request", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="FILE", help="To carry back to the host.")
@HOME
def answer(request: Path, out: Path, home: Path) -> Answer:
    """Answer a request that came as a file; the release is logged before the answer is written."""
    from countermark.broker.home import Home
    from countermark.broker.request import MOST_REQUEST
    from countermark.lifecycle.desk import read_file
    from countermark.workspace.disk import Disk

    if out.exists():
        raise Unusable(f"{out} exists", why="an answer is given once", mend="name another file")
    made = Home.open(home)
    with made.log() as log:
        said = service(made, log, MOST_HOURS * 3600).release(read_file(request, MOST_REQUEST))
    Disk().write(out, said, mode=0o644)
    return Answer(f"released: carry {out} back to the host", facts={"file": str(out)})
