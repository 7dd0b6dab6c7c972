"""The parties of the factory, each in a folder of its own with only its own keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from countermark.keys.document import EVERYTHING
from countermark.lifecycle import enrol, own_keys, trust_draft, trust_pin, trust_sign
from countermark.lifecycle.desk import Desk
from countermark.workspace.place import Workspace

PROJECT = "part-recogniser"
OWNER, PARTNER, TRAINER, REVIEWER, RISK, OPERATOR, PLANT = (
    "manufacturer", "engineering", "trainer", "reviewer", "risk-office", "operator", "plant",
)  # fmt: skip
ROLES: dict[str, tuple[str, ...]] = {
    OWNER: ("data-owner", "model-owner"),
    PARTNER: ("model-owner",),
    TRAINER: ("trainer",),
    REVIEWER: ("reviewer",),
    RISK: ("risk-owner",),
    OPERATOR: ("operator",),
    PLANT: ("licensee",),
}
THRESHOLD = 2
WATCHERS = (PARTNER, PLANT)  # and one supplier


def clock() -> datetime:
    """Wall clock of this machine."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Parties:
    """Everybody's desk, and the fingerprint that they were told.

    Attributes:
        root: folder that holds one folder per party. desks: party id -> desk.
    """

    root: Path
    desks: dict[str, Desk] = field(default_factory=dict)
    fingerprint: str = ""

    def __getitem__(self, party: str) -> Desk:
        return self.desks[party]

    def folder(self, party: str) -> Path:
        """A party's own folder."""
        return self.root / party

    def join(self, party: str, name: str, roles: Sequence[str], *, witness: bool = False) -> Desk:
        """`countermark init PARTY`: a workspace with single-use keys."""
        space = Workspace.create(self.folder(party), {"id": party, "name": name, "organisation": name})
        for use in (*enrol.uses_for(roles, ledger=party == OWNER), *(("witness",) if witness else ())):
            own_keys.new_key(space, use, "ed25519", None)
        self.desks[party] = Desk(space, party, clock)
        return self.desks[party]

    def chain(self) -> Path:
        """The file of trust versions that the owner hands to everybody."""
        return self[OWNER].space.home / "trust" / "chain.jsonl"

    def publish(self) -> None:
        """Both owners sign the draft; the second one hands it back to the first, who publishes it."""
        trust_sign.sign_draft(self[OWNER])
        draft = self[OWNER].space.home / "trust" / f"{trust_draft.DRAFT}.signed"
        handed = self.folder(PARTNER) / "trust-draft.json"
        handed.write_bytes(draft.read_bytes())
        trust_sign.sign_draft(self[PARTNER], handed)
        trust_sign.sign_draft(self[OWNER], handed)
        self.fingerprint = self[OWNER].mark().fingerprint

    def pin(self, *who: str) -> None:
        """`countermark trust pin`: these parties take the newest trust versions."""
        for party in who:
            trust_pin.pin(self[party], self.fingerprint, self.chain())


def found(
    parties: Parties,
    suppliers: Mapping[str, Sequence[str]],
    policy: str,
    watchers: Sequence[str],
    quorum: Callable[[str], str],
) -> None:
    """Make the parties and version 1 of the trust document, signed by both owners.

    Args:
        suppliers: id -> classes it may deliver. policy: digest of the policy that counts. watchers: who witnesses
            the ledger. quorum: from the ledger's origin to the text that says how many of them are enough.
    """
    for party, roles in (ROLES | dict.fromkeys(suppliers, ("supplier",))).items():
        parties.join(party, party.replace("-", " ").title(), roles, witness=party in watchers)
    scopes = {OWNER: (EVERYTHING,), **suppliers}
    enrolled = [
        enrol.enrolment(desk).party(ROLES.get(party, ("supplier",)), scopes.get(party, ()))
        for party, desk in parties.desks.items()
    ]
    drafted = trust_draft.first_draft(parties[OWNER], PROJECT, enrolled, threshold=THRESHOLD, ledger=OWNER)
    trust_draft.name_quorum(parties[OWNER], quorum(drafted.ledger_origin))
    trust_draft.name_policy(parties[OWNER], policy)
    parties.publish()
    parties.pin(*(p for p in parties.desks if p not in (OWNER,)))
