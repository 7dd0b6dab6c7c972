"""What a host must not forget about a licence: what was used of it, and the newest authentic times, as one hash-chained state.

Every state names the head before it; head = SHA-256(head before || SHA-256(entry)), which is also what a TPM computes in an
index of the type TPM2_NT_EXTEND, so that an anchor with a head fits this state and no other.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.licence import kept_times
from countermark.licence.anchors import extended
from countermark.licence.clock import Memory

FORMAT = 1
MOST_STATE_BYTES, MOST_HOSTS = 1 << 20, 4096
MOST_USAGES = 1024
"""Links that a host ever used under one grant: a chain has eight, and each sublicence that replaces another is one more."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was drawn under one link.

    Attributes:
        loads: of the subject. window: number of the window that `drawn` queries belong to. hosts: names as evidence showed them.
    """

    loads: int = 0
    window: int = 0
    drawn: int = 0
    hosts: tuple[str, ...] = ()

    def in_window(self, window: int) -> int:
        """Queries drawn in a window; a window before the newest one is spent, so that a clock set back opens none again."""
        return self.drawn if window <= self.window else 0


@dataclass(frozen=True, slots=True)
class State:
    """One state of one licence on one host.

    Attributes:
        root: payload digest of the owner's grant, hex. id: 16 random bytes, hex. sequence: 1, 2, 3... count: of the anchor
            after this state was anchored; 0 without one. anchor: its name, "" without one. given_up: it was handed back here.
        usage: by payload digest of the link.
    """

    root: str
    id: str
    memory: Memory
    sequence: int = 0
    count: int = 0
    anchor: str = ""
    given_up: bool = False
    usage: dict[str, Usage] = field(default_factory=dict)

    def of(self, link: str) -> Usage:
        """What was drawn under a link so far."""
        return self.usage.get(link, Usage())

    def entry(self) -> bytes:
        """Canonical JSON of what is chained."""
        return canonical.to_bytes(
            {
                "format": FORMAT, "root": self.root, "id": self.id, "sequence": self.sequence, "count": self.count,
                "anchor": self.anchor, "given_up": self.given_up,
                "memory": kept_times.to_json(self.memory),
                "usage": {
                    link: {"loads": u.loads, "window": u.window, "drawn": u.drawn, "hosts": list(u.hosts)}
                    for link, u in self.usage.items()
                },
            }
        )  # fmt: skip


def fresh(root: str, memory: Memory) -> State:
    """The first state of a licence on this host, not written yet."""
    return State(root, secrets.token_hex(16), memory)


def parse(data: bytes) -> tuple[State, bytes, bytes]:
    """State, head before it and its own head.

    Raises:
        StatementRefused: malformed or too large.
    """
    whole = Fields(canonical.from_bytes(data, what="licence state", max_bytes=MOST_STATE_BYTES), "licence state")
    before, entry = bytes.fromhex(whole.hex("previous")), whole.object("entry")
    whole.done()
    fields = Fields(entry, "licence state")
    if fields.integer("format") != FORMAT:
        raise StatementRefused("licence state of an unknown format", mend="update Countermark")
    links = fields.object("usage")
    if len(links) > MOST_USAGES:
        raise StatementRefused(f"licence state of {len(links)} links")
    out = State(
        fields.hex("root"), fields.hex("id", size=16), kept_times.from_json(fields.object("memory")), fields.integer("sequence", least=1),
        fields.integer("count"), fields.text("anchor", most=200), fields.boolean("given_up"),
        {link: _usage(value) for link, value in links.items()},
    )  # fmt: skip
    fields.done()
    return out, before, extended(before, hashlib.sha256(out.entry()).digest())


def _usage(value: Any) -> Usage:
    fields = Fields(value, "licence state: usage")
    out = Usage(fields.integer("loads"), fields.integer("window"), fields.integer("drawn"), fields.texts("hosts"))
    fields.done()
    if len(out.hosts) > MOST_HOSTS:
        raise StatementRefused(f"licence state of {len(out.hosts)} hosts")
    return out
