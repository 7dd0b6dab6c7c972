"""A thief finds keys that have ended (the ledger's, and witnesses') on a disc that was thrown away, and writes history with them.

    python attacks/ledger/ended_keys.py

He signs a longer head with the ledger's key. Honest witnesses decline; a witness key that ended counts for nothing at the true time,
and one that says an earlier time is not the quorum. What no end can stop is told too: as many ended witness keys as the quorum asks for,
used to backdate together, and a project without witnesses. For both the keys are to be revoked. Exit code 0 when that held.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parent))
import split_view
from core_world import OTHER, OWNER, SECOND, START, SUPPLIER, World

from countermark.errors import LedgerRefused
from countermark.keys.cosigner import of_key
from countermark.keys.document import Party
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import Checkpoint
from countermark.ledger.log import Log
from countermark.ledger.stores.files import FileStore
from countermark.ledger.submission import Submission
from countermark.lifecycle import witnessing
from countermark.passport.slip import ledger_note_key
from countermark.passport.witnesses import cosigned

END = START + timedelta(days=10)
BEFORE, AFTER = END - timedelta(days=1), END + timedelta(days=1)
FOUND = {SUPPLIER, OTHER}
"""Whose witness keys ended, and were found; SECOND's is alive and safe."""


def project(root: Path) -> World:
    """Two of three witnesses are asked for; the ledger's key and two witness keys end in ten days, and a day more has passed."""
    world = World.make(root)
    split_view.enrol_witnesses(world)
    world.amend(lambda d: replace(d, quorum=split_view.policy_text(world, {})))
    for party, use in ((OWNER, "ledger"), *((name, "witness") for name in sorted(FOUND))):
        world.amend(lambda d, p=party, u=use: d.with_party(_ending(d.party(p), u)))
    world.clock.now = AFTER
    return world


def _ending(party: Party, use: str) -> Party:
    end = END.strftime("%Y-%m-%dT%H:%M:%SZ")
    return replace(party, keys=tuple(replace(k, not_after=end) if k.key.use == use else k for k in party.keys))


def forged(world: World, folder: Path) -> Log:
    """The ledger's history with an entry that never was, signed with the key that was found."""
    desk = world[OWNER]
    log = Log.create(FileStore.at(folder), ledger_note_key(desk.trust()), desk.signer("ledger").sign)
    log.append([b"a delivery that never was"])
    return log


def asked(world: World, log: Log) -> dict[str, int]:
    """What honest witnesses answer to that head, by their own clocks: HTTP status of each that still has a key."""
    said = Submission(0, (), log.checkpoint.note).to_bytes()
    return {SECOND: witnessing.answer(world[SECOND], said).status}


def with_cosignatures(world: World, log: Log, times: Iterable[tuple[str, datetime]]) -> Checkpoint:
    """The head with cosignatures that the thief makes at the times he likes."""
    trust, head, lines = world[OWNER].trust(), log.checkpoint, []
    for name, time in times:
        signer = world[name].signer("witness")
        key = of_key(witnessing.name(trust, name), signer.public)
        lines.append(cosignature.cosign(key, head, int(time.timestamp()), signer.sign))
    return cosignature.with_cosignatures(head, lines)


def taken(world: World, head: Checkpoint, *, quorum: bool = True) -> str:
    """`believed`, or why a reader with a right clock refuses the head."""
    trust = world[OWNER].trust()
    if not quorum:
        trust = replace(trust, document=replace(trust.document, quorum="none"))
    try:
        cosigned([head], trust, world.clock())
    except LedgerRefused as error:
        return f"refused: {error.what} ({error.why})"
    return "believed"


def main() -> int:
    """Both sides."""
    with tempfile.TemporaryDirectory() as place:
        world = project(Path(place) / "world")
        log = forged(world, Path(place) / "forged")
        declined = asked(world, log)
        one, both = [(SUPPLIER, BEFORE)], [(name, BEFORE) for name in sorted(FOUND)]
        said = {
            "cosigned with both found keys, at the true time": taken(
                world, with_cosignatures(world, log, [(name, AFTER) for name in sorted(FOUND)])
            ),
            "cosigned with one found key, backdated": taken(world, with_cosignatures(world, log, one)),
            "one backdated, and a living witness fooled today": taken(
                world, with_cosignatures(world, log, [*one, (SECOND, AFTER)])
            ),
            "a whole quorum of found keys, backdated (no end stops that)": taken(
                world, with_cosignatures(world, log, both)
            ),
            "no witnesses are asked for (no end stops that)": taken(world, log.checkpoint, quorum=False),
        }
        log.close()
    print(f"the living witness answers {declined[SECOND]}")
    for name, told in said.items():
        print(f"{name}: {told}")
    held = [told == "believed" for told in said.values()]
    return 0 if declined == {SECOND: 403} and held == [False, False, False, True, True] else 1


if __name__ == "__main__":
    sys.exit(main())
