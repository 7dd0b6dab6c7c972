"""The release log: every key that leaves the broker is an entry of it first, durable before the answer is sent.

An entry is a canonical record with 16 random bytes, so that its hash tells an auditor of other tenants' proofs nothing. What was released, how
often and on which challenge is read back from it at the start: there is no other state that a crash could leave behind.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from countermark.broker.challenges import Challenge
from countermark.broker.evidence import Shown
from countermark.broker.policy import Rule
from countermark.broker.request import Request
from countermark.broker.store import Deposit
from countermark.broker.typed_log import Entry, TypedLog
from countermark.canonical import Fields
from countermark.ledger.receipt import Receipt

Counted = tuple[str, str, str, str]
"""Owner, asset, recipient, licence."""


@dataclass(frozen=True, slots=True)
class Record(Entry):
    """One release.

    Attributes:
        at: POSIX seconds by the broker's clock. challenge, expires: that it was asked on. rule: id of the rule that granted it. policy: hex SHA-256
            of the owner's policy, and its sequence. evidence, host: kind, and who showed it. to: id of the ephemeral key. salt: 16 bytes, hex.
    """

    WHAT: ClassVar[str] = "record of a release"
    VERSION: ClassVar[int] = 1
    at: int
    challenge: str
    expires: int
    owner: str
    asset: str
    recipient: str
    licence: str
    rule: str
    policy: str
    sequence: int
    evidence: str
    host: str
    to: str
    claims: dict[str, str]
    salt: str

    @property
    def counted(self) -> Counted:
        """What a rule's number of releases is counted by: whom they went to, so that a rule that asks otherwise goes on counting."""
        return self.owner, self.asset, self.recipient, self.licence

    @classmethod
    def _read(cls, fields: Fields) -> Record:
        claims: dict[str, Any] = fields.object("claims")
        return cls(
            fields.integer("at"), fields.hex("challenge", size=16), fields.integer("expires"), fields.text("owner"), fields.hex("asset"),
            fields.text("recipient"), fields.hex("licence"), fields.hex("rule"), fields.hex("policy"), fields.integer("sequence", least=1), fields.text("evidence"),
            fields.hex("host"), fields.hex("to"), claims, fields.hex("salt", size=16),
        )  # fmt: skip


def record(now: int, asked: Request, challenge: Challenge, rule: Rule, deposit: Deposit, shown: Shown) -> Record:
    """The record of a release that is about to happen."""
    return Record(
        now, challenge.id, challenge.expires, asked.owner, asked.asset.hex(), asked.recipient, asked.licence, rule.id, deposit.policy_digest, deposit.policy.sequence,
        shown.kind, shown.host, asked.key.id, dict(asked.claims), secrets.token_hex(16),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """What a log says of all releases.

    Attributes:
        used: how many releases there were, by `Record.counted`. sequences: newest policy that gave a key, by owner and asset. spent: challenges
            that were used and have not expired.
    """

    used: Counter[Counted]
    sequences: dict[tuple[str, str], int]
    spent: list[Challenge]


class ReleaseLog(TypedLog[Record]):
    """All releases of one broker."""

    KIND = Record

    def of(self, owner: str) -> Iterator[tuple[Record, Receipt]]:
        """An owner's releases with a receipt each; other owners' show as hashes only."""
        for index, entry in enumerate(self.records()):
            if entry.owner == owner:
                yield entry, self.receipt(index)

    def past(self, now: int) -> Past:
        """What was released until now."""
        used: Counter[Counted] = Counter()
        sequences: dict[tuple[str, str], int] = {}
        spent = []
        for entry in self.records():
            used[entry.counted] += 1
            key = entry.owner, entry.asset
            sequences[key] = max(entry.sequence, sequences.get(key, 0))
            if entry.expires > now:
                spent.append(Challenge(entry.challenge, entry.expires))
        return Past(used, sequences, spent)
