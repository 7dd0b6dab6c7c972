"""The file that lies beside a delivered folder: one envelope line, then one line per file.

``DIR.cmdelivery`` carries the signed statement and the manifest whose tree digest the statement
names, so that a changed file can be named without a second copy of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from countermark import dsse
from countermark.artefact.tree import Tree, parse_manifest, tree_of
from countermark.errors import TreeRefused, Unusable
from countermark.lifecycle.desk import read_file
from countermark.statement.predicates.delivery import TYPE, Delivery
from countermark.statement.statement import Statement

SUFFIX = ".cmdelivery"
MAX_PARCEL_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery statement and the tree it speaks of; nothing here is verified against keys yet."""

    envelope: dsse.Envelope
    statement: Statement
    delivery: Delivery
    tree: Tree

    def to_bytes(self) -> bytes:
        """The file's content."""
        return self.envelope.to_bytes() + b"\n" + self.tree.manifest()


def parse(data: bytes, *, what: str = "delivery") -> Parcel:
    """Parse a delivery file; its manifest must have the digest that the statement names.

    Raises:
        StatementRefused, TreeRefused: malformed, of another kind, or manifest and statement disagree.
    """
    head, _, rest = data.partition(b"\n")
    envelope = dsse.Envelope.from_bytes(head, what=what)
    statement = Statement.from_bytes(envelope.payload, what=what)
    if statement.predicate_type != TYPE:
        raise TreeRefused(f"{what} is not a delivery", why=f"it is {statement.predicate_type}")
    tree = tree_of(parse_manifest(rest.splitlines()))
    if tree.digest != statement.digest:
        raise TreeRefused(
            f"{what}: the list of files is not the signed one",
            why=f"signed {statement.digest}, listed {tree.digest}",
            mend="ask the supplier to send the .cmdelivery file again",
        )
    return Parcel(envelope, statement, Delivery.from_json(statement.predicate), tree)


def beside(folder: Path) -> Path:
    """Where a folder's delivery file lies."""
    return folder.with_name(folder.name + SUFFIX)


def read(folder: Path) -> Parcel:
    """Parse the delivery file beside `folder`.

    Raises:
        Unusable: there is none. StatementRefused, TreeRefused: as `parse`.
    """
    path = beside(folder)
    if not path.exists():
        raise Unusable(f"{path.name} is not beside the folder", mend="the supplier runs `countermark deliver DIR`")
    return parse(read_file(path, MAX_PARCEL_BYTES), what=path.name)
