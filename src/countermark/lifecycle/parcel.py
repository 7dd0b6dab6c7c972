"""The file that lies beside a delivered folder: one envelope line, then one line per file.

``DIR.cmdelivery`` carries the signed statement and the manifest whose tree digest the statement
names, so that a changed file can be named without a second copy of the data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from countermark import canonical, dsse
from countermark.artefact.tree import Tree, check_path, parse_manifest, tree_of
from countermark.errors import TreeRefused, Unusable
from countermark.keys.document import moment
from countermark.keys.trust import Trust
from countermark.lifecycle.desk import read_file
from countermark.statement.predicates.delivery import TYPE, Delivery
from countermark.statement.statement import Statement

SUFFIX = ".cmdelivery"
MAX_PARCEL_BYTES = 512 << 20
MAX_ROW_BYTES = 1 << 30
CLOCK_SKEW = timedelta(minutes=10)


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


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a delivery file: what its manifest does not add to."""

    envelope: dsse.Envelope
    statement: Statement
    delivery: Delivery


Vouched = Callable[[Head], object]
"""Looks at who signed, so that nobody makes us read millions of lines without a signature that counts."""


def unasked(_head: Head) -> None:
    """Nobody needs to vouch: the file is ours, or only its files are compared."""


def parse_head(line: bytes, *, what: str = "delivery") -> Head:
    """Parse the first line of a delivery file.

    Raises:
        StatementRefused, TreeRefused: malformed, or of another kind.
    """
    envelope = dsse.Envelope.from_bytes(line, what=what)
    statement = Statement.from_bytes(envelope.payload, what=what)
    if statement.predicate_type != TYPE:
        raise TreeRefused(f"{what} is not a delivery", why=f"it is {statement.predicate_type}")
    return Head(envelope, statement, Delivery.from_json(statement.predicate))


def parse(data: bytes, *, what: str = "delivery", vouched: Vouched = unasked) -> Parcel:
    """Parse a delivery file; its manifest must have the digest that the statement names.

    Args:
        vouched: called with the first line, before the manifest is read; what it raises goes on.

    Raises:
        StatementRefused, TreeRefused: malformed, of another kind, or manifest and statement disagree.
    """
    line, _, rest = data.partition(b"\n")
    head = parse_head(line, what=what)
    vouched(head)
    tree = tree_of(parse_manifest(rest.splitlines()))
    if tree.digest != head.statement.digest:
        raise TreeRefused(
            f"{what}: the list of files is not the signed one",
            why=f"signed {head.statement.digest}, listed {tree.digest}",
            mend="ask the supplier to send the .cmdelivery file again",
        )
    if tree.total_bytes != head.delivery.total_bytes:
        raise TreeRefused(f"{what} says {head.delivery.total_bytes} bytes, its files have {tree.total_bytes}")
    return Parcel(head.envelope, head.statement, head.delivery, tree)


def too_large(tree: Tree) -> list[str]:
    """Files that no receiver takes, because each is held in memory once."""
    return [f"{e.path} is larger than {MAX_ROW_BYTES} bytes" for e in tree.entries if e.size > MAX_ROW_BYTES]


def misdated(time: str, trust: Trust, now: datetime) -> str:
    """Why a delivery of that claimed time cannot be right; empty where it can.

    Raises:
        StatementRefused: it is no time.
    """
    claimed = moment(time)
    first = canonical.object_from_bytes(trust.envelopes[0].payload, what="trust document")
    if claimed > now + CLOCK_SKEW:
        return f"the delivery is dated {time}, in the future"
    if claimed < moment(str(first["issued"])) - CLOCK_SKEW:
        return f"the delivery is dated {time}, before the project began"
    return ""


def beside(folder: Path) -> Path:
    """Where a folder's delivery file lies.

    Raises:
        Unusable: the folder has no name, as ``/``. TreeRefused: a name that would not show as it is.
    """
    place = Path(os.path.normpath(folder.absolute()))
    if not place.name:
        raise Unusable(f"{folder} cannot be delivered", why="it has no name", mend="put the files in a folder")
    check_path(place.name)
    return place.with_name(place.name + SUFFIX)


def name(folder: Path) -> str:
    """The name under which a folder is delivered.

    Raises:
        Unusable, TreeRefused: as `beside`.
    """
    return beside(folder).name.removesuffix(SUFFIX)


def read(folder: Path, vouched: Vouched = unasked) -> Parcel:
    """Parse the delivery file beside `folder`.

    Args:
        vouched: as `parse`.

    Raises:
        Unusable: there is none. StatementRefused, TreeRefused: as `parse`.
    """
    path = beside(folder)
    if not path.exists():
        inside = next(folder.glob("*" + SUFFIX), None) if folder.is_dir() else None
        raise Unusable(
            f"{path.name} is not beside the folder",
            mend=f"name the folder that lies inside: {inside.with_name(inside.name.removesuffix(SUFFIX))}" if inside
            else "the supplier runs `countermark deliver DIR`, and hands over both",
        )  # fmt: skip
    return parse(read_file(path, MAX_PARCEL_BYTES), what=path.name, vouched=vouched)
