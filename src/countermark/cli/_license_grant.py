"""Granting, narrowing and co-signing: `countermark license grant`, `narrow`, `sign`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._answer import Answer
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._license import OUT, licences, written
from countermark.cli._license_host import public_key
from countermark.cli._license_options import terms
from countermark.cli._license_terms import applied
from countermark.cli._licensed import subject
from countermark.cli._show import View
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.statement.predicates.licence_claims import Claims, Licensee


@command("grant", group=licences, examples=[
    "countermark license grant model --to plant --use infer --field inspection --territory DE --days 365 "
    "--max-queries 100000/1d --max-loads unlimited --max-hosts 1 --host pkcs11-key --lease 30d --grace 7d --out plant.licence",
    "countermark license grant model --to plant --use evaluate --field '*' --territory '*' --days 30 --max-queries 5000 "
    "--max-loads 10 --max-hosts 1 --host none --lease none --revocation none --out trial.licence",
])  # fmt: skip
@click.argument("asset", metavar="FOLDER|DIGEST")
@click.option("--to", required=True, metavar="PARTY", help="The licensee, who has a licence key in the trust document.")
@click.option(
    "--asset",
    "sealed",
    type=PATH,
    metavar="FILE.cmsealed",
    help="Its sealed form, which is read and verified; only that is licensed then.",
)
@click.option("--ciphertext-root", metavar="HEX", help="The same by hand, as `open --check` prints it.")
@click.option("--manifest", metavar="HEX", help="And the digest of its manifest.")
@terms
@OUT
@with_view
@with_desk
def grant(
    asset: str, to: str, sealed: Path | None, ciphertext_root: str | None, manifest: str | None, named: dict[str, Any], out: Path,
    desk: Desk, view: View,
) -> Answer:  # fmt: skip
    """Grant a licence, as the owner of a model or of data. What is not granted is denied.

    Beside it, FILE.revoked is written: the list of revoked licences that it asks for. Where co-signers are named it counts once
    they signed too (`countermark license sign`).
    """
    from countermark.lifecycle import license as licensing
    from countermark.statement.predicates.licence_claims import Claims

    if "days" not in named:
        raise Unusable("for how long?", mend="--days 365")
    licensee = licensing.licensee(desk, to)
    about = subject(desk, asset, sealed, (ciphertext_root, manifest), view)
    now = desk.stamp()
    given = {"lease": "30d", "grace": "7d", "revocation": licensing.BESIDE} | named
    if given["lease"] == "none":
        given.pop("grace")
    claims = applied(desk, Claims(licensee, about, now, now), given)
    return written(desk, licensing.grant(desk, claims), out, "granted")


@command("narrow", group=licences, examples=[
    "countermark license narrow plant.licence --to line-3 --use infer --max-queries 1000/1d --sublicense 0 --out line-3.licence",
])  # fmt: skip
@click.argument("file", type=PATH)
@click.option("--to", metavar="PARTY", help="The sublicensee, who has a licence key in the trust document.")
@click.option("--to-key", type=PATH, metavar="PEM", help="Or its public key, where it is no party of the project.")
@click.option("--name", metavar="ID", help="And its name, beside --to-key.")
@terms
@OUT
@with_desk
def narrow(
    file: Path, to: str | None, to_key: Path | None, name: str | None, named: dict[str, Any], out: Path, desk: Desk
) -> Answer:
    """Sublicense to another, as the licensee: the same or less, on every claim.

    What is not named stays as it is; one sublicence less may follow. A claim that would be wider is refused by its name.
    """
    from countermark.lifecycle import license as licensing
    from countermark.lifecycle.desk import read_file

    papers = licensing.read(desk, file)
    above = papers.chain.claims
    depth = max(0, above.sublicense.depth - 1)
    base = replace(
        above, licensee=_sublicensee(desk, to, to_key, name), uses=above.uses & above.sublicense.uses,
        sublicense=replace(above.sublicense, depth=depth),
    )  # fmt: skip
    if "days" in named:
        named["days"] = _no_later(desk, above, named["days"])
    claims = applied(desk, base, named)
    kept = replace(claims, sublicense=replace(claims.sublicense, uses=claims.sublicense.uses & claims.uses))
    answer = written(desk, licensing.narrow(desk, papers, kept), out, "narrowed")
    beside = file.with_name(file.name + ".revoked")
    if beside.exists():  # the list of who granted the licence above is asked for here too
        desk.space.disk.write(out.with_name(out.name + ".revoked"), read_file(beside), mode=0o644)
    return answer


@command("sign", group=licences, examples=["countermark license sign plant.licence"])
@click.argument("file", type=PATH)
@with_desk
def sign(file: Path, desk: Desk) -> Answer:
    """Add this party's signature to a licence that names it as a co-signer."""
    from countermark.lifecycle import license as licensing

    return written(desk, licensing.co_sign(desk, file), file, "co-signed")


def _sublicensee(desk: Desk, party: str | None, to_key: Path | None, name: str | None) -> Licensee:
    from countermark.lifecycle import license as licensing
    from countermark.statement.predicates.licence_claims import Licensee

    if party and not to_key:
        return licensing.licensee(desk, party)
    if to_key and name and not party:
        return Licensee(name, name, public_key(to_key))
    raise Unusable("who is the sublicensee?", mend="--to PARTY, or --to-key FILE.pem with --name ID")


def _no_later(desk: Desk, above: Claims, days: float) -> float:
    """Days from now on, at most to the end of the licence above."""
    from countermark.keys.document import moment

    return min(days, (moment(above.not_after) - desk.now()).total_seconds() / 86_400)
