"""The operator's and the owners' side of `countermark broker`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._broker import HOME, broker, pin
from countermark.cli._command import PATH, command, with_view, workspace_options
from countermark.cli._sealing import reader, sealer
from countermark.cli._show import View, count
from countermark.cli.recipients import SIGNED_BY, SIGNING_KEY
from countermark.errors import MissingExtra, Unusable

if TYPE_CHECKING:
    from countermark.broker.home import Home
    from countermark.broker.log import ReleaseLog
    from countermark.broker.service import Broker
    from countermark.seal.keyfile import PublicHalf

POLICY = ".release"
MOST_HOURS = 24 * 30


@command("init", group=broker, examples=[
    "countermark broker init vault",
    "countermark broker init vault --root 'pkcs11:token=vault;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:pin'",
])  # fmt: skip
@click.argument("name")
@click.option(
    "--root",
    metavar="URI",
    default="",
    help="A P-256 key pair in a PKCS#11 token that the broker's keys are sealed to.",
)
@HOME
def init(name: str, root: str, home: Path) -> Answer:
    """Make a broker: NAME.sealpub is what owners seal to, NAME.vkey what hosts check its release log with.

    Without --root the key that opens every deposit is a file, mode 0600: whoever copies the folder can open them all.
    """
    from countermark.broker.home import Home
    from countermark.seal import keyfile
    from countermark.workspace.disk import Disk

    public, vkey = Path(f"{name}{keyfile.PUBLIC}"), Path(f"{name}.vkey")
    said: list[tuple[PublicHalf, str]] = []

    def publish(made: Home) -> None:
        said.append((made.public(pin), made.log_key().vkey()))
        Disk().write(public, said[0][0].to_bytes(), mode=0o644)
        Disk().write(vkey, said[0][1].encode() + b"\n", mode=0o644)

    Home.make(home, name, root, pin, publish)
    half, log_key = said[0]
    return Answer(
        f"made: broker {name} in {home}; hand {public} to owners and {vkey} to hosts",
        facts={"home": str(home), "name": name, "id": half.key.id, "kind": half.key.kind, "log_key": log_key},
        body=[Pairs([("sealing key", half.key.id), ("kind", half.key.kind), ("root key", "PKCS#11 token" if root else "file mode only"),
                     ("log key", log_key)])],
    )  # fmt: skip


@command("tenant", group=broker, examples=["countermark broker tenant acme acme-statement.pub"])
@click.argument("owner")
@click.argument("keys", nargs=-1, required=True, type=PATH)
@HOME
def tenant(owner: str, keys: tuple[Path, ...], home: Path) -> Answer:
    """Say by which statement keys (PEM) an owner is known here from now on.

    Deposits that none of them signed stop counting at once. Compare the keys' ids with the owner over another channel.
    """
    from countermark.lifecycle.desk import read_file
    from countermark.seal.manifest import key_of_pem

    known = [key_of_pem(read_file(file, 16 << 10)) for file in keys]
    _home(home).deposits().enrol(owner, known)
    return Answer(f"enrolled: {owner} with {count(len(known), 'key')}", facts={"owner": owner, "keys": [key.id for key in known]},
                  body=[Table(("key",), [(key.id,) for key in known])])  # fmt: skip


@command(
    "policy", group=broker, examples=["countermark broker policy model.cmsealed rules.toml --signing-key statement.pem"]
)
@click.argument("sealed", type=PATH)
@click.argument("rules", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", help="Default: SEALED.release, beside it.")
@SIGNING_KEY
@SIGNED_BY
@workspace_options
def policy(
    sealed: Path, rules: Path, out: Path | None, signing_key: Path | None, signed_by: tuple[Path, ...], workspace: Path | None,
    passphrase_file: Path | None,
) -> Answer:  # fmt: skip
    """Sign whom a broker may release a sealed asset's key to, and on what evidence; what no rule grants is denied.

    Hand the broker's operator the asset's .manifest, .recipients and .release. To take a grant back, sign a policy with the next
    sequence; a key that was released stays released.
    """
    from countermark.broker import written
    from countermark.broker.policy import MOST_BYTES, PAYLOAD_TYPE
    from countermark.keys.signer import sign_envelope
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file
    from countermark.workspace.disk import Disk

    handle = stage.verified(sealed, reader(signed_by, workspace))
    said = written.parse(read_file(rules, MOST_BYTES), handle.manifest.prelude.asset, compose.clock())
    target = out or stage.beside(sealed, POLICY)
    signers = sealer(signing_key, workspace, passphrase_file).signers
    Disk().write(target, sign_envelope(PAYLOAD_TYPE, said.to_bytes(), signers).to_bytes(), mode=0o644)
    rows = [
        (rule.evidence, rule.recipient, str(rule.releases), ", ".join(rule.claims) or "none", rule.id[:16])
        for rule in said.rules
    ]
    return Answer(
        f"signed: {count(len(rows), 'rule')}, {target}",
        facts={"file": str(target), "sequence": said.sequence, "rules": [rule.to_json() for rule in said.rules]},
        body=[Table(("evidence", "for", "releases", "claims", "rule"), rows)],
    )


@command("deposit", group=broker, examples=["countermark broker deposit acme model.cmsealed"])
@click.argument("owner")
@click.argument("sealed", type=PATH)
@HOME
def deposit(owner: str, sealed: Path, home: Path) -> Answer:
    """Take an owner's SEALED.manifest, .recipients and .release; the sealed file itself is not needed.

    Refused: what the owner did not sign, what this broker cannot open, and a policy that is not newer than the one here.
    """
    from countermark.broker.store import MOST_BYTES
    from countermark.lifecycle import seal as stage
    from countermark.lifecycle.desk import read_file

    parts = [
        read_file(stage.beside(sealed, suffix), MOST_BYTES) for suffix in (stage.MANIFEST, stage.RECIPIENTS, POLICY)
    ]
    made = _home(home)
    with made.log() as log:
        kept = _service(made, log, 60).accept(owner, *parts)
    facts = {
        "owner": owner,
        "asset": kept.policy.asset.hex(),
        "sequence": kept.policy.sequence,
        "rules": len(kept.policy.rules),
    }
    return Answer(f"kept: {owner}'s {kept.sealed.manifest.kind}, {count(len(kept.policy.rules), 'rule')}", facts=facts,
                  body=[Pairs([(name, str(value)) for name, value in facts.items()])])  # fmt: skip


@command("collateral", group=broker, examples=["countermark broker collateral tdx b0c06f000000 collateral.json"])
@click.argument("kind", type=click.Choice(["sgx", "tdx"]))
@click.argument("fmspc")
@click.argument("file", type=PATH)
@HOME
def collateral(kind: str, fmspc: str, file: Path, home: Path) -> Answer:
    """Keep Intel's collateral for one kind of platform, as `dcap-qvl` writes it; it counts until its next update is due."""
    from countermark.lifecycle.desk import read_file

    _home(home).deposits().keep_collateral(kind, fmspc.lower(), read_file(file, 1 << 20))
    return Answer(f"kept: collateral for {kind} platform {fmspc.lower()}", facts={"kind": kind, "fmspc": fmspc.lower()})


@command("challenge", group=broker, examples=["countermark broker challenge --out plant.challenge"])
@click.option(
    "--hours", type=click.IntRange(1, MOST_HOURS), default=72, show_default=True, help="How long it may travel."
)
@click.option("--out", type=PATH, required=True, metavar="FILE", help="To carry to the host.")
@HOME
def challenge(hours: int, out: Path, home: Path) -> Answer:
    """Write a challenge for a host without a network; it is answered once, and until it expires."""
    from countermark.broker.challenges import Challenges
    from countermark.workspace.disk import Disk

    made = Challenges(_home(home).challenge_secret(), hours * 3600)
    Disk().write(out, made.issue(int(compose.clock().timestamp())), mode=0o644)
    return Answer(f"made: a challenge for {hours} hours, {out}", facts={"file": str(out), "hours": hours})


@command("answer", group=broker, examples=["countermark broker answer plant.request --out plant.answer"])
@click.argument("request", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="FILE", help="To carry back to the host.")
@HOME
def answer(request: Path, out: Path, home: Path) -> Answer:
    """Answer a request that came as a file; the release is logged before the answer is written."""
    from countermark.broker.request import MOST_REQUEST
    from countermark.lifecycle.desk import read_file
    from countermark.workspace.disk import Disk

    if out.exists():
        raise Unusable(f"{out} exists", why="an answer is given once", mend="name another file")
    made = _home(home)
    with made.log() as log:
        said = _service(made, log, MOST_HOURS * 3600).release(read_file(request, MOST_REQUEST))
    Disk().write(out, said, mode=0o644)
    return Answer(f"released: carry {out} back to the host", facts={"file": str(out)})


@command(
    "log",
    group=broker,
    examples=["countermark broker log", "countermark broker log --owner acme --proofs acme-releases"],
)
@click.option("--owner", help="Of this owner only.")
@click.option(
    "--proofs",
    type=PATH,
    metavar="DIR",
    help="Write each release of --owner as NUMBER.record and NUMBER.tlog-proof, for him.",
)
@HOME
def show_log(owner: str | None, proofs: Path | None, home: Path) -> Answer:
    """List what was released, oldest first; with proofs, which show nothing of other owners but hashes."""
    if proofs is not None and owner is None:
        raise Unusable("whose proofs is not said", mend="--owner OWNER")
    with _home(home).log() as log:
        if proofs is not None and owner is not None:
            _write_proofs(log, owner, proofs)
        entries = [entry for entry in log.records() if owner in (None, entry.owner)]
    rows = [(_time(e.at), e.owner, e.asset[:16], e.recipient, e.evidence, e.host[:16]) for e in entries]
    return Answer(count(len(rows), "release"), facts={"releases": [{n: getattr(e, n) for n in e.__slots__} for e in entries]},
                  body=[Table(("at", "owner", "asset", "for", "evidence", "host"), rows)])  # fmt: skip


def _write_proofs(log: ReleaseLog, owner: str, folder: Path) -> None:
    from countermark.workspace.disk import Disk

    disk = Disk()
    disk.folder(folder)
    for entry, receipt in log.of(owner):
        disk.write(folder / f"{receipt.index}.record", entry.to_bytes(), mode=0o644)
        disk.write(folder / f"{receipt.index}.tlog-proof", receipt.to_bytes(), mode=0o644)


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

    try:
        from countermark.broker.app import App
        from countermark.guard import server
    except ModuleNotFoundError as error:
        raise MissingExtra(f"serving needs {error.name}", mend="pip install 'countermark[serve]'") from error
    made = _home(home)
    listen = server.Listen(host, port, cert, tls_key)
    with made.log() as log, made.meter_log() as meter_log:
        meters = made.meters(meter_log, lambda: compose.clock().timestamp())
        app = App(_service(made, log, seconds, secrets.token_bytes(SECRET_BYTES)), meters)
        bound = server.bind(listen)
        url = server.url(bound, secure=cert is not None)
        if not (view.json or view.quiet):
            click.echo(f"broker {made.name} at {url}; Ctrl-C ends it", err=True)
        server.run(app, listen, bound=bound)
    return Answer("ended", facts={"url": url, "name": made.name})


def _home(folder: Path) -> Home:
    from countermark.broker.home import Home

    return Home.open(folder)


def _service(made: Home, log: ReleaseLog, seconds: int, secret: bytes | None = None) -> Broker:
    from countermark.broker.service import Broker

    return Broker(
        made.deposits(),
        made.identity(pin),
        log,
        secret or made.challenge_secret(),
        seconds,
        lambda: compose.clock().timestamp(),
    )


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
