"""Several writers with one key append to one ledger in one bucket at once, each believing that it is alone.

    python attacks/ledger/two_writers.py --seconds 10 --writers 3

Each is a process of its own, which opens the ledger, appends a few times and prints every receipt it was given. Then all
receipts are held against each other: where two heads of one size have two roots, or a head is no beginning of a longer one, the ledger
forked. With conditional puts a writer that comes second is refused, reopens and goes on; no fork. The same
writers, whose puts overwrite whatever is there, fork it within seconds. Exit code 0 when both sides were shown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countermark.errors import CountermarkError, LedgerRefused
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import Checkpoint, verify_consistency
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores.objects import ObjectStore, Version
from countermark.ledger.stores.protocol import Store

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey("example.org/contested", PRIVATE.public_key().public_bytes_raw())
URL = "s3://evidence/ledger"


class BlindStore(ObjectStore):
    """The same store as one would write it without conditions: each put overwrites."""

    def _put(self, name: str, data: bytes, replaces: Version | None) -> Version | None:
        self._api.put(self._bucket, name, data, mode="overwrite")
        return self._get(name, len(data) + (1 << 20))


def store(blind: bool) -> Store:
    return BlindStore.at(URL) if blind else ObjectStore.at(URL)


def write(blind: bool, seconds: float) -> None:
    """The child: open, append up to three times, leave; print leaf and receipt of each append, or `refused`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with Log.open(store(blind), KEY, PRIVATE.sign) as log:
                for _ in range(3):
                    leaf = os.urandom(33)
                    (receipt,) = log.append([leaf])
                    print(leaf.hex(), receipt.to_bytes().hex(), flush=True)
        except CountermarkError as error:
            print("refused" if isinstance(error, LedgerRefused) else "unusable", flush=True)


@dataclass(frozen=True)
class Outcome:
    """What a race brought: receipts given, writers turned away, and the first contradiction, if any."""

    receipts: int
    refused: int
    fork: str


def race(writers: int, seconds: float, *, blind: bool) -> Outcome:
    """Let writers race, and look at all they were given."""
    Log.create(store(blind), KEY, PRIVATE.sign).close()
    command = [sys.executable, __file__, "--child", "blind" if blind else "careful", "--seconds", str(seconds)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(writers)]
    lines = [line.split() for child in children for line in child.communicate()[0].splitlines()]
    given = [(bytes.fromhex(words[0]), bytes.fromhex(words[1])) for words in lines if len(words) == 2]
    return Outcome(len(given), len(lines) - len(given), next(contradictions(given), ""))


def contradictions(given: list[tuple[bytes, bytes]]) -> Iterator[str]:
    """Everything in which receipts contradict each other or the ledger as it stands."""
    roots: dict[int, bytes] = {}
    heads: list[Checkpoint] = []
    for leaf, receipt in given:
        head = verify(leaf, receipt, KEY).checkpoint
        if roots.setdefault(head.size, head.root) != head.root:
            yield f"two signed heads of size {head.size}"
        heads.append(head)
    try:
        newest = audit(ObjectStore.at(URL), KEY).checkpoint
        reader = LogReader(ObjectStore.at(URL), KEY)
        for head in heads:
            verify_consistency(head, newest, reader.consistency(head.size, newest) if head.size else [])
        entries = list(reader.entries(0, newest.size, size=newest.size))
        for leaf, receipt in given:
            if entries[verify(leaf, receipt, KEY).index] != leaf:
                yield "an entry is not the one that its receipt names"
    except CountermarkError as error:
        yield f"the ledger does not hold: {error.what}"


def both_sides(writers: int, seconds: float) -> tuple[Outcome, Outcome]:
    """The race with conditional puts, and without."""
    from bucket import server

    outcomes = []
    for blind in (False, True):
        with server() as place:
            os.environ.update(place.environment)
            outcomes.append(race(writers, seconds, blind=blind))
    return outcomes[0], outcomes[1]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--writers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--child", choices=["blind", "careful"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        write(options.child == "blind", options.seconds)
        return 0
    careful, blind = both_sides(options.writers, options.seconds)
    print(f"with conditional puts: {careful.receipts} receipts, {careful.refused} refused, {careful.fork or 'no fork'}")
    print(f"without: {blind.receipts} receipts, {blind.refused} refused, {blind.fork or 'no fork'}")
    return 0 if careful.receipts and not careful.fork and blind.fork else 1


if __name__ == "__main__":
    sys.exit(main())
