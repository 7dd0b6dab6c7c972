"""Releases in a loop until this process is killed; each answer is on the disk of its client before the next is asked for.

python killed.py HOME SEED     (HOME was stocked; prints one line per answer, flushed)
"""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).parent))

from broker_world import World

from countermark.broker import prove
from countermark.errors import PolicyRefused
from countermark.keys import signer
from countermark.seal import keyfile


def main(home: Path) -> None:
    """Two threads ask until the rule has no release left."""
    world = World(
        home, signer.load(home / "owner.pem", "statement"), signer.load(home / "host.pem", "host"),
        keyfile.load(home / "root.sealkey"), log_signer=signer.load(home / "log.pem", "ledger"),
    )  # fmt: skip
    world.prelude = type(world.prelude).from_bytes((home / "prelude").read_bytes())
    with world.log(wait_s=5) as log:
        broker = world.broker(log)
        threads = [Thread(target=ask, args=(world, broker)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print("end", flush=True)


def ask(world: World, broker: object) -> None:
    """One client: ask, take, say so."""
    while True:
        mine = prove.ephemeral()
        challenge = broker.challenge()  # type: ignore[attr-defined]
        asked = prove.request(world.asset(), challenge, mine, prove.by_key(world.host)).to_bytes()
        (world.home / "asked" / challenge[:16].hex()).write_bytes(asked)
        try:
            answer = broker.release(asked)  # type: ignore[attr-defined]
        except PolicyRefused:
            return
        prove.content_key(world.asset(), answer, mine, None)
        sys.stdout.write(f"{challenge[:16].hex()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
