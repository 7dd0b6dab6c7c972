"""Lists of revoked licences, as their licensor signs them: each names all that was revoked before, and has the next epoch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from countermark import dsse
from countermark.licence import word
from countermark.licence.store import FOLDER
from countermark.lifecycle.desk import Desk, read_file
from countermark.statement.predicates.licence import LICENCE_LIST, RevokedLicences
from countermark.statement.predicates.licence_claims import Revocation
from countermark.statement.statement import EVERYBODY, Statement

LIST, LIST_DAYS = "revoked.json", 90


def newest_list(desk: Desk) -> tuple[bytes, RevokedLicences] | None:
    """This licensor's newest list of revoked licences, or None."""
    path = desk.space.home / FOLDER / LIST
    if not path.exists():
        return None
    data = read_file(path, word.MOST_LIST_BYTES * 2)
    statement = Statement.from_bytes(dsse.Envelope.from_bytes(data.strip()).statement_bytes())
    return data, RevokedLicences.from_json(statement.predicate)


def revoke(desk: Desk, licences: Sequence[str], *, days: int = LIST_DAYS) -> tuple[bytes, RevokedLicences]:
    """Sign the next list: all that was revoked before, and these. Without any it is renewed.

    Args:
        licences: payload digests, hex. days: until the list after it.

    Returns:
        The list's envelope as one line, and what it says.

    Raises:
        Unusable: no licence key here, or it cannot be written.
    """
    with desk.space.lock():
        before = newest_list(desk)
        known = before[1].licences if before else frozenset[str]()
        until = (desk.now() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = RevokedLicences(
            desk.context(EVERYBODY), (before[1].epoch if before else 0) + 1, known.union(licences), until
        )
        signed = desk.sign(Statement("revoked", desk.mark().fingerprint, LICENCE_LIST, said.to_json()), "licence")
        data = signed.to_bytes() + b"\n"
        desk.space.disk.write(desk.space.disk.folder(desk.space.home / FOLDER) / LIST, data)
        return data, said


def revocation(desk: Desk, place: str) -> Revocation:
    """The claim that a licensor's list must be at hand, the present one or a newer; a first, empty one is signed where there is none."""
    newest = newest_list(desk) or revoke(desk, ())
    return Revocation(place, newest[1].epoch)
