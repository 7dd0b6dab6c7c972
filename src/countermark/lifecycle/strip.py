"""Strip: a copy of a folder without what its files' metadata tells; the folder itself stays as it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from countermark.artefact import shards
from countermark.artefact.dataset import is_metadata
from countermark.artefact.folder import read_folder
from countermark.artefact.tree import TreeEntry
from countermark.errors import CountermarkError, FormatRefused, MissingExtra, Unusable
from countermark.formats import strip as formats
from countermark.formats.dicom import Dicom, is_dicom
from countermark.formats.identifiers import Identifier, Told, told
from countermark.formats.image import content_format
from countermark.sandbox.limits import ChildFailed
from countermark.workspace.disk import Disk

SUFFIX = ".stripped"


@dataclass(slots=True)
class Privacy:
    """What files tell beside their content.

    Attributes:
        files: kind of identifier -> files that have one. fields: field -> files. unread: what was not looked at, a line each.
    """

    files: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)

    def count(self, identifiers: tuple[Identifier, ...]) -> None:
        """Take in one file's."""
        self.files.update({one.kind for one in identifiers})
        self.fields.update({one.field for one in identifiers})


def seek(folder: Path) -> Privacy:
    """What the pictures and DICOM files of a folder tell.

    Raises:
        TreeRefused, Unusable: it cannot be read.
    """
    out = Privacy()

    def look(entry: TreeEntry, data: bytes) -> None:
        try:
            seen = _told(dicom, data)
        except (FormatRefused, MissingExtra, ChildFailed) as error:
            out.unread.append(f"{entry.path}: {error.what}")
        else:
            out.count(seen.identifiers)
            out.unread += (f"{entry.path}: {what}" for what in seen.unread)

    with Dicom() as dicom:
        read_folder(folder, sink=look)
    return out


def _told(dicom: Dicom, data: bytes) -> Told:
    if is_dicom(data):
        return dicom.look(data)
    return told(data) if content_format(data[:16]) else Told((), unread=("neither a picture nor DICOM",))


def copy(disk: Disk, folder: Path) -> tuple[Path, Privacy]:
    """Write ``FOLDER.stripped`` beside a folder, its pictures and DICOM files without what they tell, everything else as it is.

    Raises:
        Unusable: it is there already, or the folder holds tables or shards. FormatRefused: a file cannot be stripped.
        MissingExtra: there are DICOM files, and pydicom is absent.
    """
    out = folder.with_name(folder.name + SUFFIX)
    if out.exists():
        raise Unusable(f"{out} exists", mend="look at it and take it away; nothing is overwritten")
    if shards.are_shards(read_folder(folder)):
        raise Unusable(
            "pictures inside tables and shards are not stripped",
            mend="`countermark convert` writes them as files; deliver those with --strip",
        )
    try:
        return out, _write(disk, folder, out)
    except CountermarkError:
        if out.exists():
            disk.discard(out)
        raise


def _write(disk: Disk, folder: Path, out: Path) -> Privacy:
    said, made = Privacy(), {disk.folder(out)}

    def put(entry: TreeEntry, data: bytes) -> None:
        stripped = _stripped(dicom, entry, data)
        said.count(stripped.removed)
        said.unread += (f"{entry.path}: {what}" for what in stripped.unread)
        target = out / entry.path
        if target.parent not in made:
            made.add(disk.folder(target.parent))
        disk.add(target, stripped.data, mode=0o755 if entry.executable else 0o644)

    with Dicom() as dicom:
        read_folder(folder, sink=put)
    disk.settle(made)
    return said


def _stripped(dicom: Dicom, entry: TreeEntry, data: bytes) -> formats.Stripped:
    """One file without what it tells; a file that is neither a picture nor DICOM as it is."""
    if is_metadata(entry.path, len(data)):
        return formats.Stripped(data, (), ("metadata of the rows, kept as it is",))
    try:
        if is_dicom(data):
            return dicom.strip(data)
        if content_format(data[:16]):
            return formats.strip(data)
    except FormatRefused as error:
        raise FormatRefused(f"{entry.path} cannot be stripped", why=error.what, mend=error.mend) from error
    return formats.Stripped(data, (), ("neither a picture nor DICOM, kept as it is",))
