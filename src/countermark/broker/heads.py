"""A broker's signed heads for the project's ledger, and whether a later log still contains an earlier one.

The log's own key signs its heads, and whoever has it can sign another history. What the ledger holds he cannot take back: each new statement is
made only where the log still leads on from the one before, and an auditor compares the two with the log's tiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from countermark.broker.home import METERS, RELEASES, Home
from countermark.errors import LedgerRefused, Refusal, StatementRefused
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.stores.files import FileStore
from countermark.statement.predicates.broker_heads import BrokerHeads


@dataclass(frozen=True, slots=True)
class Grown:
    """One log since the statement before.

    Attributes:
        log: its name. before, now: entries. note: its checkpoint now.
    """

    log: str
    before: int
    now: int
    note: bytes


def grown(home: Home, before: BrokerHeads | None) -> tuple[Grown, ...]:
    """The heads of a broker's logs now, each shown to lead on from an earlier statement's; the broker may run.

    Args:
        before: the newest earlier statement, verified by the caller; None for the first.

    Raises:
        LedgerRefused: a log does not hold, or does not contain what was stated before. StatementRefused: that statement is of another
            broker. Unusable: a log cannot be read.
    """
    if before is not None and before.key != home.log_key().vkey():
        raise StatementRefused("the earlier heads are of another broker", why=f"expected {home.log_key().vkey()}, seen {before.key}",
                               mend="--after names the statement that this broker's heads were last anchored by")  # fmt: skip
    stated = before.heads if before else {}
    there = [name for name in (RELEASES, METERS) if name in stated or (home.folder / name).is_dir()]
    return tuple(_grown(home, name, stated) for name in there)


def _grown(home: Home, name: str, before: Mapping[str, bytes]) -> Grown:
    key = home.key_of(name)
    reader = LogReader(FileStore.at(home.folder / name), key)
    now = reader.checkpoint()
    if name not in before:
        return Grown(name, 0, now.size, now.note)
    old = verify_checkpoint(before[name], key)
    if now.size < old.size:
        raise LedgerRefused(f"the broker's {name} has {now.size} entries", why=f"{old.size} were stated before: it was cut, or put back from a backup",
                            mend="find out when; releases and counts since are lost")  # fmt: skip
    verify_consistency(old, now, reader.consistency(old.size, now) if old.size else [])
    return Grown(name, old.size, now.size, now.note)


def farthest(stated: Iterable[BrokerHeads], key: str) -> BrokerHeads | None:
    """Of several statements the largest head of each log of one broker; None where none is of it.

    What the broker did not sign is left out: whoever states that must not stop it.

    Args:
        key: verifying key of the broker, C2SP vkey.
    """
    sizes, out = dict[str, int](), None
    for one in (one for one in stated if one.key == key):
        try:
            found = verified(one)
        except Refusal:
            continue
        larger = {name: one.heads[name] for name, at in found.items() if at.size >= sizes.get(name, 0)}
        sizes |= {name: found[name].size for name in larger}
        out = replace(one, heads=(out.heads if out else {}) | larger)
    return out


def verified(said: BrokerHeads) -> dict[str, Checkpoint]:
    """The checkpoints of a statement, by name of the log, each by the broker's key.

    Raises:
        LedgerRefused: one is not.
    """
    key = NoteKey.from_vkey(said.key)
    return {
        name: verify_checkpoint(note, NoteKey(Home.origin_of(key.name, name), key.public))
        for name, note in said.heads.items()
    }
