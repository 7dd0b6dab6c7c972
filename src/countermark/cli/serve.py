"""`countermark serve`: a verified model behind a guard that signs every answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_desk, with_view
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
@click.option("--host", default="127.0.0.1", show_default=True, help="Outside loopback only with --cert and --key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one.")
@click.option("--cert", type=PATH, metavar="PEM", help="TLS certificate chain.")
@click.option("--key", type=PATH, metavar="PEM", help="Its private key.")
@click.option("--days", type=click.FloatRange(min=0, max=7, min_open=True), default=7.0, show_default=True,
              help="How long the guard's fresh key may sign.")  # fmt: skip
@click.option(
    "--license", "licence", type=PATH, metavar="FILE", help="Serve under this licence, and stop where it ends."
)
@click.option("--field", default="", metavar="WORD", help="Field of use that the licence is used in.")
@click.option("--territory", default="", metavar="CODE", help="Where it is used.")
@click.option(
    "--tpm", default="", metavar="URI", help="TPM key that proves the licence's host; its clock bounds the lease."
)
@click.option("--meter", default="", metavar="URL", help="Of the broker that the licence names to count.")
@click.option(
    "--collateral",
    type=PATH,
    metavar="DIR",
    help="Intel's, KIND-FMSPC.json: for a licence that is bound to an enclave.",
)
@sealed_options
@with_view
@with_desk
def serve(
    model: Path, passport: Path | None, host: str, port: int, cert: Path | None, key: Path | None, days: float,
    licence: Path | None, field: str, territory: str, tpm: str, meter: str, collateral: Path | None, seal: dict[str, Any], desk: Desk, view: View,
) -> Answer:  # fmt: skip
    """Serve a verified model; every answer is signed, every route is denied by default.

    The model is verified while it is loaded: the bytes that run are the bytes that were hashed. Callers need an API
    key (`countermark key api NAME`). Ends with Ctrl-C; running requests may finish.

    MODEL.cmsealed is decrypted into private memory of this process with the key that a broker releases, or that --seal-key opens, and is never
    written in plaintext to a disk. A plain model is refused where its policy takes sealed ones only.

    A party that the trust document calls a licensee, and no owner, serves under a licence only. With --license the model is loaded only where the licence allows it, each picture asked counts as one query, and when the
    licence ends or lapses every query is refused with the claim that says so. Beacons and lists of revoked licences lie beside
    the licence (`countermark license take`) and are read again every minute.
    """
    elements = {"tpm": tpm, "meter": meter, "collateral": collateral}
    licensed = _licensed(desk, licence, field, territory, elements) if licence else None
    keyed = keyed_of(desk, model, seal, licence)
    papers = passport or model.with_name((model.stem if keyed else model.name) + ".cmpass")
    guard, served = _guard(desk, model, papers, days, keyed, licensed)
    from countermark.guard.start import protection

    shown, ways = protection(keyed, licensed)
    from countermark.guard import server

    listen = server.Listen(host, port, cert, key)
    bound = server.bind(listen)
    url = server.url(bound, secure=cert is not None)
    if not (view.json or view.quiet):
        click.echo(f"serving {safe(model.name)} ({served.digest[:16]}) at {url}; Ctrl-C ends it", err=True)
        for line in (*_told(licensed), f"protection: {shown}", *(f"way to a disk: {safe(way)}" for way in ways)):
            click.echo(line, err=True)
    server.run(guard, listen, bound=bound)
    facts = {"url": url, "model": served.digest, "classes": len(served.labels), "sealed": keyed is not None,
             "protection": shown, "ways": list(ways)}  # fmt: skip
    return Answer(
        "ended: the guard's key is gone with it",
        facts=facts,
        body=[Pairs([("model", served.digest), ("protection", shown)])],
    )


def _licensed(desk: Desk, file: Path, field: str, territory: str, elements: dict[str, Any]) -> Licensed:
    from countermark.guard.start import Licensed
    from countermark.lifecycle import license_use

    return Licensed(license_use.hold(desk, file, compose.elapsed, compose.boot(), **elements), field, territory)


def _told(licensed: Licensed | None) -> list[str]:
    """What an operator should know of the licence it serves under."""
    if licensed is None or licensed.tenure.granted is None:
        return []
    from countermark.licence.clock import stamp

    tenure, granted = licensed.tenure, licensed.tenure.granted
    claims = tenure.chain.claims
    plain = claims.subject.ciphertext_root is None
    return [
        safe(f"licensed to {claims.licensee.party} by {tenure.chain.root.issuer}; to be renewed by {stamp(granted.until)}"),
        *(["the licence names no sealed form: it allows a plain copy too"] if plain else []),
        f"counting: {tenure.meter.counting}", *map(safe, granted.notes),
    ]  # fmt: skip


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
