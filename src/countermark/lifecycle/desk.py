"""A party at its desk: workspace, clock, keys and trust, as every stage needs them.

Only `compose` makes a desk. Stages take one and never read settings, clocks or environment.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import TrustRefused, Unusable
from countermark.keys.trust import Signed, Trust, verify_chain
from countermark.keys.verifier import Use
from countermark.statement.statement import Context, Statement
from countermark.workspace.place import Workspace

if TYPE_CHECKING:
    from countermark.keys.signer import Signer
    from countermark.workspace.index import Index

Clock = Callable[[], datetime]
Passphrase = Callable[[str], bytes | None]
OpenIndex = Callable[[Workspace], "Index"]
MAX_ENVELOPE_BYTES = 64 << 20
CHAIN, MARK, MARK_LOCK = "chain.jsonl", "mark.json", "mark.lock"


def no_passphrase(_key: str) -> bytes | None:
    """The default: keys without a passphrase."""
    return None


def embedded(space: Workspace) -> Index:
    """The default: an index in a file of the workspace."""
    from countermark.workspace.index_sqlite import SqliteIndex  # who only verifies opens no database

    return SqliteIndex(space.home / "index.sqlite")


@dataclass(frozen=True, slots=True)
class Mark:
    """What this party has seen and will never go behind: trust version, ledger size and root.

    Attributes:
        ledger: id of the ledger key that signed the head; "" in marks of before it was kept. A head that the
            owners disown together with its key is forgotten, nothing else ever is.
    """

    fingerprint: str
    version: int = 1
    size: int = 0
    root: str = ""
    ledger: str = ""

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        said = {"fingerprint": self.fingerprint, "version": self.version, "size": self.size, "root": self.root}
        return canonical.to_bytes(said | ({"ledger": self.ledger} if self.ledger else {}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Mark:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="trust mark"), "trust mark")
        out = cls(
            fields.hex("fingerprint"), fields.integer("version"), fields.integer("size"), fields.text("root"),
            fields.optional_text("ledger") or "",
        )  # fmt: skip
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a stage may use."""

    space: Workspace
    party: str
    clock: Clock
    passphrase: Passphrase = no_passphrase
    index: OpenIndex = embedded
    ledger_url: str = ""

    def now(self) -> datetime:
        """The clock, in UTC and whole seconds."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def stamp(self) -> str:
        """`now` as RFC 3339."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def signer(self, use: Use) -> Signer:
        """This party's key for one use.

        Raises:
            Unusable, SignatureRefused: no such key here, or it cannot be opened.
        """
        from countermark.keys import held  # who only verifies opens no key

        return held.keys(self.space.home / "keys", use)[0].open(self.passphrase)

    def signers(self, use: Use) -> list[Signer]:
        """All that sign for one use: the key, and the second one of a hybrid pair.

        Raises:
            As `signer`.
        """
        from countermark.keys import held

        return [key.open(self.passphrase) for key in held.keys(self.space.home / "keys", use)]

    def sign(self, statement: Statement, use: Use = "statement") -> dsse.Envelope:
        """Sign a statement with this party's key, or with both of a hybrid pair."""
        from countermark.keys.signer import sign_envelope

        return sign_envelope(dsse.IN_TOTO, statement.to_bytes(), self.signers(use))

    def context(self, addressee: str, sequence: int = 0, previous: str | None = None) -> Context:
        """Context of a new statement in this project."""
        return Context(self.mark().fingerprint, addressee, self.stamp(), sequence, previous)

    def mark(self) -> Mark:
        """The pinned fingerprint and what was seen since.

        Raises:
            TrustRefused: nothing was pinned yet.
        """
        try:
            return Mark.from_bytes((self.space.home / "trust" / MARK).read_bytes())
        except FileNotFoundError as error:
            raise TrustRefused(
                "this workspace trusts nobody yet", mend="`countermark trust pin FINGERPRINT --trust FILE`"
            ) from error

    def pinned(self) -> bool:
        """Whether this workspace trusts a project."""
        return (self.space.home / "trust" / MARK).exists()

    def remember(
        self, *, version: int = 0, size: int = 0, root: str = "", ledger: str = "", trust: Trust | None = None
    ) -> Mark:
        """Move the mark forward; what lies behind it changes nothing.

        Args:
            version: trust version seen. size, root: ledger size seen, with its root in hex. ledger: id of the key that
                signed that head. trust: verified trust document that may disown the head remembered.

        Raises:
            TrustRefused: nothing was pinned, or the ledger showed two roots for one size.
        """
        with self.space.lock(MARK_LOCK):
            seen = self.mark()
            old = replace(seen, size=0, root="", ledger="") if trust and trust.disowns(seen.ledger, seen.size) else seen
            if size and size == old.size and root != old.root:
                raise TrustRefused(
                    f"there are two ledgers of size {size}", why=f"seen before {old.root}, seen now {root}",
                    mend="its operator showed two histories: ask the other parties which one they saw",
                )  # fmt: skip
            newest = replace(old, size=size, root=root, ledger=ledger) if size > old.size else old
            mark = replace(newest, version=max(version, old.version))
            if mark != seen:
                self.space.disk.write(self.space.home / "trust" / MARK, mark.to_bytes())
            return mark

    def trust(self, *, expired: bool = False) -> Trust:
        """The newest trust document here, verified against the pin and the mark.

        Args:
            expired: whether an expired one will do, as for owners who renew it.

        Raises:
            TrustRefused, SignatureRefused, StatementRefused: it does not hold.
        """
        mark = self.mark()
        trust = verify_chain(
            read_chain(self.space.home / "trust" / CHAIN),
            mark.fingerprint,
            None if expired else self.now(),
            least_version=mark.version,
        )
        if trust.document.version > mark.version:
            self.remember(version=trust.document.version)
        return trust

    def verify(self, trust: Trust, envelope: dsse.Envelope, *roles: str, leaf: int | None = None) -> Signed:
        """Verify a statement's signature and that its signer holds one of `roles`, where any are named.

        Raises:
            SignatureRefused, TrustRefused, StatementRefused: it does not hold.
        """
        envelope.statement_bytes()
        signed = trust.verify(envelope, "statement", self.now(), leaf=leaf)
        return trust.require(signed, *roles) if roles else signed


def read_chain(path: Path) -> tuple[dsse.Envelope, ...]:
    """Trust versions, oldest first, one envelope a line.

    Raises:
        Unusable: no such file. StatementRefused: malformed.
    """
    lines = read_file(path).splitlines()
    return tuple(dsse.Envelope.from_bytes(line, what=f"{path.name}, line {n}") for n, line in enumerate(lines, 1))


def chain_bytes(envelopes: Sequence[dsse.Envelope]) -> bytes:
    """The form `read_chain` reads."""
    return b"".join(e.to_bytes() + b"\n" for e in envelopes)


def read_file(path: Path, most: int = MAX_ENVELOPE_BYTES) -> bytes:
    """Bytes of a file that another party handed over; pipes and devices, which could stall us, are refused.

    Raises:
        Unusable: missing, unreadable, no plain file, or larger than `most`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(descriptor)
            plain = stat.S_ISREG(status.st_mode)
            with open(descriptor, "rb", closefd=False) if plain else io.BytesIO() as file:
                data = file.read(min(status.st_size, most) + 1)  # so much is set aside before a byte is read
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error), mend="check the path") from error
    if not plain:
        raise Unusable(f"cannot read {path}", why="it is no plain file", mend="check the path")
    if len(data) > most:
        raise Unusable(f"{path} is larger than {most} bytes", mend="check that it is the right file")
    return data


def read_envelope(path: Path) -> dsse.Envelope:
    """One envelope from a file.

    Raises:
        Unusable, StatementRefused: missing, too large, malformed.
    """
    return dsse.Envelope.from_bytes(read_file(path), what=path.name)
