"""The licensor's word: `countermark license revoke`, `beacon`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._license import FELT, OUT, licences
from countermark.cli._show import count
from countermark.errors import StatementRefused, TrustRefused, Unusable

if TYPE_CHECKING:
    from countermark.licence.chain import Chain
    from countermark.lifecycle.desk import Desk


@command("revoke", group=licences, examples=[
    "countermark license revoke plant.licence --out revoked.json",
    "countermark license revoke --renew --out revoked.json",
])  # fmt: skip
@click.argument("files", nargs=-1, type=PATH, metavar="[FILE]...")
@click.option("--renew", is_flag=True, help="Sign the same list anew, for another while.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Until the next list.")
@OUT
@with_desk
def revoke(files: tuple[Path, ...], renew: bool, days: int, out: Path, desk: Desk) -> Answer:
    """Revoke the last licence of each file, and with it all that was narrowed from it.

    Writes the new list of revoked licences. Hosts obey it when they have it; beacons signed from now on name it, so that a host
    with a newer beacon asks for it.
    """
    from countermark.licence import describe
    from countermark.lifecycle import license_lists

    if bool(files) == renew:
        raise Unusable("--renew adds no licence to the list" if renew else "which licences are revoked is not said",
                       mend="name files of licences that this party granted, or --renew alone")  # fmt: skip
    chains = [_granted_here(desk, file) for file in files]
    line, said = license_lists.revoke(desk, [chain.leaf.digest for chain in chains], days=days)
    desk.space.disk.write(out, line, mode=0o644)
    felt = [
        pair for chain in chains
        for pair in (("licence", chain.leaf.digest), *((FELT, f"{name}: {text}") for name, text in describe.delays(chain.claims)))
    ]  # fmt: skip
    done = "renewed: no licence more" if renew else f"revoked: {count(len(chains), 'licence')}"
    return Answer(
        f"{done}; list {said.epoch} names {len(said.licences)} in all; hand {out.name} to the licensees",
        facts={
            "epoch": said.epoch,
            "licences": sorted(said.licences),
            "next_update": said.next_update,
            "file": str(out),
        },
        body=[Pairs(felt)] if felt else [],
    )


def _granted_here(desk: Desk, file: Path) -> Chain:
    from countermark.lifecycle import license as licensing

    chain = licensing.read(desk, file).chain
    if chain.leaf.issuer != desk.party:
        raise TrustRefused(f"{desk.party} did not grant {file.name}", why="only who grants a licence revokes it",
                           mend=f"{chain.leaf.issuer} revokes it")  # fmt: skip
    return chain


@command("beacon", group=licences, examples=[
    "countermark license beacon --out beacon.json",
    "countermark license beacon --since 2026-11-01T00:00:00Z --out beacons.json",
    "countermark license beacon --answer 5bbd571587e5f74f --out answer.json",
    "countermark license beacon --reset 5bbd571587e5f74f --reason 'the clock battery died' --out reset.json",
])  # fmt: skip
@click.option("--since", metavar="TIME", help="Write all beacons signed since then, for a host that was away.")
@click.option("--answer", default="", metavar="CODE", help="Answer a host whose clock had run ahead.")
@click.option("--reset", metavar="CODE", help="As an owner, with the root key: set that host's memory to now.")
@click.option("--reason", default="", metavar="TEXT", help="For every reader of the reset.")
@OUT
@with_desk
def beacon(since: str | None, answer: str, reset: str | None, reason: str, out: Path, desk: Desk) -> Answer:
    """Sign what time it is: less than 1 KiB, to be carried on a stick.

    A lease lasts from one beacon to the next. Only the time key that a licence names counts, one beacon moves a host's time by at
    most one lease, and a host's own clock moves it never.
    """
    from countermark.lifecycle import license_time

    if sum(map(bool, (since, answer, reset))) > 1:
        raise Unusable("one of --since, --answer and --reset at a time", mend="leave the others out")
    for option, code in (("--answer", answer), ("--reset", reset)):
        _refuse_no_code(option, code)
    if reset:
        data, what = license_time.reset(desk, reset, reason), "a reset for one host"
    elif since:
        license_time.beacon(desk)
        data = license_time.beacons_since(desk, _time(since))
        what = count(len(data.splitlines()), "beacon")
    else:
        data, what = license_time.beacon(desk, answers=answer), "a beacon"
    desk.space.disk.write(out, data, mode=0o644)
    return Answer(f"signed: {what}, {len(data)} bytes in {out.name}; there: `countermark license take LICENCE {out.name}`",
                  facts={"file": str(out), "bytes": len(data), "lines": len(data.splitlines())})  # fmt: skip


def _refuse_no_code(option: str, code: str | None) -> None:
    if code and not (len(code) == 16 and set(code) <= set("0123456789abcdef")):
        raise Unusable(f"{option} is {code!r:.40}", why="a code has 16 hexadecimal digits, in small letters",
                       mend="write it as the host's refusal shows it")  # fmt: skip


def _time(text: str) -> str:
    from countermark.keys.document import moment

    try:
        moment(text)
    except StatementRefused as error:
        raise Unusable(f"--since is {text!r:.40}", why=error.what, mend=error.mend) from error
    return text
