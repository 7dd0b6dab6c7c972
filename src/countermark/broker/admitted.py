"""Which meters a broker keeps: admitted by its operator from the licence itself, as files that a running broker sees at once.

The digest of a payload says which keys stand in it, so that a file that nobody signed opens a meter that no host's licence asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from countermark import canonical
from countermark.canonical import Fields
from countermark.dsse import Envelope
from countermark.errors import PolicyRefused, StatementRefused, Unusable
from countermark.keys.verifier import verify_envelope
from countermark.ledger.note import NoteKey
from countermark.ledger.stores.disk import OsDisk
from countermark.licence import chain as chains
from countermark.statement.predicates.licence import LICENCE, Licence
from countermark.statement.statement import Statement
from countermark.workspace.disk import Disk

FORMAT = 1
FOLDER, SUFFIX, LOCK = "meters", ".json", "lock"
MOST_HOSTS, MOST_BYTES = 64, 16 << 10
WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter as it was admitted.

    Attributes:
        licence: payload digest of the owner's grant, hex. hosts: ids of the keys that may draw, hex. ended: whether none may any more.
    """

    licence: str
    hosts: frozenset[str]
    ended: bool = False

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(
            {"format": FORMAT, "licence": self.licence, "hosts": sorted(self.hosts), "ended": self.ended}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Meter:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(canonical.from_bytes(data, what="meter", max_bytes=MOST_BYTES), "meter")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a meter of another format", mend="a newer Countermark may read it")
        out = cls(fields.hex("licence"), frozenset(fields.texts("hosts")), fields.boolean("ended"))
        fields.done()
        return out


def of_licence(data: bytes, broker: NoteKey) -> Meter:
    """The meter of a licence file: the hosts of all links that name this broker.

    The digest of the first says whose key it is that signed the second, and so on, so that nobody adds hosts to another's licence.

    Raises:
        StatementRefused: malformed. SignatureRefused: a link was not signed by the licensee above. PolicyRefused: no link names this broker.
    """
    envelopes = chains.from_file(data)
    hosts: set[str] = set()
    links = [_link(envelope) for envelope in envelopes]
    for (above, signed), (link, envelope) in pairwise(zip(links, envelopes, strict=True)):
        if link.parent != signed.digest:
            raise StatementRefused(
                "the links of this licence do not stand in order", mend="the owner's grant is the first"
            )
        key = above.claims.licensee.key
        verify_envelope(envelope, {key.id: key})
    for link in links:
        binding = link.claims.host
        if binding is not None and binding.broker == broker.vkey():
            hosts |= {key.id for key in binding.keys}
    if not 1 <= len(hosts) <= MOST_HOSTS:
        raise PolicyRefused("this licence does not name this broker", why=f"expected {broker.vkey()}",
                            mend="the licensor grants it with `--meter` and this broker's .vkey")  # fmt: skip
    return Meter(envelopes[0].digest, frozenset(hosts))


def _link(envelope: Envelope) -> Licence:
    statement = Statement.from_bytes(envelope.statement_bytes(), what="licence")
    if statement.predicate_type != LICENCE:
        raise StatementRefused("this statement is no licence", why=statement.predicate_type)
    return Licence.from_json(statement.predicate)


class Admitted:
    """Which meters there are, as files; taken while the broker runs. What they are at is the log's."""

    def __init__(self, home: Path, disk: Disk | None = None) -> None:
        self._folder, self._disk = home / FOLDER, disk or Disk()

    def find(self, licence: str) -> Meter | None:
        """The meter of a licence, or None.

        Raises:
            StatementRefused: malformed, or another licence's. Unusable: unreadable.
        """
        try:
            with (self._folder / f"{licence}{SUFFIX}").open("rb") as file:
                found = Meter.from_bytes(file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable("a meter cannot be read", why=error.strerror or str(error)) from error
        if found.licence != licence:
            raise StatementRefused(
                "a meter lies under another licence's name", why=f"expected {licence}, seen {found.licence}"
            )
        return found

    def names(self) -> list[str]:
        """Licences that there is a file of."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}"))

    def admit(self, meter: Meter) -> Meter:
        """Keep a meter; hosts are added to those that it had. One that was ended stays so.

        Raises:
            StatementRefused: too many hosts. Unusable: it cannot be written, or another process is at it for too long.
        """
        folder = self._disk.folder(self._folder)
        with OsDisk(folder, mode=0o600).lock(LOCK, WAIT_S):  # or of two at once the later would undo the other's end
            before = self.find(meter.licence)
            new = (
                meter
                if before is None
                else replace(meter, hosts=before.hosts | meter.hosts, ended=before.ended or meter.ended)
            )
            if len(new.hosts) > MOST_HOSTS:
                raise StatementRefused(f"a meter of {len(new.hosts)} hosts", why=f"at most {MOST_HOSTS}")
            self._disk.write(folder / f"{new.licence}{SUFFIX}", new.to_bytes())
        return new
