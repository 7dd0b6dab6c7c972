"""Deliver: a party signs a folder for an addressee, as the next in its sequence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.artefact import shards
from countermark.artefact.dataset import Dataset, describe, is_metadata
from countermark.artefact.folder import read_folder
from countermark.artefact.profile import SHA256
from countermark.artefact.reading import Known
from countermark.artefact.remembered import remembering
from countermark.artefact.tree import Tree, TreeEntry
from countermark.errors import TrustRefused, Unusable
from countermark.formats.image import FORMATS, content_format, named_as_picture
from countermark.formats.wav import named_as_wav
from countermark.keys.document import Party
from countermark.lifecycle import parcel
from countermark.lifecycle.desk import Desk
from countermark.lifecycle.parcel import Parcel
from countermark.statement.predicates.delivery import TYPE, Canaries, Delivery
from countermark.statement.statement import Statement

if TYPE_CHECKING:
    from countermark.tracing.canary import CanaryKey

Progress = Callable[[int, int], None]
HEAD_BYTES = 16
NO_ROW = f"no picture or clip, and a receiver takes only {', '.join((*FORMATS, 'wav'))}: take it out of the folder"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What `--dry-run` shows: the rows by class, and what the addressee would refuse; what is neither picture nor clip is no row."""

    tree: Tree
    dataset: Dataset
    rejects: tuple[str, ...]


def look(
    folder: Path, party: Party | None = None, progress: Progress | None = None, known: Known | None = None
) -> Outlook:
    """Read a folder as a delivery would, without signing.

    Args:
        party: who delivers; classes outside its scope are listed among the rejects.
        known: what was read before and did not change.

    Raises:
        TreeRefused, FormatRefused, Unusable: the folder cannot be signed at all. MissingExtra: a table without pyarrow.
    """
    metadata: dict[str, bytes] = {}

    def keep(entry: TreeEntry, data: bytes) -> None:
        metadata[entry.path] = data

    tree = read_folder(folder, sink=keep, wants=is_metadata, progress=progress, known=known)
    inside = shards.are_shards(tree) and not parcel.too_large(tree)
    dataset = shards.describe(folder, tree) if inside else describe(tree, metadata.__getitem__)
    owner = (
        party is not None and "data-owner" in party.roles
    )  # hands over rows of tables as the files that training gets
    odd = (
        []
        if inside
        else [path for path in dataset.labels if not (_is_row(folder, path) or (owner and shards.is_values(path)))]
    )
    rows = Dataset(dataset.layout, {path: label for path, label in dataset.labels.items() if path not in set(odd)})
    return Outlook(tree, rows, (*_rejects(tree, rows, party), *(f"{path}: {NO_ROW}" for path in odd)))


def _is_row(folder: Path, path: str) -> bool:
    """By its name, and where that does not say so by its first bytes; the receiver's door reads it to the end."""
    if named_as_picture(path) or named_as_wav(path):
        return True
    try:
        with (folder / path).open("rb") as file:
            return bool(content_format(file.read(HEAD_BYTES)))
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error), mend="check the folder") from error


def _rejects(tree: Tree, dataset: Dataset, party: Party | None) -> list[str]:
    large = parcel.too_large(tree)
    if large or party is None:
        return large
    return [f"class {label}: outside the scope of {party.id}" for label in dataset.classes() if not party.covers(label)]


def deliver(
    desk: Desk, folder: Path, *, addressee: str, replace: bool = False, cached: bool = False,
    stripped: dict[str, int] | None = None, canaries: CanaryKey | None = None, progress: Progress | None = None,
) -> Parcel:  # fmt: skip
    """Sign `folder` for `addressee`; writes ``FOLDER.cmdelivery`` beside it and keeps a copy.

    Signing the same content again returns the earlier delivery: the sequence counts deliveries, not tries.

    Args:
        replace: this delivery corrects the one before it, whose rows then no longer count.
        stripped: files by kind of identifier that `strip.copy` left out when it made this folder; signed with it.
        canaries: key whose pairs were drawn from this folder; how many, and its commitment, are signed with it.
        cached: read only files that changed since they were last delivered with it; the addressee reads them all.

    Raises:
        TrustRefused: the addressee is no party, a class lies outside this party's scope, a file is too large.
        TreeRefused, Unusable: the folder cannot be signed, it was delivered as it stands without `replace` or with other canaries,
        or it is not what the canary key drew.
    """
    name, trust = parcel.name(folder), desk.trust()
    me = trust.document.party(desk.party)
    trust.document.party(addressee)
    with remembering(folder, _cache(desk, folder) if cached else None, SHA256) as known:
        outlook = look(folder, me, progress, known)
    if outlook.rejects:
        raise TrustRefused(
            f"{folder.name} holds what {me.id} may not deliver",
            why="; ".join(outlook.rejects[:5]),
            mend="remove these, or ask the owner to widen the scope (`countermark party add --scope`)",
        )
    declared = _declared(canaries, outlook.tree)
    with desk.space.lock():
        sent = desk.space.disk.folder(desk.space.folder("sent") / addressee)
        earlier = sorted(sent.glob("*" + parcel.SUFFIX))
        last = _repeat(earlier, outlook.tree)
        if last and parcel.misdated(last.delivery.context.time, trust, desk.now()):
            last = None  # signed under a wrong clock: no addressee takes it, so it is signed anew
        if last and replace and last.delivery.replaces is None:
            raise _no_replacement(folder, last, earlier)
        if last and declared and last.delivery.canaries != declared:
            raise Unusable(
                f"{folder.name} was delivered as it stands already, with other canaries or none",
                why="they count only where they are declared before the folder leaves", mend="draw from new records",
            )  # fmt: skip
        out = last or _next(
            desk, name, outlook, addressee, earlier, replace=replace, stripped=stripped, canaries=declared
        )
        data = out.to_bytes()
        desk.space.disk.write(sent / f"{out.delivery.context.sequence:06d}{parcel.SUFFIX}", data)
    desk.space.disk.write(parcel.beside(folder), data, mode=0o644)
    return out


def _declared(key: CanaryKey | None, tree: Tree) -> Canaries | None:
    if key is None:
        return None
    from countermark.lifecycle import canary  # needs NumPy, which who only delivers does not

    canary.must_fit(key, tree)
    return canary.declared(key)


def _cache(desk: Desk, folder: Path) -> Path:
    """Where roots of this folder's files are remembered."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return desk.space.disk.folder(desk.space.folder("cache")) / f"{name}.roots"


def _repeat(earlier: list[Path], tree: Tree) -> Parcel | None:
    """The newest delivery, where it has the very same content."""
    if not earlier:
        return None
    last = parcel.parse(earlier[-1].read_bytes(), what=earlier[-1].name)
    return last if last.tree.digest == tree.digest else None


def _no_replacement(folder: Path, last: Parcel, earlier: list[Path]) -> Unusable:
    """The user believes that the rows of an earlier delivery no longer count; they would."""
    number = last.delivery.context.sequence
    before = earlier[-2] if len(earlier) > 1 else None
    return Unusable(
        f"{folder.name} was delivered as it stands already: delivery {number}, which replaces none",
        why=f"the rows of delivery {number - 1} still count beside it" if before else "nothing was delivered before it",
        mend=f"withdraw the earlier one: `countermark revoke {before} --reason TEXT --out FILE`" if before
        else "correct the folder first",
    )  # fmt: skip


def _next(
    desk: Desk, name: str, outlook: Outlook, addressee: str, earlier: list[Path], *, replace: bool,
    stripped: dict[str, int] | None, canaries: Canaries | None,
) -> Parcel:  # fmt: skip
    previous = parcel.parse(earlier[-1].read_bytes(), what=earlier[-1].name) if earlier else None
    context = desk.context(
        addressee,
        previous.delivery.context.sequence + 1 if previous else 1,
        previous.envelope.digest if previous else None,
    )
    dataset = outlook.dataset
    replaces = previous.envelope.digest if previous and replace else None
    delivery = Delivery(
        context, dataset.layout, dataset.classes(), outlook.tree.total_bytes, replaces, stripped, canaries
    )
    statement = Statement(name, outlook.tree.digest, TYPE, delivery.to_json())
    return Parcel(desk.sign(statement), statement, delivery, outlook.tree)
