"""`countermark broker serve`, and the broker that it and the exchanges by file ask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer
from countermark.cli._broker import HOME, broker, pin
from countermark.cli._command import PATH, command, with_view
from countermark.errors import MissingExtra

if TYPE_CHECKING:
    from countermark.broker.home import Home
    from countermark.broker.log import ReleaseLog
    from countermark.broker.service import Broker
    from countermark.cli._show import View


@command("serve", group=broker, examples=[
    "countermark broker serve",
    "countermark broker serve --host 0.0.0.0 --port 8444 --cert server.pem --key server-key.pem",
])  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Outside loopback only with --cert and --key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8767, show_default=True, help="0 picks a free one.")
@click.option("--cert", type=PATH, metavar="PEM", help="TLS certificate chain.")
@click.option("--key", "tls_key", type=PATH, metavar="PEM", help="Its private key.")
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=60, show_default=True, help="How long a challenge lives."
)
@HOME
@with_view
def serve(
    host: str, port: int, cert: Path | None, tls_key: Path | None, seconds: int, home: Path, view: View
) -> Answer:
    """Answer requests over HTTP: for keys, and for the counts of licences (`broker meter`). Ends with Ctrl-C; challenges end with it."""
    import secrets

    from countermark.broker.challenges import SECRET_BYTES
    from countermark.broker.home import Home

    try:
        from countermark.broker.app import App
        from countermark.guard import server
    except ModuleNotFoundError as error:
        raise MissingExtra(f"serving needs {error.name}", mend="pip install 'countermark[serve]'") from error
    made = Home.open(home)
    listen = server.Listen(host, port, cert, tls_key)
    with made.log() as log, made.meter_log() as meter_log:
        meters = made.meters(meter_log, lambda: compose.clock().timestamp())
        app = App(service(made, log, seconds, secrets.token_bytes(SECRET_BYTES)), meters)
        bound = server.bind(listen)
        url = server.url(bound, secure=cert is not None)
        if not (view.json or view.quiet):
            click.echo(f"broker {made.name} at {url}; Ctrl-C ends it", err=True)
        server.run(app, listen, bound=bound)
    return Answer("ended", facts={"url": url, "name": made.name})


def service(made: Home, log: ReleaseLog, seconds: int, secret: bytes | None = None) -> Broker:
    """The broker of a folder with its log open; `secret` is of its challenges, which otherwise outlive this process."""
    from countermark.broker.service import Broker

    return Broker(
        made.deposits(),
        made.identity(pin),
        log,
        secret or made.challenge_secret(),
        seconds,
        lambda: compose.clock().timestamp(),
    )
