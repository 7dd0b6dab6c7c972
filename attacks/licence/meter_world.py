"""A plant whose licence names a broker that counts, and that broker; used by tests, and by `meter_killed.py`.

The plant's owner has its disk and its key; he may keep answers of the broker and show them again. He does not have the broker's disk.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from licence_world import BEGIN, Host, Licensors, Quota, claims, key

from countermark.broker.admitted import Admitted, of_licence
from countermark.broker.meter_log import MeterLog
from countermark.broker.meters import Meters
from countermark.keys.signer import FileSigner
from countermark.ledger.note import NoteKey
from countermark.licence import chain as chains
from countermark.licence.broker_anchor import BrokerAnchor
from countermark.statement.predicates.licence_host import HostBinding

NAME = "countermark.broker/vault"


def key_of_log() -> FileSigner:
    """The same key each time, so that another process opens the same log."""
    from core_world import private_key

    return private_key("broker-log", "ledger")


@dataclass
class Counted:
    """A broker's folder and its key; `meters()` opens what answers."""

    home: Path
    signer: FileSigner = field(default_factory=key_of_log)
    clock: Callable[[], float] = lambda: BEGIN

    @property
    def key(self) -> NoteKey:
        return NoteKey(NAME, self.signer.public.raw())

    def _now(self) -> float:
        """By the clock that is set now: it may be another one than when the meters were opened."""
        return self.clock()

    @contextmanager
    def meters(self, wait_s: float = 0.0) -> Iterator[Meters]:
        self.home.mkdir(parents=True, exist_ok=True)
        with MeterLog(self.home / "meter-log", NAME + "/meter", self.signer, wait_s=wait_s) as log:
            yield Meters(Admitted(self.home), log, self.key, self.signer.sign, self._now)

    def admit(self, envelopes: list[Any]) -> None:
        Admitted(self.home).admit(of_licence(chains.to_file(envelopes), self.key))

    def binding(self, *names: str, kind: str = "software-key") -> HostBinding:
        return HostBinding(kind, keys=tuple(key(name).public for name in names), broker=self.key.vkey())  # type: ignore[arg-type]


def metered(
    root: Path, licensors: Licensors, broker: Counted, send: Callable[[bytes], bytes], *, count: int = 100, block: int = 10,
    host: str = "plant", hosts: tuple[str, ...] = ("plant",), **more: Any,
) -> Host:  # fmt: skip
    """A plant under a licence for some queries in all, admitted at the broker; `more` are claims."""
    grant = [licensors.grant(claims(host=broker.binding(*hosts), max_queries=Quota(count, 0), **more))]
    broker.admit(grant)
    verified = chains.verify(grant, licensors.trust, licensors.world.clock.now)
    anchor = BrokerAnchor(send, broker.key, verified.root.digest, key(host))
    return Host(root, licensors, verified, signer=key(host), block=block, anchor=anchor)
