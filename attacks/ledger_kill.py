"""Kill a process that appends to a ledger, at random moments, and check what it left behind.

    python attacks/ledger_kill.py --times 200 --seed 1
    python attacks/ledger_kill.py --times 50 --bucket

A child appends and prints every receipt it was given, with the checkpoint; the parent kills it with
SIGKILL after a random time, then checks: every receipt ever printed verifies and its leaf stands at its
index; the log opens; every checkpoint ever printed is a prefix of the newest one. One folder, or with
``--bucket`` one bucket of an S3 server on loopback, lives through all the kills. Exit code 0 when everything held, 1 with the first thing that did not.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "core"))
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import Checkpoint, verify_checkpoint, verify_consistency
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.protocol import Store

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey("example.org/killed", PRIVATE.public_key().public_bytes_raw())
URL = "s3://evidence/killed"


def store_at(place: str) -> Store:
    """The store in a folder, or at a URL."""
    if "://" not in place:
        return FileStore.at(Path(place))
    from countermark.ledger.stores.objects import ObjectStore

    return ObjectStore.at(place)


def append_for_ever(place: str) -> None:
    """The child: append groups of 1 to 300 leaves and print leaf and receipt of each first and last one."""
    store, chance = store_at(place), random.Random(os.getpid())
    begin = Log.open if LogReader(store, KEY).exists() else Log.create
    with begin(store, KEY, PRIVATE.sign, wait_s=10.0) as log:
        print("open", flush=True)
        while True:
            leaves = [os.urandom(33) for _ in range(chance.choice((1, 1, 2, 30, 300)))]
            receipts = log.append(leaves)
            for leaf, receipt in {(leaves[0], receipts[0]), (leaves[-1], receipts[-1])}:
                print(leaf.hex(), receipt.to_bytes().hex(), flush=True)


def kill_once(place: str, chance: random.Random) -> list[tuple[bytes, bytes]]:
    """Run a child for 0 to 60 ms after it opened the log (or kill it while it opens), return what it printed.

    Requests to a bucket take longer than writes to a disc, so there it is ten times as long.
    """
    command = [sys.executable, __file__, "--child", place]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        if chance.random() < 0.9:
            child.stdout.readline()
            time.sleep(chance.random() * (0.6 if "://" in place else 0.06))
        else:
            time.sleep(chance.random() * 0.3)
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().splitlines()
    whole = [line.split() for line in lines if line != b"open" and len(line.split()) == 2]
    return [(bytes.fromhex(leaf.decode()), bytes.fromhex(receipt.decode())) for leaf, receipt in whole[:-1]] + [
        pair for pair in map(_whole, whole[-1:]) if pair is not None
    ]


def _whole(parts: list[bytes]) -> tuple[bytes, bytes] | None:
    """The last line may be cut anywhere by the kill; a cut receipt was not given."""
    if len(parts[0]) != 66 or len(parts[1]) % 2 or not parts[1].endswith(b"0a"):
        return None
    return bytes.fromhex(parts[0].decode()), bytes.fromhex(parts[1].decode())


def check(place: str, given: list[tuple[bytes, bytes]], seen: list[Checkpoint]) -> Checkpoint:
    """Open the log as its next writer would, and hold it to everything it ever promised."""
    store = store_at(place)
    with Log.open(store, KEY, PRIVATE.sign, wait_s=10.0) as log:
        head = log.checkpoint
        for leaf, receipt in given:
            proven = verify(leaf, receipt, KEY)
            (entry,) = log.reader.entries(proven.index, proven.index + 1, size=head.size)
            assert entry == leaf, f"entry {proven.index} is not the leaf its receipt names"
            seen.append(proven.checkpoint)
        for old in seen:
            verify_consistency(old, head, log.reader.consistency(old.size, head))
    seen.append(head)
    return head


def run(place: str, times: int, seed: int) -> tuple[int, int]:
    """Kill `times` children. Returns (entries in the log, receipts checked)."""
    chance, seen, receipts = random.Random(seed), [], 0
    Log.create(store_at(place), KEY, PRIVATE.sign).close()
    for turn in range(times):
        given = kill_once(place, chance)
        receipts += len(given)
        head = check(place, given, seen)
        assert verify_checkpoint(store_at(place).read("checkpoint", 1 << 20) or b"", KEY) == head
        seen = seen[-200:] + seen[:: max(1, len(seen) // 200)]
        if (turn + 1) % 20 == 0:
            print(f"{turn + 1} kills, {head.size} entries, {receipts} receipts hold", file=sys.stderr)
    return audit(store_at(place), KEY).checkpoint.size, receipts


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bucket", action="store_true", help="in an object store (needs moto)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        append_for_ever(options.child)
    if options.bucket:
        from bucket import server

        with server() as place:
            os.environ.update(place.environment)
            size, receipts = run(URL, options.times, options.seed)
    else:
        with tempfile.TemporaryDirectory() as folder:
            size, receipts = run(str(Path(folder) / "ledger"), options.times, options.seed)
    print(
        f"{options.times} kills, seed {options.seed}: {receipts} receipts and {size} entries hold, no history was rewritten"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
