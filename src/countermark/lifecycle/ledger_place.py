"""Where a party's ledger is kept, in a folder of the workspace or at the URL that its settings name: chosen here alone."""

from __future__ import annotations

from pathlib import Path

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.ledger.stores.files import FileStore
from countermark.ledger.stores.protocol import HEAD, Store
from countermark.lifecycle.desk import Desk

FOLDER = "ledger"


def reading(desk: Desk, folder: Path | None = None) -> Store:
    """The store of the ledger here, or of one in a folder that somebody else serves; nothing is written there.

    Raises:
        Unusable: the settings name no object store. MissingExtra: its library is not installed.
    """
    if folder is None and desk.ledger_url:
        return _objects(desk)
    return FileStore.reading(folder or desk.space.home / FOLDER)


def writing(desk: Desk) -> Store:
    """The same, for its keeper.

    Raises:
        LedgerRefused: there is a ledger at the other place too. Others as `reading`.
    """
    if not desk.ledger_url:
        return FileStore.at(desk.space.folder(FOLDER))
    if (desk.space.home / FOLDER / HEAD).exists():
        raise LedgerRefused(
            f"the settings keep the ledger at {desk.ledger_url}, and there is one in the workspace too",
            why="two that are written to in turn are two histories of one ledger",
            mend=f"copy it there if that was not done, then move {desk.space.home / FOLDER} out of the workspace",
        )
    return _objects(desk)


def newest(store: Store) -> bytes | None:
    """The newest head as it stands there, unverified; None where there is none.

    Raises:
        Unusable: it cannot be read.
    """
    try:
        return store.read(HEAD, MAX_NOTE_BYTES)
    except OSError as error:
        raise Unusable("the ledger's head cannot be read", why=str(error)) from error


def refuse_a_second_history(desk: Desk) -> None:
    """Whoever has receipts of a ledger does not begin it again because it is not where it was looked for.

    Raises:
        LedgerRefused: statements here have receipts.
    """
    receipts = sum(1 for _ in (desk.space.home / "statements").glob("*.tlog-proof"))
    if receipts:
        raise LedgerRefused(
            f"there is no ledger at {desk.ledger_url or desk.space.home / FOLDER}, and {receipts} statements have receipts of it",
            why="a new one would be a second history of the same ledger",
            mend="name the place it is kept at (`ledger` in countermark.toml), or restore it from a backup",
        )


def _objects(desk: Desk) -> Store:
    from countermark.ledger.stores.objects import ObjectStore  # only who keeps a ledger there needs its library

    return ObjectStore.at(desk.ledger_url)
