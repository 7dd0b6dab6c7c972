"""`countermark deliver`: a supplier signs a folder for its receiver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from countermark import compose
from countermark.cli._answer import FOUND, Answer, Pairs, Table
from countermark.cli._command import command, with_desk, with_view
from countermark.cli._deliver_options import Asked, deliver_options
from countermark.cli._progress import Bar
from countermark.cli._show import View, count
from countermark.errors import TrustRefused, Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from countermark.keys.document import Party, TrustDocument
    from countermark.lifecycle.deliver import Outlook
    from countermark.lifecycle.desk import Desk
    from countermark.lifecycle.parcel import Parcel
    from countermark.lifecycle.strip import Privacy
    from countermark.tracing.canary import CanaryKey

MOST_FIELDS = 40


@command("deliver", examples=[
    "countermark deliver photos --as acme --to manufacturer",
    "countermark deliver photos --dry-run",
    "countermark deliver photos --strip",
    "countermark deliver corrected --replace",
    "countermark deliver handover --admitted --to trainer",
    "countermark deliver photos --to manufacturer --seal-for manufacturer.sealpub",
    "countermark deliver drawn --canaries parts.canary",
])  # fmt: skip
@deliver_options
@with_view
@with_desk
def deliver(asked: Asked, desk: Desk, view: View) -> Answer:
    """Sign a folder of training data for its receiver.

    FOLDER holds one folder of pictures or WAV clips per class, or files with metadata.csv, .jsonl or .parquet (file_name, label); or it is, or holds
    nothing but, Parquet, Arrow or WebDataset files of pictures, or tables of values, with a column or member `label`. The signed
    FOLDER.cmdelivery is written beside it; hand over both. A .dvc pointer stands for the data it names, once its MD5
    was compared. --dry-run also tells what the pictures' metadata tells of people, places and devices. --strip leaves FOLDER as it is,
    keeps pixels, colour profiles and EXIF orientation, and signs what was left out.
    """
    from countermark.artefact import pointer
    from countermark.lifecycle import deliver as stage
    from countermark.lifecycle import strip as stripping

    folder = pointer.follow(asked.folder)
    asked.refuse_mixed()
    with Bar(view) as bar:
        if asked.dry_run:
            return _outlook(stage.look(folder, _me(desk), bar.files), folder, stripping.seek(folder))
        folder, parcel = _signed(desk, folder, asked, bar)
    return _told(folder, parcel, _sealed(desk, folder, asked.seal_for) if asked.seal_for else None)


def _signed(desk: Desk, folder: Path, asked: Asked, bar: Bar) -> tuple[Path, Parcel]:
    """The folder that was signed, the stripped one where that was asked for, and what was signed of it."""
    from countermark.lifecycle import deliver as stage
    from countermark.lifecycle import rows
    from countermark.lifecycle import strip as stripping

    to = asked.addressee or _receiver(desk)
    if asked.admitted:
        desk.trust().document.party(to)  # before a row is written: a folder left behind would bar the next try
        rows.write_training_set(desk, folder, lambda done, every: bar.tick("rows written", done, every))
    left_out = None
    if asked.strip:
        folder, told = stripping.copy(desk.space.disk, folder)
        left_out = dict(sorted(told.files.items()))
    return folder, stage.deliver(
        desk, folder, addressee=to, replace=asked.replace, cached=asked.cached, stripped=left_out,
        canaries=_canaries(asked.canaries), progress=bar.files,
    )  # fmt: skip


def _told(folder: Path, parcel: Parcel, sealed: Path | None) -> Answer:
    said = parcel.delivery
    to, file = said.context.addressee, folder.with_name(folder.name + ".cmdelivery")
    return Answer(
        f"signed: {said.rows} rows of {len(said.classes)} classes for {to}, delivery {said.context.sequence}",
        facts={
            "file": str(file), "digest": parcel.tree.digest, "statement": parcel.envelope.digest, "to": to,
            "sequence": said.context.sequence, "rows": said.rows, "classes": said.classes, "replaces": said.replaces,
            **({} if said.stripped is None else {"stripped": said.stripped}), **({"sealed": str(sealed)} if sealed else {}),
            **({} if said.canaries is None else {"canaries": said.canaries.to_json()}),
        },
        body=[Pairs([
            ("tree digest", parcel.tree.digest), ("hand over", f"{sealed or folder}{' with .manifest and .recipients,' if sealed else ''} and {file.name}"),
            *([] if said.stripped is None else [("left out", _counted(said.stripped))]),
            *([] if said.canaries is None else [("canaries", f"{said.canaries.pairs:,} pairs, commitment {said.canaries.commitment}")]),
        ])],
    )  # fmt: skip


def _canaries(file: Path | None) -> CanaryKey | None:
    if file is None:
        return None
    from countermark.cli.canary import key_of

    return key_of(file)


def _sealed(desk: Desk, folder: Path, keys: Sequence[str]) -> Path:
    """The folder sealed as a dataset, for those named alone."""
    from countermark.artefact.walk import measure
    from countermark.cli._sealing import recipient
    from countermark.lifecycle import seal as sealing
    from countermark.seal.writer import Form, chunk_for

    target = folder.with_name(folder.name + sealing.SUFFIX)
    form = Form(chunk=chunk_for("dataset", *measure(folder)))
    sealing.seal(
        folder,
        target,
        [recipient(key, desk.space.root) for key in keys],
        sealing.sealer_of(desk),
        kind="dataset",
        form=form,
    )
    return target


def _me(desk: Desk) -> Party | None:
    """This party as the owners enrolled it; None before anything was pinned."""
    try:
        return desk.trust().document.party(desk.party)
    except TrustRefused:
        return None


def _receiver(desk: Desk) -> str:
    named = compose.settings(desk.space.root).to
    return named or only_owner(desk.trust().document)


def only_owner(document: TrustDocument) -> str:
    """The one data owner of a project.

    Raises:
        Unusable: there are several, or none.
    """
    owners = [p.id for p in document.parties if "data-owner" in p.roles]
    if len(owners) != 1:
        raise Unusable(f"the project has {len(owners)} data owners: {', '.join(owners)}", mend="--to PARTY")
    return owners[0]


def _counted(files: dict[str, int]) -> str:
    return ", ".join(f"{kind} in {count(n, 'file')}" for kind, n in files.items()) or "nothing was there"


def _about(private: Privacy) -> list[tuple[str, str]]:
    """What the metadata tell of people, places and devices, and how much of them nobody could read."""
    found, unread = _counted(dict(sorted(private.files.items()))), len(private.unread)
    return [
        ("metadata tells", f"{found}; --strip leaves it out" if private.files else found),
        *([("not looked at", f"{unread} files or parts; --strip leaves these out")] if unread else []),
    ]


def _outlook(seen: Outlook, folder: Path, private: Privacy) -> Answer:
    classes = seen.dataset.classes()
    rejects = list(seen.rejects)
    size = f"{len(seen.dataset.labels)} rows of {len(classes)} classes"
    return Answer(
        f"would be refused: {len(rejects)} reasons" if rejects else f"would be signed: {size}; nothing was signed",
        FOUND if rejects else 0,
        {"digest": seen.tree.digest, "layout": seen.dataset.layout, "classes": classes, "rejects": rejects,
         "identifiers": dict(sorted(private.files.items())), "fields": dict(private.fields.most_common(MOST_FIELDS))},
        [
            Table(("class", "rows"), list(classes.items())), "",
            Pairs([("folder", folder), ("layout", seen.dataset.layout), ("tree digest", seen.tree.digest),
                   *_about(private)]),
            *rejects,
        ],
    )  # fmt: skip
