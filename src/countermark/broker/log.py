"""The release log: every key that leaves the broker is an entry of a tile log first, durable before the answer is sent.

Source: C2SP tlog-tiles, as the project's ledger (`docs/reference/formats/ledger.md`). An entry is a canonical record with 16 random bytes, so that
its hash tells an auditor of other tenants' proofs nothing. What was released, how often and on which challenge is read back from it at
the start: there is no other state that a crash could leave behind.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from countermark import canonical
from countermark.broker.challenges import Challenge
from countermark.broker.evidence import Shown
from countermark.broker.policy import Rule
from countermark.broker.request import Request
from countermark.broker.store import Deposit
from countermark.canonical import Fields
from countermark.errors import StatementRefused, Unusable
from countermark.keys.signer import Signer
from countermark.ledger.log import Log
from countermark.ledger.note import MAX_NOTE_BYTES, NoteKey
from countermark.ledger.receipt import Receipt
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.protocol import HEAD
from countermark.ledger.tiles import MAX_ENTRY_BYTES

VERSION = 1
Counted = tuple[str, str, str, str]
"""Owner, asset, recipient, licence."""


@dataclass(frozen=True, slots=True)
class Record:
    """One release.

    Attributes:
        at: POSIX seconds by the broker's clock. challenge, expires: that it was asked on. rule: id of the rule that granted it. policy: hex SHA-256
            of the owner's policy, and its sequence. evidence, host: kind, and who showed it. to: id of the ephemeral key. salt: 16 bytes, hex.
    """

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

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes({"version": VERSION, **{name: getattr(self, name) for name in self.__slots__}})

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(
            canonical.from_bytes(data, what="record of a release", max_bytes=MAX_ENTRY_BYTES), "record of a release"
        )
        if fields.integer("version") != VERSION:
            raise StatementRefused("a record of another version", mend="a newer Countermark may read it")
        claims: dict[str, Any] = fields.object("claims")
        out = cls(
            fields.integer("at"), fields.hex("challenge", size=16), fields.integer("expires"), fields.text("owner"), fields.hex("asset"),
            fields.text("recipient"), fields.hex("licence"), fields.hex("rule"), fields.hex("policy"), fields.integer("sequence", least=1), fields.text("evidence"),
            fields.hex("host"), fields.hex("to"), claims, fields.hex("salt", size=16),
        )  # fmt: skip
        fields.done()
        return out


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


def opened(folder: Path, key: NoteKey, signer: Signer, wait_s: float) -> Log:
    """A log of this broker, open for writing; begun where there is none.

    Raises:
        LedgerRefused: its tiles do not lead to its signed root. Unusable: another process holds it, or it cannot be read.
    """
    try:
        store = FileStore.at(folder)
    except OSError as error:
        raise Unusable(f"cannot open the log {folder}", why=str(error)) from error
    begun = store.read(HEAD, MAX_NOTE_BYTES) is not None
    return (Log.open if begun else Log.create)(store, key, signer.sign, wait_s=wait_s)


class ReleaseLog:
    """The log of one broker, open for writing; one process at a time holds it.

    Attributes:
        key: verifying key of its checkpoints.
    """

    def __init__(self, folder: Path, name: str, signer: Signer, *, wait_s: float = 0.0) -> None:
        """Open the log, or begin it where there is none.

        Raises:
            LedgerRefused: its tiles do not lead to its signed root. Unusable: another process holds it, or it cannot be read.
        """
        self.key = NoteKey(name, signer.public.raw())
        self._log = opened(folder, self.key, signer, wait_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._log.close()

    def append(self, entry: Record) -> Receipt:
        """Enter a release durably; concurrent ones share one commit.

        Raises:
            Unusable: it could not be written; whether it was kept is unknown until the log is opened again.
        """
        return self._log.append([entry.to_bytes()])[0]

    def records(self) -> Iterator[Record]:
        """All releases, oldest first.

        Raises:
            LedgerRefused: an entry is missing. StatementRefused: one is malformed.
        """
        size = self._log.checkpoint.size
        return map(Record.from_bytes, self._log.reader.entries(0, size, size=size))

    def of(self, owner: str) -> Iterator[tuple[Record, Receipt]]:
        """An owner's releases with a receipt each; other owners' show as hashes only."""
        for index, entry in enumerate(self.records()):
            if entry.owner == owner:
                yield entry, self._log.reader.receipt(index)

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
