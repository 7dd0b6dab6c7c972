"""An owner, a sealed asset, a broker and a host with a key, in a folder; used by tests, attacks and the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from countermark import dsse
from countermark.broker import prove
from countermark.broker.log import ReleaseLog
from countermark.broker.policy import PAYLOAD_TYPE, ReleasePolicy, Rule
from countermark.broker.service import Broker
from countermark.broker.store import Deposits
from countermark.keys import signer
from countermark.keys.signer import FileSigner, sign_envelope
from countermark.seal import hpke, recipients
from countermark.seal.manifest import Manifest
from countermark.seal.prelude import Prelude, new_content_key, new_prelude
from countermark.seal.stanza import Identity

NOW = 1_800_000_000
BEGIN, END = (datetime.fromtimestamp(NOW + days * 86400, UTC) for days in (-1, 30))


class Clock:
    """POSIX seconds that a test sets."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """Everything that the parts need; `broker()` opens the service in `home`."""

    home: Path
    owner: FileSigner = field(default_factory=lambda: signer.generate("statement"))
    host: FileSigner = field(default_factory=lambda: signer.generate("host"))
    root: Identity = field(default_factory=hpke.generate)
    key: bytearray = field(default_factory=new_content_key)
    clock: Clock = field(default_factory=Clock)
    log_signer: FileSigner = field(default_factory=lambda: signer.generate("ledger"))
    prelude: Prelude = field(init=False)

    def __post_init__(self) -> None:
        self.prelude = new_prelude(self.key, 3, self.owner.public.id)

    def seal_anew(self) -> None:
        """Another container of the same asset, by who is its owner now."""
        self.key = new_content_key()
        self.prelude = new_prelude(self.key, 3, self.owner.public.id)

    def asset(self, **more: object) -> prove.Asset:
        return prove.Asset(**{"owner": "acme", "prelude": self.prelude, "recipient": "plant-7", **more})  # type: ignore[arg-type]

    def rule(self, **more: object) -> Rule:
        return Rule(
            **{
                "evidence": "software",
                "recipient": "plant-7",
                "releases": 3,
                "keys": frozenset({self.host.public.id}),
                **more,
            }
        )  # type: ignore[arg-type]

    def envelopes(self, rules: Sequence[Rule], *, sequence: int = 1, owner: str = "acme", by: FileSigner | None = None,
                  begin: datetime = BEGIN, end: datetime = END, broker: str = "broker") -> tuple[bytes, bytes, bytes]:  # fmt: skip
        """Manifest, list of recipients and policy, as their owner signs them."""
        by = by or self.owner
        said = Manifest(
            "model",
            self.prelude,
            self.prelude.at(3) + 32 * 3,
            "sha256",
            bytes(32),
            "0" * 64,
            "",
            "2027-01-01T00:00:00Z",
        )
        public = self.root.public  # type: ignore[attr-defined]
        listed = recipients.first(self.prelude, self.key, [hpke.HpkeRecipient(broker, public)], {})
        policy = ReleasePolicy(owner, self.prelude.asset, sequence, begin, end, tuple(rules))
        return (
            said.signed([by]).to_bytes(),
            listed.signed([by]).to_bytes(),
            sign_envelope(PAYLOAD_TYPE, policy.to_bytes(), [by]).to_bytes(),
        )

    def deposits(self) -> Deposits:
        return Deposits(self.home)

    def log(self, wait_s: float = 0.0) -> ReleaseLog:
        return ReleaseLog(self.home / "log", "broker.test", self.log_signer, wait_s=wait_s)

    def broker(self, log: ReleaseLog, *, secret: bytes = b"s" * 32, seconds: int = 60) -> Broker:
        return Broker(self.deposits(), self.root, log, secret, seconds, self.clock)

    def stocked(self, broker: Broker, *rules: Rule, sequence: int = 1) -> None:
        """Enrol the owner and take his deposit."""
        self.deposits().enrol("acme", [self.owner.public])
        broker.accept("acme", *self.envelopes(rules or [self.rule()], sequence=sequence))

    def resigned(
        self, by: FileSigner, owner: str, rules: Sequence[Rule], *, sealer: bool
    ) -> tuple[bytes, bytes, bytes]:
        """The attack: another tenant signs this asset's public papers anew as its own, the broker's copy of the key among them.

        Args:
            sealer: whether the prelude in them names him, too; then the signatures are all that they should be.
        """
        manifest, listed, _ = (dsse.Envelope.from_bytes(data) for data in self.envelopes(rules))
        _, _, policy = self.envelopes(rules, owner=owner, by=by)
        said = Manifest.from_bytes(manifest.payload)
        if sealer:
            said = replace(said, prelude=replace(said.prelude, sealer=bytes.fromhex(by.public.id)))
        return (
            sign_envelope(manifest.payload_type, said.to_bytes(), [by]).to_bytes(),
            sign_envelope(listed.payload_type, listed.payload, [by]).to_bytes(),
            policy,
        )
