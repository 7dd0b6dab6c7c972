"""`countermark receive`: the door. Delivered folders are verified, then admitted or refused with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import FINE, FOUND, Answer, Refused, Table
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.contract import Contract, Door
    from countermark.lifecycle.deliveries import Received
    from countermark.lifecycle.desk import Desk
    from countermark.seal.stanza import Identity

SUFFIX = ".cmanswer"
SEALED = ".cmsealed"
SHOWN = 10


@command("receive", examples=[
    "countermark receive inbox/acme/photos",
    "countermark receive inbox/*/photos --contract contract.toml",
    "countermark receive inbox/acme/photos.cmsealed --key manufacturer.sealkey",
    "countermark receive --list",
])  # fmt: skip
@click.argument("folders", nargs=-1, type=PATH)
@click.option("--contract", type=PATH, metavar="FILE", help="Contract to examine rows against (JSON or TOML).")
@click.option(
    "--key", metavar="KEY", help="Opens FOLDER.cmsealed: a .sealkey file, or a URI of a key in a trusted element."
)
@click.option("--answer", type=PATH, metavar="FILE", help="Where the signed answer is written (one FOLDER only).")
@click.option(
    "--list", "listing", is_flag=True, help="List all deliveries that were answered here, with earlier refusals."
)
@with_view
@with_desk
def receive(
    folders: tuple[Path, ...], contract: Path | None, key: str | None, answer: Path | None, listing: bool, desk: Desk, view: View
) -> Answer:  # fmt: skip
    """Verify delivered folders; admit or refuse them.

    Each FOLDER lies beside its .cmdelivery file. Admitted data are copied into the workspace, refused ones are kept
    aside. A FOLDER.cmsealed is opened in memory with --key; what is admitted lies in the workspace in the clear. The signed answer is written beside the folder as FOLDER.cmanswer: hand it back to the supplier.
    """
    from countermark.lifecycle import deliveries
    from countermark.lifecycle.contract import Contract, Door

    if listing:
        return _listed(desk, deliveries.received(desk))
    if not folders:
        raise Unusable("no folder was named", mend="`countermark receive DIR`, or --list")
    if answer is not None and len(folders) > 1:
        raise Unusable("--answer goes with one folder", mend="leave it out: answers are written beside the folders")
    agreed = contract_of(desk.space.root, contract)
    mine = _identity(folders, key)
    answers: list[tuple[Path, Received]] = []
    with Bar(view) as bar:
        for named in folders:
            bar.expect(named)
            folder, one = _received(desk, named, mine, Door(agreed or Contract()), bar)
            if one.answer is not None:
                file = answer or folder.with_name(folder.name + SUFFIX)
                desk.space.disk.write(file, one.answer.to_bytes(), mode=0o644)
            answers.append((folder, one))
    return _told(answers, agreed is not None)


def _received(desk: Desk, named: Path, mine: Identity | None, door: Door, bar: Bar) -> tuple[Path, Received]:
    """The folder that was delivered, and the answer to it."""
    from countermark.lifecycle import receive as stage
    from countermark.lifecycle import receive_sealed

    beside = named.with_name(named.name + SEALED) if named.name else named
    if not named.exists() and beside.exists():
        raise Unusable(
            f"{named} is not here, but {beside.name} is", mend=f"countermark receive {beside} --key NAME.sealkey"
        )
    if named.suffix != SEALED or mine is None:
        return named, stage.receive(desk, named, examine=door, progress=bar.files)
    one = receive_sealed.receive(desk, named, mine, examine=door, progress=bar.files)
    return receive_sealed.folder_of(named), one


def _identity(folders: Sequence[Path], key: str | None) -> Identity | None:
    """What opens the sealed ones among the folders; None where there are none."""
    sealed = [folder for folder in folders if folder.suffix == SEALED]
    if sealed and key is None:
        raise Unusable(f"{sealed[0].name} is sealed", mend="--key NAME.sealkey")
    if key is not None and not sealed:
        raise Unusable(
            "--key opens sealed deliveries, and none was named", mend=f"name FOLDER{SEALED}, or leave it out"
        )
    from countermark.cli._sealing import identity

    return identity(key, False, None) if key else None


def contract_of(root: Path, named: Path | None) -> Contract | None:
    """The contract named, else the settings', else ``contract.json`` or ``.toml`` of the workspace; None without one."""
    from countermark.lifecycle import contract
    from countermark.lifecycle.desk import read_file

    chosen = compose.settings(root).contract
    found = next((p for p in (root / "contract.json", root / "contract.toml") if p.is_file()), None)
    path = named or (root / chosen if chosen else found)
    return contract.parse(read_file(path, contract.MAX_BYTES), toml=path.suffix == ".toml") if path else None


def _facts(one: Received) -> dict[str, Any]:
    return {
        "supplier": one.supplier, "state": one.state, "reasons": list(one.reasons), "rows": one.rows,
        "statement": one.parcel.envelope.digest if one.parcel else None,
        "answer": one.answer.envelope.digest if one.answer else None,
        "kept": str(one.folder) if one.folder else None,
    }  # fmt: skip


def _told(answers: list[tuple[Path, Received]], examined: bool) -> Answer:
    refused = [(folder, one) for folder, one in answers if one.state == "refused"]
    admitted = [one for _, one in answers if one.state == "admitted"]
    body: list[Any] = [f"admitted: {one.supplier}, {one.rows} rows" for one in admitted]
    for folder, one in refused:
        more = [f"... and {len(one.reasons) - SHOWN} more"] if len(one.reasons) > SHOWN else []
        why = "\n".join([*one.reasons[:SHOWN], *more])
        aside = f"kept aside in {one.folder}" if one.folder else "only its digest and the reason were kept"
        body.append(Refused(f"{folder} from {one.supplier}", why, f"the supplier delivers again; {aside}"))
    if not examined and admitted:
        body.append("not looked at: row counts and picture sizes, because there is no contract (--contract FILE)")
    rows = sum(one.rows for one in admitted)
    return Answer(
        f"{len(admitted)} admitted ({rows} rows), {len(refused)} refused",
        FOUND if refused else FINE,
        {"deliveries": [{"folder": str(f), **_facts(one)} for f, one in answers], "examined": examined},
        body,
    )


def _listed(desk: Desk, every: list[Received]) -> Answer:
    from countermark.lifecycle import answers
    from countermark.lifecycle.rows import ended

    admitted = {one.parcel.envelope.digest: one for one in every if one.state == "admitted" and one.parcel}
    over = ended(desk, admitted) if admitted else {}
    later, past = answers.then(every), answers.past(desk, every)
    every = [
        replace(one, state=over.get(one.parcel.envelope.digest, one.state)) if one.parcel else one for one in every
    ]
    then = {id(one): later.get(one.parcel.envelope.digest, "") if one.parcel else "" for one in every}
    rows = sorted([
        *((one.supplier, one.sequence, "refused", one.rows, "; ".join(one.reasons[:1]), one.then) for one in past),
        *((one.supplier, one.parcel.delivery.context.sequence if one.parcel else 0, one.state, one.rows,
           "; ".join(one.reasons[:1]), then[id(one)]) for one in every),
    ], key=lambda row: row[:2])  # fmt: skip
    told = [(supplier, number or "", *rest) for supplier, number, *rest in rows]
    return Answer(
        f"{sum(one.state == 'admitted' for one in every)} admitted, "
        f"{sum(one.state == 'refused' for one in every)} refused"
        + (f", {len(over)} withdrawn or replaced" if over else "")
        + (f"; before that {len(past)} refused" if past else ""),
        facts={"deliveries": [_facts(one) | {"then": then[id(one)]} for one in every],
               "refused_before": [asdict(one) | {"reasons": list(one.reasons)} for one in past]},
        body=[Table(("supplier", "delivery", "state", "rows", "first reason", "then"), told)] if told else [],
    )  # fmt: skip
