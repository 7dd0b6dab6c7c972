"""What a broker's logs were at: its signed heads, stated to the project, so that the ledger's readers would notice a log that was cut or rewritten."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.statement.statement import Context, predicate_type

BROKER_HEADS = predicate_type("broker-heads")
MOST_LOGS, MOST_NOTE = 8, 4 << 10


@dataclass(frozen=True, slots=True)
class BrokerHeads:
    """Heads of one broker's logs at one time.

    Attributes:
        key: verifying key of the broker (C2SP vkey). heads: name of the log -> its checkpoint (C2SP tlog-checkpoint), as it was signed.
    """

    context: Context
    key: str
    heads: dict[str, bytes]

    def to_json(self) -> dict[str, Any]:
        """Predicate."""
        heads = {name: base64.b64encode(note).decode() for name, note in sorted(self.heads.items())}
        return {"context": self.context.to_json(), "key": self.key, "heads": heads}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> BrokerHeads:
        """Parse strictly; no signature of a head is verified here.

        Raises:
            StatementRefused: malformed, no heads, or too many or too large ones.
        """
        fields = Fields(value, "heads of a broker")
        context, key, said = (
            Context.from_json(fields.object("context")),
            fields.text("key", most=300),
            fields.object("heads"),
        )
        fields.done()
        if not 1 <= len(said) <= MOST_LOGS:
            raise StatementRefused(f"{len(said)} heads of a broker", why=f"1 to {MOST_LOGS} are taken")
        notes = Fields(said, "heads of a broker")
        heads = {name: notes.base64(name) for name in said}
        if any(len(note) > MOST_NOTE for note in heads.values()):
            raise StatementRefused("a head of a broker is too large", why=f"at most {MOST_NOTE} bytes are read")
        return cls(context, key, heads)
