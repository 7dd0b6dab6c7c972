"""Ledger appends and proofs beside pymerkle: one by one, in one batch, from concurrent callers. Durable on both sides.

    python benchmarks/ledger.py [--entries 50000] [--singles 300] [--rounds 3] [--folder DIR] [--no-bucket]

Both write to the same disc in the same run, turn about. pymerkle stores in SQLite with a commit per call
(synchronous=FULL, journal as SQLite sets it); Countermark signs a checkpoint, makes it durable together with
its tiles by one fdatasync of its journal, and gives a receipt for every entry, which pymerkle has to compute
on request. Bringing the journal into files, and leaving the log, are inside the time. CPU seconds stand beside wall
seconds because a shared machine stretches only the latter. The object store has no peer; it is an S3 server on
loopback (moto's, in this process, one request at a time), so what counts there is requests per append, printed too.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "core"))
import pymerkle
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countermark import merkle
from countermark.ledger.log import Log
from countermark.ledger.note import NoteKey
from countermark.ledger.receipt import verify
from countermark.ledger.stores.files import FileStore

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = NoteKey("example.org/bench", PRIVATE.public_key().public_bytes_raw())


@dataclass(frozen=True)
class Timing:
    """Entries per second of wall and of CPU time."""

    wall: float
    cpu: float


def timed(count: int, work: Callable[[], object]) -> Timing:
    """Run once."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(count / (time.perf_counter() - wall), count / (time.process_time() - cpu))


@contextmanager
def fresh_log(folder: Path) -> Iterator[Log]:
    """A new log in a folder of its own."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        Log.create(FileStore.at(Path(place)), KEY, PRIVATE.sign) as log,
    ):
        yield log


@contextmanager
def fresh_pymerkle(folder: Path) -> Iterator[pymerkle.SqliteTree]:
    """A new pymerkle tree in a folder of its own, synchronous as SQLite has it for safety."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        tree = pymerkle.SqliteTree(str(Path(place) / "tree.db"), algorithm="sha256")
        tree.con.execute("PRAGMA synchronous=FULL")
        try:
            yield tree
        finally:
            tree.con.close()


def ours_batch(folder: Path, leaves: list[bytes]) -> Timing:
    """One call, one receipt per entry."""
    with fresh_log(folder) as log:
        timing = timed(len(leaves), lambda: log.append(leaves))
        verify(leaves[1], log.reader.receipt(1).to_bytes(), KEY)
    return timing


def peer_batch(folder: Path, leaves: list[bytes]) -> Timing:
    """One call, no proofs."""
    with fresh_pymerkle(folder) as tree:
        return timed(len(leaves), lambda: tree.append_entries(leaves))


def peer_batch_proofs(folder: Path, leaves: list[bytes]) -> Timing:
    """One call, then an inclusion proof per entry, as a receipt needs; a tenth of the entries, it is slow."""
    few = leaves[: max(1, len(leaves) // 10)]

    def work() -> None:
        tree.append_entries(few)
        for index in range(1, len(few) + 1):
            tree.prove_inclusion(index)

    with fresh_pymerkle(folder) as tree:
        return timed(len(few), work)


def ours_singles(folder: Path, leaves: list[bytes]) -> Timing:
    """One call per entry, and leaving the log."""

    def work() -> None:
        for leaf in leaves:
            log.append([leaf])
        log.close()

    with fresh_log(folder) as log:
        return timed(len(leaves), work)


def peer_singles(folder: Path, leaves: list[bytes]) -> Timing:
    """One call, one commit per entry, no proof."""
    with fresh_pymerkle(folder) as tree:
        return timed(len(leaves), lambda: [tree.append_entry(leaf) for leaf in leaves])


def peer_singles_proofs(folder: Path, leaves: list[bytes]) -> Timing:
    """One call, one commit and one inclusion proof per entry."""
    with fresh_pymerkle(folder) as tree:
        return timed(len(leaves), lambda: [tree.prove_inclusion(tree.append_entry(leaf)) for leaf in leaves])


def _threads(count: int, leaves: list[bytes], append: Callable[[bytes], object]) -> None:
    def work(mine: list[bytes]) -> None:
        for leaf in mine:
            append(leaf)

    threads = [threading.Thread(target=work, args=(leaves[n::count],)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ours_concurrent(folder: Path, leaves: list[bytes], callers: int) -> Timing:
    """Callers with one entry each at a time, every one waiting for its durable receipt."""
    with fresh_log(folder) as log:
        return timed(len(leaves), lambda: _threads(callers, leaves, lambda leaf: log.append([leaf])))


def indices(leaves: list[bytes], count: int) -> list[int]:
    """Which entries are proven: the same on both sides, spread over the log and out of order."""
    return random.Random(0).sample(range(len(leaves)), min(count, len(leaves)))


def ours_proofs(folder: Path, leaves: list[bytes], count: int) -> tuple[Timing, Timing, Timing]:
    """Inclusion proofs made from tiles on disc; the same verified; and whole receipts verified, signature included."""
    with fresh_log(folder) as log:
        log.append(leaves)
        reader, head = log.reader, log.checkpoint
        chosen = indices(leaves, count)
        proofs: list[list[bytes]] = []
        tree = reader.tree(head.size)
        made = timed(len(chosen), lambda: proofs.extend(tree.inclusion(at) for at in chosen))

        def check() -> None:
            for at, proof in zip(chosen, proofs, strict=True):
                merkle.verify_inclusion(merkle.RFC6962.leaf(leaves[at]), at, head.size, proof, head.root)

        receipts = [(leaves[at], reader.receipt(at, head).to_bytes()) for at in chosen]
        verified = timed(len(chosen), check)
        return made, verified, timed(len(chosen), lambda: [verify(leaf, receipt, KEY) for leaf, receipt in receipts])


def peer_proofs(folder: Path, leaves: list[bytes], count: int) -> tuple[Timing, Timing]:
    """Inclusion proofs made from the database, and the same verified against the root."""
    with fresh_pymerkle(folder) as tree:
        tree.append_entries(leaves)
        chosen, size, root = [at + 1 for at in indices(leaves, count)], len(leaves), tree.get_root()
        proofs: list[pymerkle.InclusionProof] = []
        made = timed(len(chosen), lambda: proofs.extend(tree.prove_inclusion(at) for at in chosen))

        def check() -> None:
            for at, proof in zip(chosen, proofs, strict=True):
                pymerkle.verify_inclusion(tree.hash_buff(leaves[at - 1]), root, proof, index=at, size=size)

        return made, timed(len(chosen), check)


def in_bucket(leaves: list[bytes], callers: int) -> tuple[Timing, float]:
    """Callers with one entry each at a time, into an S3 server on loopback; also requests per entry."""
    from bucket import BUCKET, server

    from countermark.ledger.stores.objects import ObjectStore

    with server() as place:
        os.environ.update(place.environment)
        with Log.create(ObjectStore.at(f"s3://{BUCKET}/bench"), KEY, PRIVATE.sign) as log:
            asked = len(place.layer.asked)
            timing = timed(len(leaves), lambda: _threads(callers, leaves, lambda leaf: log.append([leaf])))
            return timing, (len(place.layer.asked) - asked) / len(leaves)


def report(name: str, ours: list[Timing], peer: list[Timing], what: str) -> None:
    """One line: medians, spread and ratios."""
    mine, theirs = (statistics.median(t.wall for t in side) for side in (ours, peer))
    mine_cpu, theirs_cpu = (statistics.median(t.cpu for t in side) for side in (ours, peer))
    spread = f"{min(t.wall for t in ours):,.0f}..{max(t.wall for t in ours):,.0f}"
    print(
        f"{name:<28} {mine:>10,.0f}/s [{spread}]  cpu {mine_cpu:>9,.0f}/s | {what}: {theirs:>9,.0f}/s"
        f"  cpu {theirs_cpu:>9,.0f}/s | x{mine / theirs:,.2f} wall, x{mine_cpu / theirs_cpu:,.2f} cpu"
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=50_000, help="entries of the batch")
    parser.add_argument("--singles", type=int, default=300, help="entries appended one by one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disc to measure")
    parser.add_argument("--no-bucket", action="store_true", help="leave the object store out (it needs moto)")
    options = parser.parse_args()
    load = ", ".join(f"{n:.2f}" for n in os.getloadavg())
    print(f"pymerkle {pymerkle.__version__}, {os.cpu_count()} cores, load {load}, median of {options.rounds}")
    leaves = [os.urandom(33) for _ in range(options.entries)]
    singles, rounds = leaves[: options.singles], range(options.rounds)
    batch = [(ours_batch(options.folder, leaves), peer_batch(options.folder, leaves)) for _ in rounds]
    report("batch with receipts", *map(list, zip(*batch, strict=True)), "batch, no proofs")  # type: ignore[arg-type]
    proofs = [peer_batch_proofs(options.folder, leaves) for _ in rounds]
    report("batch with receipts", [ours for ours, _ in batch], proofs, "batch and proofs")
    one = [(ours_singles(options.folder, singles), peer_singles(options.folder, singles)) for _ in rounds]
    report("one by one", *map(list, zip(*one, strict=True)), "one by one")  # type: ignore[arg-type]
    proven = [peer_singles_proofs(options.folder, singles) for _ in rounds]
    report("one by one", [ours for ours, _ in one], proven, "one by one, proofs")
    for callers in (8, 16, 64):
        many = [ours_concurrent(options.folder, leaves[: callers * 100], callers) for _ in rounds]
        report(f"{callers} concurrent callers", many, proven, "one by one, proofs")
    shown = [(ours_proofs(options.folder, leaves, 2000), peer_proofs(options.folder, leaves, 2000)) for _ in rounds]
    report("inclusion proofs", [ours[0] for ours, _ in shown], [peer[0] for _, peer in shown], "proofs")
    report("proofs verified", [ours[1] for ours, _ in shown], [peer[1] for _, peer in shown], "verified")
    for callers in () if options.no_bucket else (1, 16, 64):
        objects = [in_bucket(leaves[: callers * 20], callers) for _ in rounds]
        wall = [timing.wall for timing, _ in objects]
        print(
            f"object store, {callers} callers".ljust(28),
            f"{statistics.median(wall):>10,.0f}/s [{min(wall):,.0f}..{max(wall):,.0f}]",
            f" {statistics.median(requests for _, requests in objects):.2f} requests per entry",
        )
    report("receipts verified", [ours[2] for ours, _ in shown], [peer[1] for _, peer in shown], "proofs, no signature")
    return 0


if __name__ == "__main__":
    sys.exit(main())
