"""Croissant documents: written for a folder that lies beside them, and read back into a folder that can be delivered.

Each file is read once. What is written was hashed while it passed; what is read back is compared with the document
before anything of it is kept.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark import canonical
from countermark.artefact import croissant, reading, rows, tree, walk
from countermark.artefact.croissant import Croissant, FileObject
from countermark.artefact.dataset import Dataset, describe, is_metadata
from countermark.artefact.folder import Progress
from countermark.artefact.tree import Tree, TreeEntry
from countermark.errors import CountermarkError, FormatRefused, TreeRefused, Unusable
from countermark.formats.source import FileSource
from countermark.lifecycle import parcel
from countermark.workspace.disk import Disk

METADATA = "metadata.jsonl"
_FORMATS = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".bmp": "image/bmp",
    ".webp": "image/webp", ".csv": "text/csv", ".jsonl": "application/jsonlines", ".json": "application/json",
    ".parquet": "application/x-parquet", ".arrow": "application/vnd.apache.arrow.file",
    ".arrows": "application/vnd.apache.arrow.stream", ".tar": "application/x-tar", ".txt": "text/plain",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A document: its bytes, the tree of the folder it is about, and what it says."""

    data: bytes
    tree: Tree
    said: Croissant


@dataclass(frozen=True, slots=True)
class Imported:
    """A folder that was made: its tree, its rows by class where it is no folder of tables, and what the document said."""

    tree: Tree
    classes: dict[str, int]
    said: Croissant


@dataclass(slots=True)
class _Read:
    """A file as it was read: its tree entry, SHA-256, and its bytes where they are wanted."""

    entry: TreeEntry
    sha256: str
    data: bytes


def write(source: Path, about: Mapping[str, str], file: Path, progress: Progress | None = None) -> Written:
    """Describe a folder, so that the document can lie beside it.

    Args:
        file: where the document will lie; its paths begin there.
        about: what only its owner can say, by the names of schema.org. progress: called with (files, bytes) so far.

    Raises:
        TreeRefused: names that no tree may hold, or rows without labels. Unusable: it cannot be read.
        FormatRefused, MissingExtra: of a table among the files. StatementRefused: more files than a document may name.
    """
    if file.parent.resolve() != source.resolve().parent:
        raise Unusable(
            f"{file} would not lie beside {source}", why="the paths in it begin there", mend="leave out --out"
        )
    read = _read_folder(source, progress)
    entries = tree.tree_of(one.entry for one in read.values())
    name = parcel.name(source)
    dataset = _described(entries, {path: one.data for path, one in read.items()})
    files = tuple(
        FileObject(f"{name}/{path}", one.sha256, one.entry.size, one.entry.executable, _format(path))
        for path, one in sorted(read.items())
    )
    labels = {f"{name}/{path}": label for path, label in dataset.labels.items()} if dataset else {}
    columns = {
        f"{name}/{path}": _columns(source / path, read[path].sha256)
        for path in read
        if Path(path).suffix in rows.TABLES
    }
    said = Croissant(name, files, labels, entries.digest, name)
    data = croissant.to_bytes(said, about, columns)
    croissant.parse(data)  # what could not be read back is not handed out
    return Written(data, entries, said)


def _read_folder(source: Path, progress: Progress | None) -> dict[str, _Read]:
    if not source.is_dir():
        raise Unusable(f"{source} is no folder", mend="put the files into a folder")
    out: dict[str, _Read] = {}
    size = 0
    try:
        for place in walk.walk(source):
            for name in place.files:
                path = place.prefix + name
                descriptor = walk.open_at(path, name, place.descriptor, reading.OPEN_FILE)
                try:
                    out[path] = _read(descriptor, path, keep=is_metadata(path, os.fstat(descriptor).st_size))
                finally:
                    os.close(descriptor)
                size += out[path].entry.size
                if progress:
                    progress(len(out), size)
    except OSError as error:
        raise walk.unreadable(source, error) from error
    return out


def _read(descriptor: int, path: str, *, keep: bool) -> _Read:
    """Hash a file both ways, chunk by chunk, and keep its bytes where they are wanted.

    Raises:
        TreeRefused: no regular file, or one that changed meanwhile.
    """
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        walk.refuse_special(path, False)
    whole, kept, size = hashlib.sha256(), list[bytes](), 0

    def passing() -> Any:
        nonlocal size
        while chunk := reading.window(descriptor, size):
            whole.update(chunk)
            size += len(chunk)
            if keep:
                kept.append(chunk)
            yield chunk

    root = tree.chunk_root(passing())
    reading.refuse_changed(path, before, os.fstat(descriptor))
    entry = TreeEntry(path, size, before.st_mode & stat.S_IXUSR != 0, root)
    return _Read(entry, whole.hexdigest(), b"".join(kept))


def _described(entries: Tree, content: Mapping[str, bytes]) -> Dataset | None:
    """Labels of the files; None where they are tables and shards, whose rows lie inside."""
    if all(Path(entry.path).suffix in (rows.SHARD, *rows.TABLES) for entry in entries.entries):
        return None
    return describe(entries, content.__getitem__)


def _columns(file: Path, sha256: str) -> dict[str, Any]:
    with FileSource(file) as source:
        if source.sha256 != sha256:
            raise TreeRefused(f"{file} changed while it was read", mend="wait until its writer is done, then try again")
        return rows.columns_of(source)


def _format(path: str) -> str:
    return _FORMATS.get(Path(path).suffix.lower(), "application/octet-stream")


def read(document: Path, target: Path, disk: Disk | None = None, progress: Progress | None = None) -> Imported:
    """Copy the files that a document names, each compared with its SHA-256, into a new folder that can be delivered.

    Labels that the document tells and the folders do not are written as ``metadata.jsonl``.

    Raises:
        FormatRefused, StatementRefused: the document is malformed or names what is not beside it, or a file is not what it
        names; nothing is left then. TreeRefused: files that no tree may hold, or not the tree that the document names.
        Unusable: `target` exists, or something cannot be read or written. MissingExtra: Parquet metadata without pyarrow.
    """
    if target.exists():
        raise Unusable(f"{target} exists", mend="name a new folder")
    to, stage = disk or Disk(), target.with_name(f".{target.name}.part")
    said = croissant.parse(_document(document))
    to.discard(stage)
    try:
        out = _copied(said, document.parent, stage, to, progress)
        to.move(stage, target)
    except CountermarkError:
        to.discard(stage)
        raise
    return out


def _document(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(croissant.MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=str(error)) from error


def _copied(said: Croissant, home: Path, stage: Path, to: Disk, progress: Progress | None) -> Imported:
    made = {to.folder(stage, staged=True)}
    copied: list[TreeEntry] = []
    content: dict[str, bytes] = {}
    beside = os.open(home, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        for number, file in enumerate(said.files, 1):
            entry, data = _verified(beside, file, _inside(said, file.path))
            _put(to, stage, made, entry, data)
            copied.append(entry)
            if is_metadata(entry.path, entry.size):
                content[entry.path] = data
            if progress:
                progress(number, sum(one.size for one in copied))
    finally:
        os.close(beside)
    if labels := _untold(said, copied, content):
        data = b"".join(
            canonical.to_bytes({"file_name": path, "label": label}) + b"\n" for path, label in labels.items()
        )
        copied.append(TreeEntry(METADATA, len(data), False, tree.bytes_root(data)))
        content[METADATA] = data
        _put(to, stage, made, copied[-1], data)
    to.settle(made)
    seen = tree.tree_of(copied)
    if said.tree not in (None, seen.digest):
        raise TreeRefused(
            "these files are not the folder that the document names", why=f"named {said.tree}, seen {seen.digest}"
        )
    dataset = _described(seen, content)
    return Imported(seen, dataset.classes() if dataset else {}, said)


def _inside(said: Croissant, path: str) -> str:
    return path.removeprefix(f"{said.folder}/") if said.folder else path


def _verified(beside: int, file: FileObject, path: str) -> tuple[TreeEntry, bytes]:
    """A file's private bytes, once they were compared with the document."""
    with walk.opened(beside, file.path, reading.OPEN_FILE) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > parcel.MAX_ROW_BYTES:
            raise FormatRefused(
                f"{file.path} is larger than {parcel.MAX_ROW_BYTES} bytes", why="no receiver takes such a file"
            )
        if file.size not in (None, size):
            raise FormatRefused(
                f"{file.path} is not what the document names", why=f"named {file.size} bytes, seen {size}"
            )
        seen = _read(descriptor, path, keep=True)
    if seen.sha256 != file.sha256:
        raise FormatRefused(f"{file.path} is not what the document names",
                            why=f"named SHA-256 {file.sha256}, seen {seen.sha256}", mend="fetch it again")  # fmt: skip
    return seen.entry._replace(executable=file.executable), seen.data


def _put(to: Disk, stage: Path, made: set[Path], entry: TreeEntry, data: bytes) -> None:
    target = stage / entry.path
    if target.parent not in made:
        to.folder(target.parent, staged=True)
        made.update(p for p in target.parents if stage in p.parents)
    to.add(target, data, mode=0o755 if entry.executable else 0o644)


def _untold(said: Croissant, copied: list[TreeEntry], content: Mapping[str, bytes]) -> dict[str, str]:
    """Labels of the document that the folders and metadata do not tell.

    Raises:
        FormatRefused: they tell others.
    """
    if not said.labels:
        return {}
    labels = {_inside(said, path): label for path, label in sorted(said.labels.items())}
    try:
        dataset = describe(tree.tree_of(copied), content.__getitem__)
    except TreeRefused:
        return labels
    if dataset.labels == labels:
        return {}
    if content:
        raise FormatRefused(
            "the document and the metadata beside the files tell other labels", mend="take one of them away"
        )
    return labels
