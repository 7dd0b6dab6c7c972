"""Three parties watch the ledger: its keeper cannot show the plant one history and a supplier another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from countermark.cases.factory.parties import OWNER, Parties
from countermark.guard import server
from countermark.keys.cosigner import of_key
from countermark.ledger.record import LEAF_BYTES, LEAF_VERSION
from countermark.ledger.submission import Answer
from countermark.lifecycle import book, witnessing
from countermark.lifecycle.desk import Desk
from countermark.witness.app import Witness
from countermark.workspace.place import HOME, Workspace

LEAST = 2
_PAPERS = ("party.json", "keys", "trust", "ledger")


def serve(parties: Parties, names: Sequence[str], held: ExitStack) -> dict[str, str]:
    """`countermark witness serve` at each of these parties; name -> URL.

    Args:
        held: what ends them.
    """
    return {n: held.enter_context(server.background(Witness(partial(_answer, parties, n)))) for n in names}


def _answer(parties: Parties, name: str, body: bytes) -> Answer:
    return witnessing.answer(parties[name], body)


def policy(parties: Parties, origin: str, urls: Mapping[str, str]) -> str:
    """The quorum as the owners write it into the trust document (C2SP tlog-policy)."""
    lines = []
    for name, url in urls.items():
        key = of_key(f"{origin}/{name}", parties[name].signer("witness").public)
        lines.append(f"witness {name} {key.vkey()} {url}")
    return "\n".join([*lines, f"group watchers {LEAST} {' '.join(urls)}", "quorum watchers", ""])


def keep_copy(parties: Parties, to: Path) -> Path:
    """The keeper puts its ledger aside as it is now, together with the key."""
    (to / HOME).mkdir(parents=True)
    for name in _PAPERS:
        source = parties[OWNER].space.home / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, to / HOME / name)
    return to


def rewrite(parties: Parties, copy: Path) -> dict[str, str]:
    """The keeper goes on from its copy as if nothing had been released, and asks the witnesses to vouch for that.

    Returns:
        Witness -> why it would not.
    """
    keeper = Desk(Workspace(copy), OWNER, parties[OWNER].clock)
    trust = keeper.trust()
    seen = witnessing.seen(parties[next(iter(witnessing.needed(trust).witnesses)).name], trust).size
    with book.ledger(keeper, trust) as log:
        missing = max(seen - log.checkpoint.size, 0) + 1
        log.append([LEAF_VERSION + os.urandom(LEAF_BYTES - 1) for _ in range(missing)])
    asked = witnessing.ask(keeper, trust)
    return asked.missing
