"""`countermark serve`: a verified model behind a guard that signs every answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._serve_options import Place, Under, licence_options, place_options, told
from countermark.cli._serve_sealed import keyed_of, sealed_options
from countermark.cli._show import View, safe
from countermark.errors import MissingExtra

if TYPE_CHECKING:
    from countermark.guard.admission import Served
    from countermark.guard.app import Guard
    from countermark.guard.start import Licensed
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.seal_load import Keyed


@command("serve", examples=[
    "countermark serve model/ --passport model.cmpass",
    "countermark serve model/ --license plant.licence --field inspection --territory DE",
    "countermark serve model/ --license plant.licence --field inspection --territory DE --tpm tpm:handle=0x81010001",
    "countermark serve model/ --license plant.licence --field inspection --territory DE --meter https://vault.example:8767",
    "countermark serve model.cmsealed --seal-key plant.sealkey --license plant.licence --field inspection --territory DE",
    "countermark serve model.cmsealed --broker https://vault.example:8767 --with plant.hostkey",
    "countermark serve model/ --host 0.0.0.0 --port 8443 --cert server.pem --key server-key.pem",
])  # fmt: skip
@click.argument("model", type=PATH)
@click.option("--passport", type=PATH, metavar="FILE", help="The model's papers (default: MODEL.cmpass).")
@place_options
@licence_options
@sealed_options
@with_view
@with_desk
def serve(
    model: Path, passport: Path | None, place: Place, under: Under, seal: dict[str, Any], desk: Desk, view: View
) -> Answer:
    """Serve a verified model; every answer is signed, every route is denied by default.

    The model is verified while it is loaded: the bytes that run are the bytes that were hashed. Callers need an API
    key (`countermark key api NAME`). Ends with Ctrl-C; running requests may finish.

    MODEL.cmsealed is decrypted into private memory of this process with the key that a broker releases, or that --seal-key opens, and is never
    written in plaintext to a disk. A plain model is refused where its policy takes sealed ones only.

    A party that the trust document calls a licensee, and no owner, serves under a licence only. With --license the model is loaded only where the licence allows it, each picture asked counts as one query, and when the
    licence ends or lapses every query is refused with the claim that says so. Beacons and lists of revoked licences lie beside
    the licence (`countermark license take`) and are read again every minute.
    """
    licensed = under.licensed(desk)
    keyed = keyed_of(desk, model, seal, under.licence)
    papers = passport or model.with_name((model.stem if keyed else model.name) + ".cmpass")
    guard, served = _guard(desk, model, papers, place.days, keyed, licensed)
    from countermark.guard.start import protection

    shown, ways = protection(keyed, licensed)
    notes = (*told(licensed), f"protection: {shown}", *(f"way to a disk: {safe(way)}" for way in ways))
    url = _run(guard, place, f"serving {safe(model.name)} ({served.digest[:16]})", notes, view)
    facts = {"url": url, "model": served.digest, "classes": len(served.labels), "sealed": keyed is not None,
             "protection": shown, "ways": list(ways)}  # fmt: skip
    return Answer(
        "ended: the guard's key is gone with it",
        facts=facts,
        body=[Pairs([("model", served.digest), ("protection", shown)])],
    )


def _run(guard: Guard, place: Place, what: str, notes: Sequence[str], view: View) -> str:
    """Serve until its user ends it, and tell where; the address that was served at."""
    from countermark.guard import server

    listen = place.listen()
    bound = server.bind(listen)
    url = server.url(bound, secure=place.cert is not None)
    if not (view.json or view.quiet):
        for line in (f"{what} at {url}; Ctrl-C ends it", *notes):
            click.echo(line, err=True)
    server.run(guard, listen, bound=bound)
    return url


def _guard(
    desk: Desk, model: Path, papers: Path, days: float, keyed: Keyed | None, licensed: Licensed | None
) -> tuple[Guard, Served]:
    try:
        from countermark.guard import start
    except ModuleNotFoundError as error:
        raise MissingExtra(f"serving needs {error.name}", mend="pip install 'countermark[serve]'") from error
    if keyed is not None:
        return start.open_sealed_guard(desk, model, papers, keyed, days=days, licensed=licensed)
    return start.open_guard(desk, model, papers, days=days, licensed=licensed)
