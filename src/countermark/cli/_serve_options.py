"""The options of `countermark serve` that say where it listens and under which licence; what its operator is told of that licence."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._command import PATH
from countermark.cli._options import taken_as
from countermark.cli._show import safe

if TYPE_CHECKING:
    from countermark.guard.server import Listen
    from countermark.guard.start import Licensed
    from countermark.lifecycle.desk import Desk


@dataclass(frozen=True, slots=True)
class Place:
    """Where the guard listens, with which certificate, and for how long its key may sign."""

    host: str
    port: int
    cert: Path | None
    key: Path | None
    days: float

    def listen(self) -> Listen:
        """As the server takes it."""
        from countermark.guard import server

        return server.Listen(self.host, self.port, self.cert, self.key)


@dataclass(frozen=True, slots=True)
class Under:
    """The licence that is served under, what it is used for and where, and what of this host takes part."""

    licence: Path | None
    field: str
    territory: str
    tpm: str
    meter: str
    collateral: Path | None

    def licensed(self, desk: Desk) -> Licensed | None:
        """The licence, ready to be used on this host; None where none is named.

        Raises:
            Refusal: it does not hold. Unusable, MissingExtra: something cannot be read or opened.
        """
        if self.licence is None:
            return None
        from countermark.guard.start import Licensed
        from countermark.lifecycle import license_use

        tenure = license_use.hold(
            desk, self.licence, compose.elapsed, compose.boot(), tpm=self.tpm, meter=self.meter, collateral=self.collateral
        )  # fmt: skip
        return Licensed(tenure, self.field, self.territory)


def told(licensed: Licensed | None) -> list[str]:
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


place_options = taken_as("place", Place, [one.name for one in fields(Place)], (
    click.option("--host", default="127.0.0.1", show_default=True, help="Outside loopback only with --cert and --key."),
    click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one."),
    click.option("--cert", type=PATH, metavar="PEM", help="TLS certificate chain."),
    click.option("--key", type=PATH, metavar="PEM", help="Its private key."),
    click.option("--days", type=click.FloatRange(min=0, max=7, min_open=True), default=7.0, show_default=True,
                 help="How long the guard's fresh key may sign."),
))  # fmt: skip
"""Adds them to a command, which takes them as `place`."""

licence_options = taken_as("under", Under, [one.name for one in fields(Under)], (
    click.option("--license", "licence", type=PATH, metavar="FILE", help="Serve under this licence, and stop where it ends."),
    click.option("--field", default="", metavar="WORD", help="Field of use that the licence is used in."),
    click.option("--territory", default="", metavar="CODE", help="Where it is used."),
    click.option("--tpm", default="", metavar="URI", help="TPM key that proves the licence's host; its clock bounds the lease."),
    click.option("--meter", default="", metavar="URL", help="Of the broker that the licence names to count."),
    click.option("--collateral", type=PATH, metavar="DIR",
                 help="Intel's, KIND-FMSPC.json: for a licence that is bound to an enclave."),
))  # fmt: skip
"""Adds them to a command, which takes them as `under`."""
