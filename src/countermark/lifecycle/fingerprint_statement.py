"""A trace of a leaked copy as a signed statement, for whoever must believe more than a screen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.errors import TreeRefused
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.fingerprint import Tracing
from countermark.statement.predicates.fingerprint import MOST_TENSORS, TRACE, Accused, FingerprintTrace
from countermark.statement.statement import EVERYBODY, Statement
from countermark.tracing.align import ABSENT, UNLIKE

SCALE = 1000


def list_digest(licensees: Iterable[str]) -> str:
    """SHA-256 of a list of licensees, whatever its order: names in byte order, each with a newline."""
    names = sorted(name.encode(errors="surrogateescape") for name in licensees)
    return hashlib.sha256(b"".join(name + b"\n" for name in names)).hexdigest()


def sign(
    desk: Desk, suspect: Path, done: Tracing, licensees: list[str], strength: float, cannot_tell: tuple[str, ...]
) -> dsse.Envelope:
    """Sign what a trace came to, as a model owner of this project.

    Args:
        suspect: the file that was traced. done: what came of it. licensees: the list that was asked about. strength: of the marks.

    Raises:
        TrustRefused: this party is no model owner. TreeRefused: the file changed meanwhile.
    """
    seen, files = done.traced, list[str]()
    tree = read_folder(suspect, sink=lambda entry, data: files.append(hashlib.sha256(data).hexdigest()))
    if files != [done.sha256]:
        raise TreeRefused(f"{suspect.name} changed while it was traced", mend="trace a copy that nobody writes to")
    said = FingerprintTrace(
        desk.context(EVERYBODY),
        tuple(Accused(one.licensee, _down(one.score), -_down(-one.log10_p)) for one in seen.named),
        seen.licensees, list_digest(licensees), seen.false_accusation, _down(seen.threshold) if seen.ranking else None, strength,
        done.original, done.commitment, _down(seen.compared), _not_looked_at(done), cannot_tell,
    )  # fmt: skip
    predicate = FingerprintTrace.from_json(said.to_json()).to_json()
    envelope = desk.sign(Statement(suspect.name, tree.digest, TRACE, predicate, ((suspect.name, done.sha256),)))
    desk.verify(desk.trust(), envelope, "model-owner")
    return envelope


def _down(value: float) -> float:
    """Towards nought, so that no rounding makes evidence stronger than it is."""
    return math.floor(value * SCALE) / SCALE


def _not_looked_at(done: Tracing) -> tuple[str, ...]:
    lines = [f"{name}: in the file, of a type or place that is not read" for name in done.unread]
    lines += [f"{name}: {how}" for name, how in done.traced.tensors.items() if how in (ABSENT, UNLIKE)]
    plain = [line if line.isprintable() else repr(line) for line in lines]
    return tuple(
        [*plain[: MOST_TENSORS - 1], f"and {len(plain) - MOST_TENSORS + 1} more"]
        if len(plain) > MOST_TENSORS
        else plain
    )
