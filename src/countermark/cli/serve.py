"""`countermark serve`: a verified model behind a guard that signs every answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._show import View, safe
from countermark.errors import MissingExtra

if TYPE_CHECKING:
    from countermark.guard.admission import Served
    from countermark.guard.app import Guard
    from countermark.lifecycle.desk import Desk


@command("serve", examples=[
    "countermark serve model/ --passport model.cmpass",
    "countermark serve model/ --host 0.0.0.0 --port 8443 --cert server.pem --key server-key.pem",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--passport", type=PATH, metavar="FILE", help="The model's papers (default: MODEL.cmpass).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Outside loopback only with --cert and --key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one.")
@click.option("--cert", type=PATH, metavar="PEM", help="TLS certificate chain.")
@click.option("--key", type=PATH, metavar="PEM", help="Its private key.")
@click.option("--days", type=click.FloatRange(min=0, max=7, min_open=True), default=7.0, show_default=True,
              help="How long the guard's fresh key may sign.")  # fmt: skip
@with_view
@with_desk
def serve(
    model: Path, passport: Path | None, host: str, port: int, cert: Path | None, key: Path | None, days: float,
    desk: Desk, view: View,
) -> Answer:  # fmt: skip
    """Serve a verified model; every answer is signed, every route is denied by default.

    The model is verified while it is loaded: the bytes that run are the bytes that were hashed. Callers need an API
    key (`countermark key api NAME`). Ends with Ctrl-C; running requests may finish.
    """
    guard, served = _guard(desk, model, passport or model.with_name(model.name + ".cmpass"), days)
    from countermark.guard import server

    listen = server.Listen(host, port, cert, key)
    bound = server.bind(listen)
    url = server.url(bound, secure=cert is not None)
    if not (view.json or view.quiet):
        click.echo(f"serving {safe(model.name)} ({served.digest[:16]}) at {url}; Ctrl-C ends it", err=True)
    server.run(guard, listen, bound=bound)
    facts = {"url": url, "model": served.digest, "classes": len(served.labels)}
    return Answer("ended: the guard's key is gone with it", facts=facts, body=[Pairs([("model", served.digest)])])


def _guard(desk: Desk, model: Path, papers: Path, days: float) -> tuple[Guard, Served]:
    try:
        from countermark.guard import start
    except ModuleNotFoundError as error:
        raise MissingExtra(f"serving needs {error.name}", mend="pip install 'countermark[serve]'") from error
    return start.open_guard(desk, model, papers, days=days)
