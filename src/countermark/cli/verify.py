"""``countermark verify``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, json_option


@click.command("verify")
@click.argument("path", type=EXISTING)
@click.option("--passport", type=EXISTING, help="The model's .cmpass file; default: PATH.cmpass where it is there.")
@click.option("--fingerprint", help="Trust this project without a workspace; nothing is remembered then.")
@click.option("--revocations", type=EXISTING, help="The owners' newest snapshot, with --fingerprint.")
@click.option("--workspace", "-w", type=FOLDER, help="Folder of this party's workspace; default: here or above.")
@json_option
def command(path: Path, passport: Path | None, fingerprint: str | None, revocations: Path | None, workspace: Path | None,
            as_json: bool) -> None:  # fmt: skip
    """Verify a model against its passport, or a folder against its delivery file; offline.

    Exit 0: verified and fresh. 1: refused, naming the file. 3: nobody signed it, or freshness is not shown.

    \b
    Examples:
      countermark verify model/ --passport model.cmpass
      countermark verify photos/
    """
    from countermark.compose import found_desk

    beside = path.with_name(path.name + ".cmpass")
    passport = passport or (beside if beside.exists() else None)
    me = found_desk(workspace)
    if passport is None:
        _delivery(path, me, as_json)
        return
    _model(path, passport, _pin(me, fingerprint, revocations), me, as_json)


def _pin(me: object, fingerprint: str | None, revocations: Path | None) -> object:
    from countermark.errors import NothingToVerify
    from countermark.lifecycle.desk import Desk, read_file
    from countermark.lifecycle.verify import pinned
    from countermark.passport.slip import Slip
    from countermark.passport.verify import Pin

    if fingerprint:
        return Pin(fingerprint, snapshot=Slip.from_bytes(read_file(revocations)) if revocations else None)
    if isinstance(me, Desk):
        return pinned(me)
    raise NothingToVerify(
        "there is nobody to trust here",
        why="no workspace with a pinned project, and no --fingerprint",
        mend="`countermark init NAME` and `countermark trust pin FINGERPRINT --trust FILE`, or --fingerprint",
    )


def _model(path: Path, passport: Path, pin: object, me: object, as_json: bool) -> None:
    from countermark.compose import clock
    from countermark.lifecycle import verify
    from countermark.lifecycle.desk import Desk
    from countermark.passport.verify import Pin

    if not isinstance(pin, Pin):
        return
    done = verify.verify_model(path, passport, pin, clock())
    if isinstance(me, Desk) and pin.version and me.mark().fingerprint == pin.fingerprint:
        verify.remember(me, done)
    facts = {
        "model": done.digest, "project": done.trust.document.project, "statements": len(done.shown), "freshness": done.freshness,
        "witnessed": done.witnessed, "ledger_size": done.checkpoint.size, "policy": done.verdict.verdict["policy"],
    }  # fmt: skip
    if as_json:
        show.as_json(facts)
    else:
        show.lines(
            f"model {done.digest}", f"{len(done.shown)} statements hold; ledger of {done.checkpoint.size} entries"
        )
        show.lines(done.witnessed, done.freshness)
        word = "admitted, unwitnessed" if done.fresh_until else "integrity holds, but freshness is not shown"
        show.verdict(f"{word}: {path.name} of {done.trust.document.project}", good=bool(done.fresh_until))
    if not done.fresh_until:
        raise click.exceptions.Exit(3)


def _delivery(path: Path, me: object, as_json: bool) -> None:
    from countermark.errors import TrustRefused
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.verify import verify_delivery

    signer = None
    if isinstance(me, Desk):
        try:
            me.mark()
            signer = me
        except TrustRefused:
            signer = None
    done = verify_delivery(path, signer)
    if as_json:
        show.as_json({"digest": done.tree.digest, "rows": done.rows, "signer": done.signer})
    else:
        show.lines(f"tree {done.tree.digest}, {done.rows} rows")
        text = f"signed by {done.signer}" if done.signer else "the files are those listed; who signed them is not shown"
        show.verdict(text, good=bool(done.signer))
    if not done.signer:
        raise click.exceptions.Exit(3)
