"""A project whose suppliers deliver real pictures one folder after the other, to be screened in between.

Nothing here is part of the program.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import made_up_parts
import numpy as np
from core_world import OWNER, STRANGER, World, private_key
from PIL import Image

from countermark.keys.document import TrustDocument
from countermark.lifecycle import enrol, trust_pin
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.receive import receive
from countermark.workspace.place import Workspace


def join(place: Path, suppliers: Iterable[str], classes: Iterable[str]) -> World:
    """A new project with these suppliers, each of whom may deliver all these classes."""
    world, scopes = World.make(place), tuple(sorted(classes))
    for name in suppliers:
        space = Workspace.create(world.root / name, {"id": name, "name": name, "organisation": f"{name} Ltd"})
        private_key(name, "statement").save(space.folder("keys") / "statement.pem")
        world.desks[name] = Desk(space, name, world.clock)
    parties = [enrol.enrolment(world[name]).party(("supplier",), scopes) for name in suppliers]

    def everybody(document: TrustDocument) -> TrustDocument:
        for party in parties:
            document = document.with_party(party)
        return document

    world.amend(everybody)
    for name in world.desks:
        if name not in (OWNER, STRANGER):
            trust_pin.pin(world[name], world.fingerprint, world.chain)
    return world


def send(world: World, supplier: str, folder: Path) -> str:
    """Copy a folder (one folder a class) to the supplier, deliver it, and have it admitted; its digest.

    Raises:
        RuntimeError: it was refused.
    """
    sent = world.root / supplier / f"photos-{len(list((world.root / supplier).glob('photos-*'))):02}"
    shutil.copytree(folder, sent)
    parcel = deliver(world[supplier], sent, addressee=OWNER)
    answer = receive(world[OWNER], sent)
    if answer.state != "admitted":
        raise RuntimeError(f"{supplier} was refused: {answer.reasons}")
    world.clock.move(minutes=5)
    return parcel.envelope.digest


def photographed(place: Path, data: made_up_parts.MadeUp, supplier: str, rows: np.ndarray) -> Path:
    """A folder of some of a made-up supplier's pictures."""
    for number in rows:
        (place / data.label[number]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number]).save(place / data.label[number] / f"{supplier}-{number:05}.png")
    return place
