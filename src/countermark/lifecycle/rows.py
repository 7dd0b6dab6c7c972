"""Rows of the admitted deliveries: which exist, which are set aside, and which training may see.

A row's id is the first 12 hex digits of its delivery's statement, a slash, and its path. Quarantine
and decisions are signed statements; this module only replays them in ledger order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from countermark.artefact import shards
from countermark.artefact.dataset import METADATA, describe, is_metadata
from countermark.artefact.folder import read_folder
from countermark.artefact.reading import Wants
from countermark.artefact.table_records import Reader
from countermark.artefact.tree import Tree, TreeEntry, compare, tree_of
from countermark.errors import CountermarkError, TreeRefused, Unusable
from countermark.lifecycle import book, entitled, withdraw
from countermark.lifecycle.deliveries import DATA, ID_DIGITS, Received, admitted_trees
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.kinds import Kind, kind_of
from countermark.lifecycle.parcel import Parcel
from countermark.passport.slip import Slip
from countermark.statement.predicates import rows as predicates
from countermark.statement.predicates.rows import Decision, Quarantine
from countermark.statement.statement import EVERYBODY, Statement

Written = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled file of an admitted delivery, or one row inside its tables and shards as the file it would be.

    shard, key: the table or shard that it lies in, and its number or key there; empty where it is a file.
    """

    id: str
    delivery: str
    supplier: str
    sequence: int
    label: str
    entry: TreeEntry
    shard: str = ""
    key: str = ""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return kind_of(self.entry.path, inside=bool(self.shard))

    @property
    def place(self) -> str:
        """Where its supplier finds it: ``april.parquet, row 12`` (the first is row 0); for files their path."""
        if not self.shard:
            return self.entry.path
        return f"{self.shard}, {f'row {int(self.key)}' if shards.is_table(self.shard) else f'sample {self.key}'}"

    def training_path(self) -> str:
        """Where the row lies in the training set: ``label/supplier-sequence-name``."""
        name = self.entry.path.replace("/", "-") if PurePosixPath(self.entry.path).parent.name != self.label else None
        return f"{self.label}/{self.supplier}-{self.sequence}-{name or PurePosixPath(self.entry.path).name}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows as they stand after quarantine and decisions.

    Attributes:
        rows: what training may see, with decided labels. aside: ids in quarantine or rejected.
        relabelled: id -> decided label. accepted: ids a person let through although they were set aside.
    """

    rows: tuple[Row, ...]
    aside: frozenset[str]
    relabelled: dict[str, str]
    accepted: frozenset[str]

    def tree(self) -> Tree:
        """Tree of the training set, computed without reading a byte.

        Raises:
            TreeRefused: no rows are left, or two of them would share a name.
        """
        return tree_of_rows(self.rows)


def tree_of_rows(rows: Sequence[Row]) -> Tree:
    """Tree of a training set made of these rows, computed without reading a byte.

    Raises:
        TreeRefused: no rows, or two of them would share a name.
    """
    return tree_of(row.entry.moved(row.training_path()) for row in rows)


def standing(desk: Desk) -> dict[str, Received]:
    """Admitted deliveries that no later one replaces and nobody withdrew, by statement digest.

    Raises:
        Unusable: none was admitted, or all were withdrawn.
    """
    admitted = admitted_trees(desk)
    over = ended(desk, admitted)
    out = {digest: r for digest, r in admitted.items() if digest not in over}
    if not out:
        raise Unusable("every admitted delivery was withdrawn", mend="`countermark receive DIR`")
    return out


def ended(desk: Desk, admitted: dict[str, Received]) -> dict[str, str]:
    """Admitted deliveries whose rows no longer count, by statement digest: ``withdrawn`` or ``replaced``."""
    replaced = {
        (r.supplier, r.parcel.delivery.replaces) for r in admitted.values() if r.parcel and r.parcel.delivery.replaces
    }
    gone = withdraw.withdrawn(desk)
    out = {digest: "replaced" for digest, r in admitted.items() if (r.supplier, digest) in replaced}
    return out | {digest: "withdrawn" for digest in admitted if digest in gone}


def all_rows(desk: Desk) -> dict[Row, bytes]:
    """Every row of the standing deliveries with its bytes, all of them in memory: only for who needs them at once.

    Raises:
        TreeRefused: an admitted delivery was changed on disk.
    """
    return dict(contents(desk))


def contents(desk: Desk) -> Iterator[tuple[Row, bytes]]:
    """The same one after the other; no more than one delivery is in memory.

    Raises:
        TreeRefused: an admitted delivery was changed on disk.
    """
    for rows in by_delivery(desk):
        yield from rows.items()


def by_delivery(desk: Desk) -> Iterator[dict[Row, bytes]]:
    """The same delivery by delivery, those of a supplier in the order in which it sent them.

    Raises:
        TreeRefused: an admitted delivery was changed on disk.
    """
    with Reader() as reader:
        for digest, one in _in_order(desk):
            yield rows_of(digest, one, reader)


def listed(desk: Desk) -> list[Row]:
    """Every row of the standing deliveries; each file is read and checked, none is kept in memory.

    Raises:
        TreeRefused: an admitted delivery was changed on disk.
    """
    with Reader() as reader:
        return [row for digest, one in _in_order(desk) for row in listed_of(digest, one, reader)]


def _in_order(desk: Desk) -> list[tuple[str, Received]]:
    return sorted(standing(desk).items(), key=lambda item: (item[1].supplier, _sequence(item[1]), item[0]))


def _sequence(one: Received) -> int:
    return one.parcel.delivery.context.sequence if one.parcel else 0


def rows_of(digest: str, one: Received, reader: Reader | None = None) -> dict[Row, bytes]:
    """Rows of one admitted delivery with their bytes, checked against the signed tree.

    Args:
        reader: of a caller who reads several deliveries.

    Raises:
        TreeRefused: it was changed on disk. Unusable: it is not there.
    """
    made, content = _read(digest, one, None, reader)
    return {row: content[row.entry.path] for row in made}


def listed_of(digest: str, one: Received, reader: Reader | None = None) -> list[Row]:
    """Rows of one admitted delivery, checked against the signed tree.

    Args:
        reader: as `rows_of`.

    Raises:
        As `rows_of`.
    """
    return _read(digest, one, is_metadata, reader)[0]


def _read(digest: str, one: Received, wants: Wants | None, reader: Reader | None) -> tuple[list[Row], dict[str, bytes]]:
    """Rows of a delivery, and the bytes of those of its files that are wanted."""
    if one.parcel is None or one.folder is None:
        raise Unusable("an admitted delivery has no folder", mend="receive it again")
    if one.parcel.delivery.layout == shards.LAYOUT:
        return _inside(
            digest,
            one.supplier,
            one.parcel,
            shards.contents(one.folder / DATA, one.parcel.tree, reader),
            keep=wants is None,
        )
    content: dict[str, bytes] = {}

    def keep(entry: TreeEntry, data: bytes) -> None:
        content[entry.path] = data

    seen = read_folder(one.folder / DATA, sink=keep, wants=wants)
    if seen.digest != one.parcel.tree.digest:
        difference = compare(one.parcel.tree, seen)
        raise TreeRefused(
            f"an admitted delivery of {one.supplier} was changed on disk", why=str(difference[0]) if difference else "",
            mend="restore it from a backup, or receive it again",
        )  # fmt: skip
    labels = describe(seen, content.__getitem__).labels
    sequence = one.parcel.delivery.context.sequence
    return [
        Row(f"{digest[:ID_DIGITS]}/{e.path}", digest, one.supplier, sequence, labels[e.path], e)
        for e in seen.entries
        if e.path not in METADATA
    ], content


def _inside(
    digest: str, supplier: str, piece: Parcel, found: Iterator[shards.Inside], *, keep: bool
) -> tuple[list[Row], dict[str, bytes]]:  # fmt: skip
    """Rows inside the tables and shards of a delivery, and their bytes where they are to be kept."""
    made, content, sequence = list[Row](), dict[str, bytes](), piece.delivery.context.sequence
    for one in found:
        row_id = f"{digest[:ID_DIGITS]}/{one.entry.path}"
        made.append(Row(row_id, digest, supplier, sequence, one.label, one.entry, one.shard, one.key))
        if keep:
            content[one.entry.path] = one.data
    return made, content


def select(desk: Desk, rows: Sequence[Row]) -> Selection:
    """Apply the quarantines and decisions that count and that nobody withdrew, in ledger order.

    Raises:
        TrustRefused: this party's own trust document does not hold.
    """
    quarantined: set[str] = set()
    decided: dict[str, Decision] = {}
    gone = withdraw.withdrawn(desk)
    said = [s for s in book.entered(desk, predicates.QUARANTINE, predicates.DECISION) if s.envelope.digest not in gone]
    for shown in entitled.standing(said, desk.trust(), desk.now()):
        if shown.statement.predicate_type == predicates.QUARANTINE:
            quarantined |= set(Quarantine.from_json(shown.statement.predicate).rows)
        else:
            decision = Decision.from_json(shown.statement.predicate)
            decided |= dict.fromkeys(decision.rows, decision)
    return apply(rows, quarantined, decided)


def apply(rows: Sequence[Row], quarantined: set[str], decided: dict[str, Decision]) -> Selection:
    """What is left of `rows` after quarantine and the newest decision about each row id."""
    action = {row_id: d.action for row_id, d in decided.items()}
    labels = {row_id: d.label for row_id, d in decided.items() if d.action == "relabel" and d.label}
    accepted = {i for i, a in action.items() if a == "accept"}
    rejected = {i for i, a in action.items() if a == "reject"}
    aside = (quarantined - accepted - labels.keys()) | rejected
    kept = tuple(replace(r, label=labels.get(r.id, r.label)) for r in rows if r.id not in aside)
    return Selection(kept, frozenset(aside & {r.id for r in rows}), labels, frozenset(accepted & quarantined))


def must_exist(desk: Desk, row_ids: Sequence[str], label: str | None = None) -> None:
    """Refuse to say anything about rows that no admitted delivery has, of a class that none has, or that they have already.

    Raises:
        Unusable: a typing mistake would be signed, and the row that was meant stay as it is; or a relabel that changes
            nothing would let a row through as if it had been mended, which `accept` says openly.
        TreeRefused: a delivery of tables or shards that is named was changed on disk.
    """
    admitted = admitted_trees(desk)
    meant = {row_id.partition("/")[0] for row_id in row_ids}
    known = {row for digest, one in admitted.items() if digest[:ID_DIGITS] in meant for row in _ids(digest, one)}
    for row_id in row_ids:
        if row_id not in known:
            raise Unusable(f"there is no row {row_id!r:.200}", mend="name rows as `countermark review` lists them")
    classes = {name for one in admitted.values() if one.parcel for name in one.parcel.delivery.classes}
    if label is not None and label not in classes:
        raise Unusable(f"no row is of class {label!r:.80}", mend=f"one of: {', '.join(sorted(classes))}"[:400])
    named = [listed_of(digest, one) for digest, one in admitted.items() if label and digest[:ID_DIGITS] in meant]
    alike = {row.id for each in named for row in each if row.label == label} & set(row_ids)
    if alike:
        raise Unusable(
            f"{sorted(alike)[0]!r:.200} was delivered as {label!r:.80}",
            mend="--accept lets it through as it is, which the policy wants a waiver for; --undo takes a decision back",
        )


def _ids(digest: str, one: Received) -> set[str]:
    """Row ids of a delivery; only what lies inside tables and shards must be read for them."""
    if one.parcel is None:
        return set()
    if one.parcel.delivery.layout == shards.LAYOUT:
        return {row.id for row in listed_of(digest, one)}
    return {f"{digest[:ID_DIGITS]}/{e.path}" for e in one.parcel.tree.entries if e.path not in METADATA}


def quarantine(desk: Desk, row_ids: Sequence[str], *, reason: str, screening: str | None, dataset: str) -> Slip:
    """Set rows aside by a signed, logged statement.

    Args:
        screening: digest of the screening statement that flagged them. dataset: tree digest they were part of.

    Raises:
        Unusable: no rows are named.
    """
    if not row_ids:
        raise Unusable("no rows to set aside", mend="name row ids, or `countermark screen` first")
    predicate = Quarantine(desk.context(EVERYBODY), tuple(sorted(row_ids)), reason, screening)
    return _say(desk, Statement("training data", dataset, predicates.QUARANTINE, predicate.to_json()))


def decide(desk: Desk, row_ids: Sequence[str], action: str, *, label: str | None = None, dataset: str) -> Slip:
    """Record what a person decided about rows; ``undo`` takes the newest decision back.

    Raises:
        StatementRefused: unknown action, or a relabel without a label. Unusable: no rows are named.
    """
    if not row_ids:
        raise Unusable("no rows to decide on", mend="name row ids as the contact sheet prints them")
    predicate = Decision(desk.context(EVERYBODY), tuple(sorted(row_ids)), action, label)
    Decision.from_json(predicate.to_json())
    return _say(desk, Statement("training data", dataset, predicates.DECISION, predicate.to_json()))


def _say(desk: Desk, statement: Statement) -> Slip:
    with desk.space.lock():
        return book.enter(desk, desk.trust(), [desk.sign(statement)])[0]


def write_training_set(desk: Desk, folder: Path, progress: Written | None = None) -> Tree:
    """Write the rows that training may see into a new folder, class by class.

    Args:
        progress: told (rows written, rows in all) after each.

    Raises:
        Unusable: the folder exists, or cannot be written. TreeRefused: stored rows were changed.
    """
    if folder.exists():
        raise Unusable(f"{folder} exists", mend="name a new folder")
    selection = select(desk, listed(desk))
    try:
        _write(desk, selection.rows, folder, progress)
    except CountermarkError:
        desk.space.disk.discard(folder)
        raise
    return selection.tree()


def _write(desk: Desk, rows: Sequence[Row], folder: Path, progress: Written | None) -> None:
    """Write rows; their bytes are verified anew, so that what was listed is what is written."""
    chosen = {row.id: row for row in rows}
    made = {desk.space.disk.folder(folder)}
    done = 0
    for source, data in contents(desk):
        if row := chosen.get(source.id):
            target = folder / row.training_path()
            if target.parent not in made:
                made.add(desk.space.disk.folder(target.parent))
            desk.space.disk.add(target, data, mode=0o755 if row.entry.executable else 0o644)
            done += 1
            if progress is not None:
                progress(done, len(rows))
    desk.space.disk.settle(made)
