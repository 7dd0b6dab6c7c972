"""Owners' lists of revoked licences at a broker: a copy of a key that is bound to a licence on one is not given out any more.

A list is the owner's own signed word (`countermark license revoke`), kept as he signed it and verified again when it is read. By which licence keys he is known
is the operator's word, as with tenants. A list grants nothing, it refuses; the newest of a project counts alone, also when it is due for renewal: what an
owner leaves out of his next list, he gives back. Who needs to be sure that it is the newest asks for that in the licence, at the host.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark import canonical, dsse
from countermark.broker.policy import OWNER
from countermark.broker.stamp import Stamp, stamp
from countermark.canonical import Fields
from countermark.errors import PolicyRefused, Refusal, SignatureRefused, StatementRefused, Unusable
from countermark.keys.verifier import PublicKey, verify_envelope
from countermark.ledger.stores.disk import OsDisk
from countermark.licence.refusal import LicenceRefused
from countermark.licence.word import MOST_LIST_BYTES
from countermark.statement.predicates.licence import LICENCE_LIST, RevokedLicences
from countermark.statement.statement import Statement
from countermark.workspace.disk import Disk

FORMAT = 1
FOLDER, LOCK, WAIT_S = "revoked", "lock", 10.0
MOST_BYTES = 2 * MOST_LIST_BYTES
MOST_KEYS, MOST_PROJECTS = 64, 64
_MEND = "the operator keeps the owner's newest list again: `countermark broker revoked`"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One file: the owner, his licence keys, and the list as he signed it."""

    owner: str
    keys: tuple[PublicKey, ...]
    envelope: dsse.Envelope

    def to_bytes(self) -> bytes:
        return canonical.to_bytes({
            "format": FORMAT, "owner": self.owner, "keys": [key.to_json() for key in self.keys], "list": canonical.from_bytes(self.envelope.to_bytes()),
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> _Kept:
        fields = Fields(canonical.from_bytes(data, what="revoked", max_bytes=MOST_BYTES), "revoked")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a list of revoked licences of another format")
        keys = tuple(PublicKey.from_json(key) for key in fields.items("keys"))
        out = cls(fields.text("owner", most=64), keys, dsse.Envelope.from_json(fields.object("list"), what="list"))
        fields.done()
        return out

    def verified(self) -> RevokedLicences:
        """What the list says.

        Raises:
            SignatureRefused: a key of another use, or it is not signed by one of them. StatementRefused: malformed, or longer than hosts read.
        """
        if not 1 <= len(self.keys) <= MOST_KEYS or any(key.use != "licence" for key in self.keys):
            raise SignatureRefused(
                f"an owner has 1 to {MOST_KEYS} licence keys", mend="the public half of his licence.pem"
            )
        verify_envelope(self.envelope, {key.id: key for key in self.keys})
        payload = self.envelope.statement_bytes()
        if len(payload) > MOST_LIST_BYTES:
            raise StatementRefused(
                f"a list of {len(payload)} bytes", why=f"at most {MOST_LIST_BYTES} are read, here and by hosts"
            )
        statement = Statement.from_bytes(payload, what="list of revoked licences")
        if statement.predicate_type != LICENCE_LIST:
            raise StatementRefused("this statement is no list of revoked licences", why=statement.predicate_type)
        return RevokedLicences.from_json(statement.predicate)


class Revoked:
    """The newest list of each owner and project, as files; taken while the broker runs. Threads may share it."""

    def __init__(self, home: Path, disk: Disk | None = None) -> None:
        self._folder, self._disk = home / FOLDER, disk or Disk()
        self._read: dict[str, tuple[Stamp, RevokedLicences]] = {}

    def keep(self, owner: str, data: bytes, keys: Sequence[PublicKey]) -> RevokedLicences:
        """Keep an owner's list.

        Args:
            data: its signed envelope. keys: his licence keys, as the operator knows them.

        Raises:
            StatementRefused, SignatureRefused: it does not hold. PolicyRefused: it is older than what is here, or another one of the same number. Unusable: it cannot be written.
        """
        if not OWNER.fullmatch(owner):
            raise StatementRefused(f"{owner!r:.80} names no owner", mend="1 to 64 of a-z, 0-9 and dash")
        new = _Kept(owner, tuple(keys), dsse.Envelope.from_bytes(data.strip(), what="list of revoked licences"))
        said = new.verified()
        folder = self._disk.folder(self._folder / owner)
        with OsDisk(folder, mode=0o600).lock(LOCK, WAIT_S):
            path = folder / f"{said.context.project}.json"
            before = self._before(owner, str(path))
            if before is not None and (
                said.epoch < before.epoch or (said.epoch == before.epoch and said.licences != before.licences)
            ):
                raise PolicyRefused(
                    "this broker has a newer list of revoked licences, or another one of that number",
                    why=f"epoch {before.epoch}; offered is {said.epoch}",
                    mend="bring the owner's newest: `countermark license revoke --renew`",
                )
            if before is None and len(_files(folder)) >= MOST_PROJECTS:
                raise StatementRefused(f"lists of more than {MOST_PROJECTS} projects of one owner")
            self._disk.write(path, new.to_bytes())
        return said

    def _before(self, owner: str, path: str) -> RevokedLicences | None:
        """What is here, so far as it holds: a list that does not is replaced."""
        try:
            return self._said(owner, path)
        except Unusable:
            return None

    def refuse(self, owner: str, licence: str) -> None:
        """Refuse a licence that its owner revoked.

        Args:
            licence: payload digest that the copy is bound to, hex.

        Raises:
            LicenceRefused: ``revocation``. Unusable: a list does not hold any more, so that nobody can tell.
        """
        for path in _files(self._folder / owner):
            said = self._said(owner, path)
            if licence in said.licences:
                raise LicenceRefused("revocation", expected="a licence that stands", seen=f"{licence[:16]} was revoked (epoch {said.epoch})",
                                     mend="ask the licensor for a new licence")  # fmt: skip

    def _said(self, owner: str, path: str) -> RevokedLicences:
        try:
            seen = stamp(path)
            kept = self._read.get(path)
            if kept is not None and kept[0] == seen:
                return kept[1]
            with open(path, "rb") as file:
                found = _Kept.from_bytes(file.read(MOST_BYTES + 1))
            said = found.verified()
            if (found.owner, f"{said.context.project}.json") != (owner, os.path.basename(path)):
                raise StatementRefused("it lies under another owner's or project's name")
        except (OSError, Refusal) as error:
            why = error.what if isinstance(error, Refusal) else str(error)
            raise Unusable("a list of revoked licences does not hold", why=why, mend=_MEND) from error
        self._read[path] = seen, said
        return said


def _files(folder: Path) -> list[str]:
    """As text, because they are looked at for each release that a licence binds."""
    try:
        return sorted(f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".json"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unusable("lists of revoked licences cannot be read", why=str(error), mend=_MEND) from error
