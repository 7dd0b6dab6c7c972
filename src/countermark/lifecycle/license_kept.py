"""Licences that were signed here, kept so that a recall can name who holds what was made of a supplier's data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from countermark import dsse
from countermark.keys.trust import Trust
from countermark.licence import chain as chains
from countermark.licence.refusal import LicenceRefused
from countermark.licence.store import FOLDER
from countermark.lifecycle.desk import Desk, read_file
from countermark.statement.predicates.licence import Licence
from countermark.statement.predicates.licence_claims import Claims
from countermark.statement.statement import Statement

GRANTED, SUFFIX = "granted", ".licence"


def envelopes(file: Path) -> tuple[dsse.Envelope, ...]:
    """Envelopes of a licence file, as they stand.

    Raises:
        StatementRefused: malformed. Unusable: it cannot be read.
    """
    return chains.from_file(read_file(file, chains.MOST_FILE_BYTES), file.name)


def keep(desk: Desk, made: tuple[dsse.Envelope, ...]) -> tuple[dsse.Envelope, ...]:
    """A copy of what was signed here, so that a recall can name its licensee."""
    disk = desk.space.disk
    folder = disk.folder(disk.folder(desk.space.home / FOLDER) / GRANTED)
    disk.write(folder / f"{made[-1].digest}{SUFFIX}", chains.to_file(made))
    return made


def granted(desk: Desk) -> tuple[tuple[tuple[dsse.Envelope, ...], Path], ...]:
    """Licences that were granted, narrowed or co-signed here, as they were signed, and where each lies.

    Raises:
        StatementRefused: one is malformed. Unusable: it cannot be read.
    """
    folder = desk.space.home / FOLDER / GRANTED
    files = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    return tuple((envelopes(file), file) for file in files)


def claimed(links: Sequence[dsse.Envelope], trust: Trust, now: datetime) -> tuple[Claims, bool]:
    """What a licence claims, and whether all its co-signers signed it: it counts only then.

    Raises:
        Refusal: it does not hold.
    """
    try:
        return chains.verify(links, trust, now).claims, True
    except LicenceRefused as refusal:
        if refusal.claim != "co_signers":
            raise
    return Licence.from_json(Statement.from_bytes(links[-1].statement_bytes()).predicate).claims, False
