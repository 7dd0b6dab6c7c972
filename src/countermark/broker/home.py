"""A broker's folder: its name, its root sealing key (a file or a place in a token), the key of its log, what it was told, what it released.

broker.json   name, and the URI of the root key where it is in a token      root.sealkey   the root key otherwise
log.pem       signs the release log's checkpoints      challenge.key   of challenges that travel as files
tenants/  deposits/  revoked/  collateral/  log/  meters/  meter-log/
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from countermark import canonical
from countermark.broker.admitted import Admitted
from countermark.broker.challenges import SECRET_BYTES
from countermark.broker.log import ReleaseLog
from countermark.broker.meter_log import MeterLog
from countermark.broker.meters import Meters
from countermark.broker.store import Deposits
from countermark.canonical import Fields
from countermark.errors import StatementRefused, Unusable
from countermark.keys import signer
from countermark.ledger.note import NoteKey
from countermark.seal import hpke, keyfile, registry
from countermark.seal.keyfile import PublicHalf
from countermark.seal.stanza import Identity
from countermark.workspace.disk import Disk

FORMAT = 1
MOST_BYTES = 16 << 10
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CONFIG, ROOT, LOG_KEY, CHALLENGE_KEY = "broker.json", "root.sealkey", "log.pem", "challenge.key"
ORIGIN = "countermark.broker/"
RELEASES, METERS = "log", "meter-log"
Pin = Callable[[], bytes | None]


@dataclass(frozen=True, slots=True)
class Home:
    """A broker's folder as it was made.

    Attributes:
        name: of the broker, as it stands in lists of recipients. root: URI of its sealing key in a token, or "".
    """

    folder: Path
    name: str
    root: str

    @classmethod
    def make(cls, folder: Path, name: str, root: str, pin: Pin, publish: Callable[[Home], None]) -> Home:
        """Make a broker: its keys, unless the root key is in a token, and its empty logs.

        It is built aside and comes into being by one rename, after its public halves were handed out: who is killed on the way makes it again.

        Args:
            publish: writes the public halves of what is about to be there.

        Raises:
            Unusable: there is one, something else is in the folder, no such name, or it cannot be written. MissingExtra: the token's library
                is absent.
        """
        if not NAME.fullmatch(name):
            raise Unusable(f"{name!r:.80} names no broker", mend="1 to 64 of a-z, 0-9, dot, dash and underscore")
        if (folder / CONFIG).exists():
            raise Unusable(f"there is a broker in {folder}", mend="use it, or name another --home")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Unusable(f"{folder} is not empty", mend="name a folder that is not there yet: --home")
        aside = folder.absolute().with_name(f".{folder.absolute().name}.new")
        disk = Disk()
        disk.discard(aside)  # half of one that somebody was killed making: nothing was sealed to it yet
        made = cls(aside, name, root)
        made._fill(pin, disk)
        publish(made)
        disk.move(aside, folder.absolute())
        return cls(folder, name, root)

    def _fill(self, pin: Pin, disk: Disk) -> None:
        folder = disk.folder(self.folder)
        if self.root:
            registry.recipient_at(self.root, self.name, pin)  # noticed now, not at the first release
        else:
            keyfile.save(folder / ROOT, hpke.new_private(hpke.XWING), None, disk)
        signer.generate("ledger").save(folder / LOG_KEY)
        disk.write(folder / CHALLENGE_KEY, secrets.token_bytes(SECRET_BYTES))
        with self.log(), self.meter_log():
            pass
        disk.write(folder / CONFIG, canonical.to_bytes({"format": FORMAT, "name": self.name, "root": self.root}))

    @classmethod
    def open(cls, folder: Path) -> Home:
        """The broker in a folder.

        Raises:
            Unusable: there is none. StatementRefused: its file is malformed.
        """
        try:
            data = (folder / CONFIG).read_bytes()[: MOST_BYTES + 1]
        except OSError as error:
            raise Unusable(
                f"there is no broker in {folder}", mend="`countermark broker init NAME` makes one"
            ) from error
        fields = Fields(canonical.from_bytes(data, what=CONFIG, max_bytes=MOST_BYTES), CONFIG)
        if fields.integer("format") != FORMAT:
            raise StatementRefused(f"{CONFIG} of another format", mend="a newer Countermark may read it")
        out = cls(folder, fields.text("name", most=64), fields.text("root"))
        fields.done()
        return out

    def identity(self, pin: Pin) -> Identity:
        """The private side of the root key.

        Raises:
            Unusable: it cannot be opened. MissingExtra: the token's library is absent.
        """
        return registry.identity_at(self.root, pin) if self.root else keyfile.load(self.folder / ROOT)

    def public(self, pin: Pin) -> PublicHalf:
        """What owners seal to.

        Raises:
            As `identity`; Unusable: the root key in the token has no public half to hand out.
        """
        if not self.root:
            return PublicHalf(self.name, keyfile.load(self.folder / ROOT).public)
        found = registry.recipient_at(self.root, self.name, pin)
        if not isinstance(found, hpke.HpkeRecipient):
            raise Unusable(
                "a secret key in a token has no public half that owners could seal to",
                mend="`countermark recipients add ASSET --for NAME=URI` at this token, or name a P-256 key pair",
            )
        return PublicHalf(self.name, found.public)

    def log(self, wait_s: float = 0.0) -> ReleaseLog:
        """The release log, open for writing.

        Raises:
            As `ReleaseLog`.
        """
        return ReleaseLog(self.folder / RELEASES, self.key_of(RELEASES).name, self._log_signer(), wait_s=wait_s)

    def meter_log(self, wait_s: float = 0.0) -> MeterLog:
        """The meter log, open for writing.

        Raises:
            As `MeterLog`.
        """
        return MeterLog(self.folder / METERS, self.key_of(METERS).name, self._log_signer(), wait_s=wait_s)

    @staticmethod
    def origin_of(broker: str, log: str) -> str:
        """Origin of one of a broker's logs, so that neither can be shown as the other.

        Args:
            broker: name of its key. log: `RELEASES` or `METERS`.
        """
        return broker if log == RELEASES else f"{broker}/meter"

    def key_of(self, log: str) -> NoteKey:
        """Verifying key of one of its logs."""
        return NoteKey(self.origin_of(ORIGIN + self.name, log), self._log_signer().public.raw())

    def meters(self, log: MeterLog, clock: Callable[[], float]) -> Meters:
        """What answers for licences' meters.

        Raises:
            As `MeterLog.records`; Unusable: the log's key cannot be read.
        """
        return Meters(self.admitted(), log, self.log_key(), self._log_signer().sign, clock)

    def admitted(self) -> Admitted:
        """Which meters there are."""
        return Admitted(self.folder)

    def log_key(self) -> NoteKey:
        """Verifying key of the log, to pin."""
        return NoteKey(ORIGIN + self.name, self._log_signer().public.raw())

    def _log_signer(self) -> signer.FileSigner:
        return signer.load(self.folder / LOG_KEY, "ledger")

    def deposits(self) -> Deposits:
        """Tenants, deposits, collateral."""
        return Deposits(self.folder)

    def challenge_secret(self) -> bytes:
        """For challenges that travel as files, which outlive this process.

        Raises:
            Unusable: missing, open to others, or of another size.
        """
        secret = signer.read_private(self.folder / CHALLENGE_KEY)
        if len(secret) != SECRET_BYTES:
            raise Unusable(
                f"{CHALLENGE_KEY} has not {SECRET_BYTES} bytes", mend="delete it: `broker init` of a new home makes one"
            )
        return secret
