"""Looking statements up among many: with the index in a file, with the index on a PostgreSQL, and by reading them all as before.

    python benchmarks/index.py [--statements 10000] [--postgresql URL] [--json]

The statements are signed and entered into a real ledger, their files written without waiting for the disc. 1 of 1,000 withdraws.
Milliseconds of wall time, the middle of five look-ups (one by reading all); making the index anew is timed once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "core"))
from core_world import OWNER, World

from countermark.ledger.record import fresh_opening
from countermark.lifecycle import book, care, filed, lookup
from countermark.lifecycle.desk import Desk
from countermark.passport.slip import Slip, record_for
from countermark.statement.predicates.acts import APPROVAL, WITHDRAWAL, Approval, Withdrawal
from countermark.statement.statement import EVERYBODY, Statement

BATCH = 1000


def statement(desk: Desk, number: int) -> Statement:
    """Every thousandth withdraws, the others approve."""
    digest = f"{number:064x}"
    if number % 1000 == 0:
        said = Withdrawal(desk.context(EVERYBODY), digest, "recalled", None)
        return Statement("withdrawn", digest, WITHDRAWAL, said.to_json())
    return Statement("model", digest, APPROVAL, Approval(desk.context(EVERYBODY), digest, "seen").to_json())


def fill(desk: Desk, count: int) -> None:
    """Enter `count` statements, a thousand in one commit of the ledger."""
    trust, folder = desk.trust(), desk.space.folder("statements")
    with book.ledger(desk, trust) as log:
        for start in range(0, count, BATCH):
            said = [statement(desk, n) for n in range(start, min(count, start + BATCH))]
            envelopes = [desk.sign(one) for one in said]
            openings = [fresh_opening(record_for(e, s, desk.party)) for e, s in zip(envelopes, said, strict=True)]
            receipts = log.append([o.leaf() for o in openings])
            for envelope, opening, receipt in zip(envelopes, openings, receipts, strict=True):
                (folder / f"{envelope.digest}.json").write_bytes(envelope.to_bytes())
                (folder / f"{envelope.digest}.opening").write_bytes(opening.to_bytes())
                (folder / f"{envelope.digest}.tlog-proof").write_bytes(receipt.to_bytes())


def read_all(desk: Desk) -> list[Slip]:
    """What every look-up did before there was an index."""
    return [filed.slip(desk, digest) for digest in filed.digests(desk)]


def entered_before(desk: Desk, kind: str) -> list[Slip]:
    """`book.entered` of before."""
    hit = [s for s in read_all(desk) if Statement.from_bytes(s.envelope.payload).predicate_type == kind]
    return sorted(hit, key=Slip.index)


def find_before(desk: Desk, which: str) -> list[Slip]:
    """`book.find` of before."""
    return [s for s in read_all(desk) if s.envelope.digest.startswith(which)]


def timed(work: Callable[[], object], rounds: int = 5) -> float:
    """Milliseconds, the middle of several rounds."""
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


def measured(desk: Desk, digest: str) -> dict[str, float]:
    """Look-ups through the index of this desk."""
    (desk.space.home / lookup.FILE).unlink(missing_ok=True)
    anew = timed(lambda: care.reindex(desk), 1)
    return {
        "entered(withdrawal)": timed(lambda: book.entered(desk, WITHDRAWAL)),
        "find(digest)": timed(lambda: book.find(desk, digest[:12])),
        "find(entry)": timed(lambda: book.find(desk, "7")),
        "made anew": anew,
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--statements", type=int, default=10_000)
    parser.add_argument("--postgresql", metavar="URL", help="of a server to measure on; without it only the file is")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        desk = World.make(Path(place) / "world")[OWNER]
        fill(desk, options.statements)
        first = read_all(desk)[0].envelope.digest
        said = {"before": {
            "entered(withdrawal)": timed(lambda: entered_before(desk, WITHDRAWAL), 1),
            "find(digest)": timed(lambda: find_before(desk, first[:12]), 1),
        }}  # fmt: skip
        said["SQLite"] = measured(desk, first)
        if options.postgresql:
            from countermark.workspace.index_postgresql import PostgresIndex

            server = PostgresIndex(options.postgresql)
            said["PostgreSQL"] = measured(replace(desk, index=lambda _space: server), first)
        size = (desk.space.home / lookup.FILE).stat().st_size
    if options.json:
        print(json.dumps({"statements": options.statements, "milliseconds": said, "coverage bytes": size}))
        return 0
    print(f"{options.statements} statements; what is kept beside them is {size / 1000:.0f} kB")
    for name, figures in said.items():
        print(f"{name:<11}", "  ".join(f"{what} {value:,.1f} ms" for what, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
