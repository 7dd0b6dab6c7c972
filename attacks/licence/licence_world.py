"""A licensor and its licensees to attack: a model owner, a data owner who co-signs, plants with keys, a clock that the attacker sets.

Tests, benchmarks and the scripts beside this file build on it; nothing here is part of the program.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from core_world import OWNER, SECOND, START, World, private_key

from countermark import dsse
from countermark.errors import Unusable
from countermark.keys.signer import FileSigner, sign_envelope
from countermark.keys.trust import Trust
from countermark.licence import chain as chains
from countermark.licence.anchors import ZERO, Anchor, Anchored, Elements, Ticks, extended
from countermark.licence.carried import Words
from countermark.licence.chain import Chain
from countermark.licence.decide import Request
from countermark.licence.host import KeyProver, KeyVerifier, ProvenHost
from countermark.licence.tenure import Tenure
from countermark.lifecycle import enrol
from countermark.statement.predicates.beacon import BEACON, RESET, Beacon, Reset
from countermark.statement.predicates.licence import LICENCE, LICENCE_LIST, Licence, RevokedLicences
from countermark.statement.predicates.licence_claims import (
    USES,
    Claims,
    Lease,
    Licensee,
    Quota,
    Revocation,
    Subject,
    Sublicense,
)
from countermark.statement.predicates.licence_host import HostBinding
from countermark.statement.statement import Context, Statement
from countermark.workspace.place import Workspace

DAY = 86_400
MODEL = "5" * 64
STAMP = "%Y-%m-%dT%H:%M:%SZ"
BEGIN = int(START.timestamp())


def key(name: str) -> FileSigner:
    """The same licence key for the same name, always."""
    return private_key(name, "licence")


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(STAMP)


def lease(days: float = 30, grace: float = 7, on_lapse: str = "refuse") -> Lease:
    return Lease(int(days * DAY), int(grace * DAY), on_lapse, key("time").public)  # type: ignore[arg-type]


def claims(to: str = "plant", **more: Any) -> Claims:
    """A generous licence; what is named replaces a claim."""
    base = Claims(
        Licensee(to, f"{to} Ltd", key(to).public), Subject(MODEL), stamp(BEGIN), stamp(BEGIN + 3650 * DAY), uses=frozenset(USES) - {"train-on"},
        field_of_use=frozenset({"*"}), territory=frozenset({"*"}), max_loads=None, max_queries=None, max_hosts=None,
        host=HostBinding("none"), lease="none", revocation="none", sublicense=Sublicense(7, frozenset(USES) - {"train-on"}),
        derivatives="free", transfer=True,
    )  # fmt: skip
    return replace(base, **more)


@dataclass
class Licensors:
    """The project ``parts`` whose owners have licence keys."""

    world: World

    @classmethod
    def make(cls, root: Path) -> Licensors:
        world = World.make(root)
        for name in (OWNER, SECOND):
            key(name).save(world[name].space.folder("keys") / "licence.pem")
        parties = [
            enrol.enrolment(world[n]).party(
                world[n].trust().document.party(n).roles, world[n].trust().document.party(n).scope
            )
            for n in (OWNER, SECOND)
        ]
        world.amend(lambda d: d.with_party(parties[0]).with_party(parties[1]))
        return cls(world)

    @property
    def trust(self) -> Trust:
        return self.world[SECOND].trust()

    def context(self, to: str = "plant", at: float = BEGIN) -> Context:
        return Context(self.trust.fingerprint, to, stamp(at))

    def grant(
        self, said: Claims, *, at: float = BEGIN, by: Sequence[str] = (SECOND,), parent: str | None = None
    ) -> dsse.Envelope:
        """A licence signed by the keys of these names."""
        predicate = Licence(self.context(said.licensee.party, at), parent, said)
        return self.sign("licence", said.subject.digest, LICENCE, predicate.to_json(), *by)

    def sign(self, name: str, digest: str, kind: str, predicate: dict[str, Any], *by: str) -> dsse.Envelope:
        return sign_envelope(dsse.IN_TOTO, Statement(name, digest, kind, predicate).to_bytes(), [key(n) for n in by])

    def chain(self, *said: Claims) -> list[dsse.Envelope]:
        """The owner's grant, then sublicences, each signed by the licensee above."""
        out = [self.grant(said[0])]
        for above, below in itertools.pairwise(said):
            out.append(self.grant(below, by=(above.licensee.party,), parent=out[-1].digest))
        return out

    def beacon(self, at: float, *, epoch: int = 0, answers: str = "", by: str = "time") -> bytes:
        said = Beacon(self.context("*", at), epoch, answers)
        return self.sign("beacon", self.trust.fingerprint, BEACON, said.to_json(), by).to_bytes() + b"\n"

    def revocations(self, epoch: int, *licences: str, at: float = BEGIN, days: float = 30, by: str = SECOND) -> bytes:
        said = RevokedLicences(self.context("*", at), epoch, frozenset(licences), stamp(at + days * DAY))
        return self.sign("revoked", self.trust.fingerprint, LICENCE_LIST, said.to_json(), by).to_bytes() + b"\n"

    def reset(self, code: str, to: float, *, at: float | None = None, root: str = SECOND) -> bytes:
        said = Reset(self.context("*", to if at is None else at), code, stamp(to), "the clock's battery died")
        statement = Statement("reset", self.trust.fingerprint, RESET, said.to_json())
        return sign_envelope(dsse.IN_TOTO, statement.to_bytes(), [private_key(root, "root")]).to_bytes() + b"\n"


@dataclass
class Chip:
    """A stand-in for a TPM: a clock of powered-on time and an extend-only index that no snapshot of the host takes along.

    It has the semantics of TPM2_ReadClock and of an NV index of the type TPM2_NT_EXTEND; the real thing is opened by `keys`.
    """

    name: str = "stand-in chip"
    count: int = 0
    head: bytes | None = ZERO
    milliseconds: int = 1000
    resets: int = 0
    safe: bool = True
    fails: int = 0

    def read(self) -> Anchored:
        return Anchored(self.count, self.head)

    def advance(self, entry: bytes) -> Anchored:
        if self.fails:
            self.fails -= 1
            raise Unusable("the chip is gone")
        self.count, self.head = self.count + 1, None if self.head is None else extended(self.head, entry)
        return self.read()

    def ticks(self) -> Ticks:
        return Ticks(self.milliseconds, self.resets, self.safe, "c" * 64)


@dataclass
class Host:
    """A licensee's machine: its files, its clock, what was carried to it, and a chip where it has one."""

    root: Path
    licensors: Licensors
    chain: Chain
    now: float = BEGIN
    ran: float = 0.0
    boots: int = 1
    words: Words = field(default_factory=Words)
    chip: Chip | None = None
    signer: FileSigner | None = None
    block: int = 1000
    anchor: Anchor | None = None
    true: float = BEGIN

    @property
    def space(self) -> Workspace:
        (self.root / ".countermark").mkdir(parents=True, exist_ok=True)
        return Workspace(self.root)

    def sleep(self, days: float = 0, seconds: float = 0, *, clock: bool = True) -> None:
        """Time goes by while the machine runs; its clock may be held."""
        span = days * DAY + seconds
        self.ran, self.true = self.ran + span, self.true + span
        self.now += span if clock else 0
        if self.chip:
            self.chip.milliseconds += int(span * 1000)

    def reboot(self) -> None:
        """The machine begins anew: what it counted since its last beginning is gone."""
        self.boots, self.ran = self.boots + 1, 0.0

    def tenure(self) -> Tenure:
        """A process that uses the licence begins."""
        elements = Elements(
            self.anchor or self.chip, self.chip,
            {k: KeyProver([self.signer]) for k in ("software-key", "pkcs11-key")} if self.signer else {},  # type: ignore[misc]
            {"software-key": KeyVerifier(), "pkcs11-key": KeyVerifier()},
        )  # fmt: skip
        return Tenure(
            self.space, self.chain, self.licensors.trust, clock=lambda: self.now, elapsed=lambda: self.ran,
            words=lambda: self.words, elements=elements, block=self.block, boot=f"boot-{self.boots}",
        )  # fmt: skip

    def request(self, use: str = "infer", **more: Any) -> Request:
        return Request(use, self.chain.claims.subject, ProvenHost("none"), **more)

    def load(self) -> Tenure:
        """Start a process and load."""
        tenure = self.tenure()
        tenure.load(replace(self.request(), host=tenure.host()))
        return tenure

    def snapshot(self, to: Path) -> None:
        """Copy all files of the machine, as a backup or a hypervisor does; the chip is not among them."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.root, to)

    def restore(self, kept: Path) -> None:
        shutil.rmtree(self.root)
        shutil.copytree(kept, self.root)


def host(root: Path, licensors: Licensors, *said: Claims, chip: Chip | None = None, **more: Any) -> Host:
    """A machine with a verified chain."""
    verified = chains.verify(licensors.chain(*said), licensors.trust, licensors.world.clock.now + timedelta(0))
    return Host(root, licensors, verified, chip=chip, **more)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


__all__ = [
    "BEGIN",
    "DAY",
    "MODEL",
    "Chip",
    "Host",
    "Licensors",
    "Quota",
    "Revocation",
    "claims",
    "host",
    "key",
    "lease",
    "stamp",
]
