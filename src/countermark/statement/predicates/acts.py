"""Acts of people: approval, waiver, withdrawal, revocation snapshot and guard delegation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from countermark.canonical import Fields
from countermark.keys.document import moment
from countermark.keys.verifier import PublicKey
from countermark.statement.statement import Context, predicate_type

APPROVAL = predicate_type("approval")
WAIVER = predicate_type("waiver")
REVOCATION = predicate_type("revocation")
WITHDRAWAL = predicate_type("withdrawal")
DELEGATION = predicate_type("delegation")
MOST_WAIVER_DAYS = 90


@dataclass(frozen=True, slots=True)
class Approval:
    """A reviewer has looked at the subject and at this training statement, and approves."""

    context: Context
    training: str
    note: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {"context": self.context.to_json(), "training": self.training, "note": self.note}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Approval:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "approval")
        out = cls(Context.from_json(fields.object("context")), fields.hex("training"), fields.text("note"))
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Waiver:
    """A named role accepts that one check does not pass for one subject, until a date."""

    context: Context
    check: str
    until: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {"context": self.context.to_json(), "check": self.check, "until": self.until, "reason": self.reason}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Waiver:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "waiver")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.text("check"),
            fields.text("until"),
            fields.text("reason"),
        )
        fields.done()
        moment(out.until), moment(out.context.time)
        return out

    def keeps_the_limit(self, by: datetime | None = None) -> bool:
        """Whether it keeps to the 90 days between its own time and its end.

        Args:
            by: when a quorum had seen it: a waiver that claims a later time was made by then all the same.
        """
        claimed = moment(self.context.time)
        return moment(self.until) - min(claimed, by or claimed) <= timedelta(days=MOST_WAIVER_DAYS)


@dataclass(frozen=True, slots=True)
class Successor:
    """What replaces a revoked verdict.

    Attributes:
        entry: ledger entry of the verdict that was superseded. verdict: payload digest of the one that admits what
            replaces it, hex. model: tree digest of that model, hex.
    """

    entry: int
    verdict: str
    model: str

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"entry": self.entry, "verdict": self.verdict, "model": self.model}

    @classmethod
    def from_json(cls, value: Any) -> Successor:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "successor")
        out = cls(fields.integer("entry"), fields.hex("verdict"), fields.hex("model"))
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Revocations:
    """The owners' snapshot: as of this ledger size, the statements at these entries no longer count.

    Entries are named by ledger index, so that a licensee can match what it only knows as a commitment. Keys
    are revoked in the trust document; the snapshot names the trust version it was made under. `successors` tells what
    replaces verdicts among the entries; `statements` are the payload digests of what was entered there, so that a second
    entry of the same statement counts for nothing either. The two fields are left out where there are none.
    """

    context: Context
    tree_size: int
    root: str
    trust_version: int
    entries: tuple[int, ...]
    next_update: str
    successors: tuple[Successor, ...] = ()
    statements: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        newer: dict[str, Any] = {"successors": [s.to_json() for s in self.successors]} if self.successors else {}
        newer |= {"statements": list(self.statements)} if self.statements else {}
        return newer | {
            "context": self.context.to_json(),
            "treeSize": self.tree_size,
            "root": self.root,
            "trustVersion": self.trust_version,
            "entries": list(self.entries),
            "nextUpdate": self.next_update,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Revocations:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "revocation snapshot")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.integer("treeSize"),
            fields.hex("root"),
            fields.integer("trustVersion", least=1),
            fields.integers("entries"),
            fields.text("nextUpdate"),
            tuple(map(Successor.from_json, fields.items("successors"))) if fields.optional("successors") else (),
            _digests(fields.texts("statements")) if fields.optional("statements") else (),
        )
        fields.done()
        moment(out.next_update)
        return out


def _digests(given: tuple[str, ...]) -> tuple[str, ...]:
    """Hex SHA-256 each.

    Raises:
        StatementRefused: one is not.
    """
    for digest in given:
        Fields({"statement": digest}, "revocation snapshot: statements").hex("statement")
    return given


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An owner, or its signer, says that one logged statement no longer counts.

    Attributes:
        statement: hex SHA-256 of the payload withdrawn; which ledger entry that is, the ledger says, not its signer.
        reason: for every reader. successor: payload digest of the verdict that replaces it, or None.
    """

    context: Context
    statement: str
    reason: str
    successor: str | None

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "statement": self.statement,
            "reason": self.reason,
            "successor": self.successor,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Withdrawal:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "withdrawal")
        out = cls(
            Context.from_json(fields.object("context")),
            fields.hex("statement"),
            fields.text("reason"),
            fields.optional_hex("successor"),
        )
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Delegation:
    """The operator lets a guard key sign answers of one model, for at most seven days."""

    context: Context
    key: PublicKey
    not_before: str
    not_after: str

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        return {
            "context": self.context.to_json(),
            "key": self.key.to_json(),
            "notBefore": self.not_before,
            "notAfter": self.not_after,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Delegation:
        """Parse strictly.

        Raises:
            StatementRefused, SignatureRefused: malformed.
        """
        fields = Fields(value, "delegation")
        out = cls(
            Context.from_json(fields.object("context")),
            PublicKey.from_json(fields.object("key")),
            fields.text("notBefore"),
            fields.text("notAfter"),
        )
        fields.done()
        return out
