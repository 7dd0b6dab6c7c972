"""`countermark witness`: watch the project's ledger, and cosign it as long as it only grows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import FOUND, Answer, Pairs
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._show import View, safe
from countermark.errors import MissingExtra

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk

COSIGNATURE = ".cosignature"


@click.group()
def witness() -> None:
    """Watch the project's ledger, and cosign it as long as it only grows."""


@command("key", group=witness, examples=["countermark witness key"])
@click.option("--url", default="", metavar="URL", help="Where this witness is asked; empty: by files.")
@with_desk
def key(url: str, desk: Desk) -> Answer:
    """Print the line that names this party's witness in a quorum file (C2SP tlog-policy)."""
    from countermark.lifecycle import witnessing

    made = witnessing.key_of(desk, desk.trust())
    line = f"witness {desk.party} {made.vkey()} {url}".rstrip()
    # The line comes last, and alone: `>> witnesses.txt` then collects what a quorum file takes.
    return Answer(line, facts={"name": made.name, "vkey": made.vkey(), "line": line})


@command("show", group=witness, examples=["countermark witness show"])
@with_desk
def show(desk: Desk) -> Answer:
    """Show the newest head of the ledger that this party cosigned."""
    from countermark.lifecycle import witnessing

    trust = desk.trust()
    seen = witnessing.seen(desk, trust)
    facts = {"origin": trust.document.ledger_origin, "size": seen.size, "root": seen.root.hex()}
    return Answer(f"cosigned up to {seen.size} entries" if seen.size else "nothing was cosigned yet", facts=facts,
                  body=[Pairs(list(facts.items()))])  # fmt: skip


@command("cosign", group=witness, examples=["countermark witness cosign head.add-checkpoint"])
@click.argument("file", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", help="Where the answer is written (default: FILE.cosignature).")
@with_desk
def cosign(file: Path, out: Path | None, desk: Desk) -> Answer:
    """Answer a submission that came as a FILE (`countermark ledger ask`), for a witness without a network."""
    from countermark.ledger.submission import MAX_BYTES
    from countermark.lifecycle import witnessing
    from countermark.lifecycle.desk import read_file

    answer = witnessing.answer(desk, read_file(file, MAX_BYTES))
    said = answer.body.decode(errors="replace").strip()
    facts = {"status": answer.status, "answer": said}
    if answer.status != 200:
        told = f"declined: {said} entries were cosigned before" if answer.status == 409 else f"declined: {said}"
        return Answer(told, FOUND, facts)
    to = out or file.with_name(file.name + COSIGNATURE)
    desk.space.disk.write(to, answer.body, mode=0o644)
    return Answer(f"cosigned: carry {to} back to the ledger's keeper", facts=facts | {"file": str(to)})


@command("serve", group=witness, examples=[
    "countermark witness serve",
    "countermark witness serve --host 0.0.0.0 --port 8444 --cert server.pem --key server-key.pem",
])  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Outside loopback only with --cert and --key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8766, show_default=True, help="0 picks a free one.")
@click.option("--cert", type=PATH, metavar="PEM", help="TLS certificate chain.")
@click.option("--key", "tls_key", type=PATH, metavar="PEM", help="Its private key.")
@with_view
@with_desk
def serve(host: str, port: int, cert: Path | None, tls_key: Path | None, desk: Desk, view: View) -> Answer:
    """Answer submissions over HTTP (C2SP tlog-witness, `add-checkpoint`). Ends with Ctrl-C."""
    from countermark.lifecycle import witnessing

    made = witnessing.key_of(desk, desk.trust())
    try:
        from countermark.guard import server
        from countermark.witness.app import Witness
    except ModuleNotFoundError as error:
        raise MissingExtra(f"serving needs {error.name}", mend="pip install 'countermark[serve]'") from error
    listen = server.Listen(host, port, cert, tls_key)
    bound = server.bind(listen)
    url = server.url(bound, secure=cert is not None)
    if not (view.json or view.quiet):
        click.echo(f"witness {safe(made.name)} at {url}; Ctrl-C ends it", err=True)
    server.run(Witness(lambda body: witnessing.answer(desk, body)), listen, bound=bound)
    return Answer("ended", facts={"url": url, "name": made.name})
