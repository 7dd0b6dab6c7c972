"""Somebody who may write to the index, but not to the statements, hides a withdrawal, or passes one statement for another.

    python attacks/ledger/hidden_withdrawal.py

Each attack is tried on a project whose release rests on a delivery that its supplier withdrew. Without a guard (the index
believed as it is) most of them make the withdrawal count for nothing; with it every one is refused, or changes no answer.
Exit code 0 when that held.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import small_release
from core_world import OWNER, World

from countermark.errors import LedgerRefused
from countermark.lifecycle import book, withdraw
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates import acts, delivery
from countermark.workspace.coverage import Coverage
from countermark.workspace.index import Row

Change = Callable[[sqlite3.Connection], None]
_IS = f"type = '{acts.WITHDRAWAL}'"
ATTACKS: dict[str, str] = {
    "the withdrawal's row is removed": f"DELETE FROM statement WHERE {_IS}",
    "it is called something else": f"UPDATE statement SET type = '{acts.APPROVAL}' WHERE {_IS}",
    "it points to another statement": "UPDATE statement SET statement = '" + "00" * 32 + f"' WHERE {_IS}",
    "another statement stands in its place": (
        "INSERT OR REPLACE INTO statement SELECT project, entry, (SELECT statement FROM statement WHERE entry = 0), type,"
        f" party, subject, time FROM statement WHERE {_IS}"
    ),
    "it is moved behind another": f"UPDATE statement SET entry = 900 WHERE {_IS}",
    "it is of another project": f"UPDATE statement SET project = '{'ab' * 32}' WHERE {_IS}",
    "a second withdrawal is made up": (
        f"INSERT INTO statement SELECT project, 77, '{'cd' * 32}', type, party, subject, time FROM statement WHERE {_IS}"
    ),
    "all rows are removed": "DELETE FROM statement",
    "the index says that it was never made": "DELETE FROM version",
    "the index is of another version": "PRAGMA user_version = 7",
    "the tables are gone": "DROP TABLE statement",
}


def withdrawn_delivery(root: Path) -> World:
    """A project with a delivery that was admitted, trained on, and withdrawn."""
    world = small_release.make(root)
    desk = world[OWNER]
    small_release.model(world, "model")
    withdraw.withdraw(desk, book.entered(desk, delivery.TYPE), "photographs of another maker")
    book.entered(desk, acts.WITHDRAWAL)
    return world


def strike(desk: Desk, line: str) -> None:
    """Change the index behind Countermark's back."""
    with closing(sqlite3.connect(desk.space.home / "index.sqlite", isolation_level=None)) as connection:
        connection.execute(line)


def counts(desk: Desk) -> str:
    """What the withdrawal is worth: "withdrawn", "hidden", or "refused"."""
    try:
        return "withdrawn" if withdraw.entries(desk) == {0} else "hidden"
    except LedgerRefused as error:
        return "refused" if "rebuild-index" in error.mend else f"refused without a mend: {error}"


@contextmanager
def believed() -> Iterator[None]:
    """The other side: an index whose answers are not compared with what was written to it."""
    check = Coverage.check

    def nothing(_self: Coverage, _shelf: object, _rows: list[Row]) -> None:
        return None

    Coverage.check = nothing  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        Coverage.check = check  # type: ignore[method-assign]


def main() -> int:
    """Both sides."""
    wrong = fooled = 0
    for name, line in ATTACKS.items():
        with tempfile.TemporaryDirectory() as place:
            desk = withdrawn_delivery(Path(place) / "world")[OWNER]
            strike(desk, line)
            with believed():
                alone = counts(desk)
        with tempfile.TemporaryDirectory() as place:
            desk = withdrawn_delivery(Path(place) / "world")[OWNER]
            strike(desk, line)
            guarded = counts(desk)
        fooled += alone == "hidden"
        wrong += guarded not in ("withdrawn", "refused")
        print(f"{name}: believed {alone}; guarded {guarded}")
    print(f"{wrong} of {len(ATTACKS)} attacks hid the withdrawal; {fooled} would, were the index believed")
    return 1 if wrong or not fooled else 0


if __name__ == "__main__":
    sys.exit(main())
