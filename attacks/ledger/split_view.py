"""An operator shows two histories of one ledger to different people, and asks real witnesses to cosign both.

    python attacks/ledger/split_view.py

Without a quorum both histories verify, each for its own reader. With two of three witnesses asked for, at most one of
them ever gets enough cosignatures, whoever is asked first and in whatever order. Exit code 0 when that held.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from core_world import OTHER, OWNER, SECOND, SUPPLIER, World

from countermark.errors import LedgerRefused
from countermark.guard import server
from countermark.keys import quorum
from countermark.keys.cosigner import ED25519, CosignerKey
from countermark.ledger import asking, submission
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint
from countermark.ledger.cosignature import verify, witnessed
from countermark.ledger.log import Log
from countermark.ledger.stores.files import FileStore
from countermark.lifecycle import enrol, own_keys, witnessing
from countermark.passport.slip import ledger_note_key
from countermark.passport.witnesses import UNWITNESSED, cosigned
from countermark.witness.app import Witness

WITNESSES = (SECOND, SUPPLIER, OTHER)


@dataclass
class Watched:
    """A project whose trust document asks for two of three witnesses, each on a socket of its own."""

    world: World
    urls: dict[str, str]

    @property
    def rule(self) -> quorum.Quorum:
        return quorum.parse(self.world[OWNER].trust().document.quorum)


def enrol_witnesses(world: World) -> None:
    """Each witness makes a key, the owners enrol it, then name the quorum."""
    for name in WITNESSES:
        own_keys.new_key(world[name].space, "witness", "ed25519", None)
        fresh = enrol.enrolment(world[name]).keys
        world.amend(lambda d, n=name, k=fresh: d.with_party(replace(d.party(n), keys=k)))


def policy_text(world: World, urls: dict[str, str], least: str = "2") -> str:
    trust = world[OWNER].trust()
    lines = []
    for name in WITNESSES:
        public = world[name].signer("witness").public.raw()
        key = CosignerKey(witnessing.name(trust, name), ED25519, public)
        lines.append(f"witness {name} {key.vkey()} {urls.get(name, '')}".rstrip())
    return "\n".join([*lines, f"group watchers {least} {' '.join(WITNESSES)}", "quorum watchers", ""])


@contextmanager
def watched(root: Path) -> Iterator[Watched]:
    world = World.make(root / "world")
    enrol_witnesses(world)
    with ExitStack() as stack:
        urls = {
            name: stack.enter_context(
                server.background(Witness(lambda body, n=name: witnessing.answer(world[n], body)))
            )
            for name in WITNESSES
        }
        world.amend(lambda d: replace(d, quorum=policy_text(world, urls)))
        yield Watched(world, urls)


class History:
    """One of the histories that the operator keeps, under the one key that everybody trusts."""

    def __init__(self, place: Watched, folder: Path, leaves: list[bytes]) -> None:
        desk = place.world[OWNER]
        key = ledger_note_key(desk.trust())
        self.log = Log.create(FileStore.at(folder), key, desk.signer("ledger").sign)
        self.log.append(leaves)

    def ask(self, place: Watched, name: str) -> str:
        """Ask one witness; '' where it cosigned, else why not."""
        head: Checkpoint = self.log.checkpoint
        key = next(w.key for w in place.rule.witnesses if w.name == name)
        try:
            lines = submission.submit(
                asking.exchange(place.urls[name]), head.note, self.log.reader.consistency, head.size, 0
            )
            mine = [line for line in lines if key.names(line.name, line.key_id)]
            verify(key, head, mine[0])
        except LedgerRefused as error:
            return f"{error.what}: {error.why}"
        self.log.cosigned(mine)
        return ""

    def holds(self, place: Watched) -> bool:
        """Whether a reader takes this history."""
        try:
            witnessed(self.log.checkpoint, place.rule, place.world.clock())
        except LedgerRefused:
            return False
        return True


def attack(root: Path, number: int, order: tuple[tuple[int, str], ...], place: Watched) -> tuple[bool, bool]:
    """Ask for cosignatures on two histories in this order; whether each of them holds in the end.

    The second history is as long as the first (even numbers), or longer (odd ones).
    """
    common = [b"delivery"] * 3
    other = [b"another delivery"] * (1 + number % 2)
    histories = [
        History(place, root / f"{number}-a", [*common, b"verdict"]),
        History(place, root / f"{number}-b", [*common, *other]),
    ]
    for which, name in order:
        histories[which].ask(place, name)
    out = histories[0].holds(place), histories[1].holds(place)
    for history in histories:
        history.log.close()
    return out


def main() -> int:
    """Both sides."""
    orders = [
        tuple(zip(who, WITNESSES, strict=True)) + tuple(zip((1 - w for w in who), WITNESSES, strict=True))
        for who in itertools.product((0, 1), repeat=3)
    ]
    both = alone = 0
    for number, order in enumerate(orders):
        with tempfile.TemporaryDirectory() as place, watched(Path(place)) as project:
            held = attack(Path(place), number, order, project)
            both += all(held)
            alone += all(unwatched(Path(place), number, project))
            print(f"{order}: first {held[0]}, second {held[1]}")
    print(f"{both} of {len(orders)} orders let two histories hold; without a quorum: {alone} of {len(orders)}")
    return 1 if both or alone != len(orders) else 0


def unwatched(root: Path, number: int, place: Watched) -> tuple[bool, bool]:
    """Whether readers whose trust document names no quorum take the two histories that `attack` left."""
    trust = place.world[OWNER].trust()
    nobody = replace(trust, document=replace(trust.document, quorum="none"))
    key, out = ledger_note_key(nobody), []
    for name in ("a", "b"):
        note = FileStore.reading(root / f"{number}-{name}").read("checkpoint", 1 << 20) or b""
        try:
            out.append(cosigned([verify_checkpoint(note, key)], nobody, place.world.clock()) == UNWITNESSED)
        except LedgerRefused:
            out.append(False)
    return out[0], out[1]


if __name__ == "__main__":
    sys.exit(main())
