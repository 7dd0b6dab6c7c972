"""What a licence costs: verifying and deciding a chain of five, one metered query, one block, one look.

    python benchmarks/licence.py [--rounds 200] [--queries 200000]

CPU seconds of this process (user + system), so that a busy machine stretches wall time only; the median of rounds, and the best
beside it. The keys are Ed25519, the trust document has four parties. Blocks are written to the folder of `--at`, synced and all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "licence"))
from licence_world import BEGIN, DAY, MODEL, Chip, Host, Licensors, Quota, claims, lease

from countermark.licence import chain as chains
from countermark.licence.clock import Reading
from countermark.licence.decide import Request, decide
from countermark.licence.host import ProvenHost
from countermark.statement.predicates import licence_claims
from countermark.statement.predicates.licence_claims import Subject, Sublicense


def cpu(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and best CPU seconds of one call."""
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return statistics.median(spent), min(spent)


def chain_of(licensors: Licensors, links: int) -> Callable[[], object]:
    """Bytes of a licence file in, a decision out: parsing, five signatures, narrowing and all claims."""
    said = [claims(n, sublicense=Sublicense(links - at, claims().uses), lease=lease(), max_queries=Quota(1000, DAY))
            for at, n in enumerate(("plant", "hall", "line", "cell", "robot")[:links])]  # fmt: skip
    data, trust, now = chains.to_file(licensors.chain(*said)), licensors.trust, licensors.world.clock.now
    request, reading = (
        Request("infer", Subject(MODEL), ProvenHost("none"), "inspection", "DE"),
        Reading(BEGIN + DAY, BEGIN, ""),
    )

    def cold() -> object:
        licence_claims._parsed_key.cache_clear()  # as in a process that sees the chain for the first time
        return decide(request, chains.verify(chains.from_file(data), trust, now), reading)

    return cold


def metered(place: Path, licensors: Licensors, queries: int, chip: Chip | None) -> tuple[float, float, float]:
    """CPU seconds added to one query within blocks, of one block drawn, and of one look."""
    said = claims(lease=lease(), max_queries=Quota(10**9, DAY))
    verified = chains.verify(licensors.chain(said), licensors.trust, licensors.world.clock.now)
    tenure = Host(place, licensors, verified, chip=chip).load()
    tenure.renew(1)
    begin, blocks = time.process_time(), 0.0
    for _ in range(queries):
        if not tenure.take(1):
            at = time.process_time()
            tenure.renew(1)
            blocks += time.process_time() - at
    whole = time.process_time() - begin
    granted = tenure.granted
    assert granted is not None
    look, _ = cpu(lambda: tenure.check(granted.request), 50)
    return (whole - blocks) / queries, blocks / max(1, queries // 1000), look


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--queries", type=int, default=200_000)
    arguments.add_argument("--at", type=Path, default=None)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.at) as folder:
        licensors = Licensors.make(Path(folder) / "world")
        for links in (1, 5):
            middle, best = cpu(chain_of(licensors, links), asked.rounds)
            print(f"verify and decide, {links} links: median {middle * 1e3:.2f} ms CPU, best {best * 1e3:.2f} ms")
        for name, chip in (("no anchor", None), ("anchored (stand-in chip)", Chip())):
            query, block, look = metered(Path(folder) / name, licensors, asked.queries, chip)
            print(f"{name}: query {query * 1e6:.2f} us CPU, with its share of a block of 1000 {(query + block / 1000) * 1e6:.2f} us; "
                  f"block {block * 1e3:.2f} ms, look {look * 1e3:.2f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
