"""A small project to attack: two owners, two suppliers, a stranger, and a clock that the attacker sets.

Keys are derived from names, so that a run repeats byte for byte where nonces do not matter. Tests and the
scripts beside this file build on it; nothing here is part of the program.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from countermark.keys.document import TrustDocument
from countermark.keys.signer import FileSigner
from countermark.keys.verifier import Use
from countermark.lifecycle import enrol, trust_draft, trust_pin, trust_sign
from countermark.lifecycle.deliver import deliver
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Parcel
from countermark.workspace.disk import Disk
from countermark.workspace.place import Workspace

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
OWNER, SECOND, SUPPLIER, OTHER, STRANGER = "manufacturer", "engineering", "acme", "bolts", "evil"
ROLES = {
    OWNER: ("data-owner",),
    SECOND: ("model-owner",),
    SUPPLIER: ("supplier",),
    OTHER: ("supplier",),
    STRANGER: ("supplier",),
}
SCOPES = {OWNER: ("*",), SUPPLIER: ("screw", "nut"), OTHER: ("bolt",)}


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def private_key(name: str, use: Use) -> FileSigner:
    """The same key for the same name and use, always."""
    seed = hashlib.sha256(f"countermark test key: {name}/{use}".encode()).digest()
    if use == "oms":
        return FileSigner(ec.derive_private_key(int.from_bytes(seed) >> 1, ec.SECP256R1()), use)
    return FileSigner(ed25519.Ed25519PrivateKey.from_private_bytes(seed), use)


def make_desk(root: Path, name: str, clock: Callable[[], datetime], disk: Disk | None = None) -> Desk:
    """A party's new workspace with its keys."""
    space = Workspace.create(root / name, {"id": name, "name": name.title(), "organisation": f"{name} Ltd"}, disk)
    for use in enrol.uses_for(ROLES[name], ledger=name == OWNER):
        private_key(name, use).save(space.folder("keys") / f"{use}.pem")
    return Desk(space, name, clock)


@dataclass
class World:
    """The project ``parts``: every enrolled party has pinned version 1."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    desks: dict[str, Desk] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path) -> World:
        """Found the project in a folder; from the second time on, as a copy of the first as it was founded.

        To found it is to sync a hundred files, and every test of the lifecycle wants one.
        """
        shutil.copytree(_founded(), root, dirs_exist_ok=True)
        world = cls(root)
        world.desks = {name: Desk(Workspace(root / name), name, world.clock) for name in ROLES}
        return world

    @classmethod
    def found(cls, root: Path) -> World:
        """Make every workspace and key, and publish version 1 of the trust document."""
        root.mkdir(parents=True, exist_ok=True)
        world = cls(root)
        world.desks = {name: make_desk(root, name, world.clock) for name in ROLES}
        members = [n for n in ROLES if n != STRANGER]
        parties = [enrol.enrolment(world.desks[n]).party(ROLES[n], SCOPES.get(n, ())) for n in members]
        trust_draft.first_draft(world.desks[OWNER], "parts", parties, threshold=2, ledger=OWNER)
        world.publish()
        return world

    def __getitem__(self, name: str) -> Desk:
        return self.desks[name]

    @property
    def fingerprint(self) -> str:
        return self.desks[OWNER].mark().fingerprint

    @property
    def chain(self) -> Path:
        return self.desks[OWNER].space.home / "trust" / "chain.jsonl"

    def publish(self) -> None:
        """Both owners sign the owner's draft; everybody enrolled pins the result."""
        trust_sign.sign_draft(self[OWNER])
        partly = self[OWNER].space.home / "trust" / "draft.json.signed"
        handed = self.root / "draft.signed"
        handed.write_bytes(partly.read_bytes())
        trust_sign.sign_draft(self[SECOND], handed)
        trust_sign.sign_draft(self[OWNER], handed)
        for name in (SECOND, SUPPLIER, OTHER):
            trust_pin.pin(self[name], self.fingerprint, self.chain)

    def amend(self, change: Callable[[TrustDocument], TrustDocument]) -> None:
        """Publish the next trust version."""
        trust_draft.save_draft(self[OWNER], change(trust_draft.draft(self[OWNER])))
        self.publish()

    def parts(self, name: str = "parts", classes: tuple[str, ...] = ("screw", "nut"), each: int = 2) -> Path:
        """A folder per class with a few small files, below the supplier's folder."""
        folder = self.root / SUPPLIER / name
        for label in classes:
            (folder / label).mkdir(parents=True)
            for number in range(each):
                (folder / label / f"{number}.png").write_bytes(f"{name} {label} {number}".encode() * 20)
        return folder

    def delivered(self, folder: Path | None = None, *, by: str = SUPPLIER, to: str = OWNER) -> tuple[Path, Parcel]:
        """A signed delivery of `folder`, or of fresh parts."""
        place = folder or self.parts()
        return place, deliver(self[by], place, addressee=to)


@cache
def _founded() -> Path:
    """A founded project that nobody changes; it goes when the process ends."""
    place = Path(tempfile.mkdtemp(prefix="countermark-world-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    World.found(place)
    return place
