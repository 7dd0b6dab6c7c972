"""Labelled pictures of several suppliers, one after the other: from a folder, tables, shards, or a bucket of either.

Nobody signed for any of it. Tables and shards are parsed in a confined child; pictures are handed on encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from countermark.artefact import folder
from countermark.artefact.bucket import SCHEMES, Bucket
from countermark.artefact.profile import SHA256
from countermark.artefact.reading import Reader
from countermark.artefact.rows import SHARD, TABLES, check_id, files_of
from countermark.artefact.tree import TreeEntry
from countermark.errors import FormatRefused, Unusable
from countermark.formats.image import content_format
from countermark.formats.source import FileSource
from countermark.formats.wav import MEND, is_wav
from countermark.sandbox.limits import ChildFailed, Limits
from countermark.sandbox.pipe import Child, Reply
from countermark.sandbox.task import Source

NOBODY = "claimed by nobody"
PATTERN = "{supplier}/{label}/*"
MOST_PICTURE_BYTES = 64 << 20
_NAMES = ("supplier", "label")
_TASKS = "countermark.formats._labelled_task"
_LIMITS = Limits(memory_bytes=4 << 30, cpu_seconds=120, wall_seconds=300.0)
_AT_ONCE, _THREADS = 64, 16
SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".aif", ".wma")


class Row(NamedTuple):
    """One labelled picture: its id, the supplier and class that it claims, and its bytes as they lie there."""

    id: str
    supplier: str
    label: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class Columns:
    """What names the parts of a row in tables, and in the ``.json`` components of shards.

    Attributes:
        picture: empty: the only column of bytes, or the only component with a picture's ending. id: empty: the row's place.
    """

    picture: str = ""
    label: str = "label"
    supplier: str = "supplier"
    id: str = ""


def matcher(pattern: str) -> re.Pattern[str]:
    """Regular expression of a pattern such as ``{supplier}/{label}/*``.

    Raises:
        Unusable: it names no label, or something else than supplier and label.
    """
    named = re.findall(r"{(\w*)}", pattern)
    if set(named) - set(_NAMES) or len(set(named)) != len(named) or "label" not in named:
        raise Unusable(f"pattern {pattern!r} is not understood", mend="for instance '{supplier}/{label}/*'")
    out = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", out))


def rows(place: str, pattern: str = PATTERN, columns: Columns = Columns()) -> Iterator[Row]:
    """Rows at a path or URL, in the order of files and of the rows in them; a few are in memory.

    Args:
        place: folder of pictures, or of tables and shards; one of those; or an ``s3://``, ``gs://`` or ``az://`` URL of either.
        pattern: where supplier and class stand in the paths of pictures. columns: where they stand in tables and shards.

    Raises:
        Unusable: nothing is there, or it cannot be read. FormatRefused: malformed, over a limit, an id no row may have.
        TreeRefused: odd files in a folder. MissingExtra: pyarrow or obstore is absent. ChildFailed: a reader died.
    """
    found = 0
    away = place.startswith(SCHEMES)
    for row in _of_url(place, pattern, columns) if away else _of_path(Path(place), pattern, columns):
        if away:
            check_id(row.id)
        found += 1
        yield row
    if not found:
        raise _nothing("picture", place, pattern)


def clips(place: str, pattern: str = PATTERN) -> Iterator[Row]:
    """WAV files in a folder or bucket, as `rows` gives pictures; `picture` then holds a clip.

    Raises:
        As `rows`. FormatRefused: a file whose path matches is sound of another format.
    """
    away = place.startswith(SCHEMES)
    files = _objects(Bucket(place)) if away else _files(Path(place))
    found = 0
    for row in _of_pictures(files, matcher(pattern), _is_clip):
        if away:
            check_id(row.id)
        found += 1
        yield row
    if not found:
        raise _nothing("WAV file", place, pattern)


def _nothing(what: str, place: str, pattern: str) -> Unusable:
    """Nothing matched; what lies there, and the pattern that its depth asks for."""
    root = Path(place)
    first = None if place.startswith(SCHEMES) else next((p for p in root.rglob("*") if p.is_file()), None)
    seen = first.relative_to(root).as_posix() if first else ""
    fits = _pattern_for(seen.count("/"))
    mend = f"--label-from '{fits}'" if fits != pattern else "name the folder that holds them"
    return Unusable(
        f"no {what} at {place} matches {pattern!r}", why=f"one file there is {seen}"[:300] if seen else "", mend=mend
    )


def _pattern_for(folders: int) -> str:
    """The supplier is the outermost of so many folders, and the class the innermost."""
    if folders == 1:
        return "{label}/*"
    return "{supplier}/" + "*/" * max(0, folders - 2) + "{label}/*"


def _is_picture(_path: str, data: bytes) -> bool:
    return bool(content_format(data[:16]))


def _is_clip(path: str, data: bytes) -> bool:
    if is_wav(data):
        return True
    if path.lower().endswith(SOUNDS):
        raise FormatRefused(f"{path} is no WAV file", why="sound is read from WAV alone", mend=MEND)
    return False


def _of_path(path: Path, pattern: str, columns: Columns) -> Iterator[Row]:
    if path.is_dir() and not _holds_tables(child.name for child in path.iterdir() if child.name[0] != "."):
        yield from _of_pictures(_files(path), matcher(pattern))
        return
    for file in files_of(path):
        with FileSource(file) as opened:
            yield from _named(file.name, _of_table(opened, file.name, columns), several=path.is_dir())


def _of_url(url: str, pattern: str, columns: Columns) -> Iterator[Row]:
    bucket = Bucket(url)
    objects = list(bucket.files())
    if not _holds_tables(one.name for one in objects):
        yield from _of_pictures(_objects(bucket), matcher(pattern))
        return
    for one in objects:
        name = bucket.below(one)
        yield from _named(name, _of_table(bucket.opened(one), name, columns), several=len(objects) > 1)


def _holds_tables(names: Iterable[str]) -> bool:
    kinds = {PurePosixPath(name).suffix in (SHARD, *TABLES) for name in names}
    return kinds == {True}


def _of_pictures(
    files: Iterator[tuple[str, Callable[[], bytes]]],
    rule: re.Pattern[str],
    wanted: Callable[[str, bytes], bool] = _is_picture,
) -> Iterator[Row]:
    for path, read in files:
        found = rule.fullmatch(path)
        data = read() if found else b""
        if found and wanted(path, data):
            yield Row(path, found.groupdict().get("supplier", NOBODY), found["label"], data)


def _files(root: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    kept: dict[str, bytes] = {}

    def keep(entry: TreeEntry, data: bytes) -> None:
        kept[entry.path] = data

    with ThreadPoolExecutor(2) as pool:
        reader = Reader(keep, lambda _path, size: size <= MOST_PICTURE_BYTES, pool, 2, SHA256, None)
        for entry in folder.entries(root, reader):
            data = kept.pop(entry.path, b"")
            yield entry.path, lambda data=data: data  # type: ignore[misc]


def _objects(bucket: Bucket) -> Iterator[tuple[str, Callable[[], bytes]]]:
    left = bucket.files()
    with ThreadPoolExecutor(_THREADS) as pool:
        while some := list(islice(left, _AT_ONCE)):
            waiting = [pool.submit(bucket.opened(one).whole, MOST_PICTURE_BYTES) for one in some]
            yield from ((bucket.below(one), future.result) for one, future in zip(some, waiting, strict=True))


def _named(file: str, found: Iterator[Row], *, several: bool) -> Iterator[Row]:
    """Ids are only unique within a file, so its name goes before them where there are several."""
    try:
        for row in found:
            yield row._replace(id=f"{file}/{row.id}") if several else row
    except FormatRefused as error:
        raise FormatRefused(f"{file}: {error.what}", why=error.why, mend=error.mend) from error


def _of_table(source: Source, name: str, columns: Columns) -> Iterator[Row]:
    request = {"shard": PurePosixPath(name).suffix == SHARD, **asdict(columns)}
    seen: set[str] = set()
    with Child(_LIMITS) as child:
        child.ask(f"{_TASKS}:begin", request, sources=[source])
        while some := _unpacked(child.ask(f"{_TASKS}:more", {}, sources=[source])):
            for row in some:
                if row.id in seen:
                    raise FormatRefused(f"the id {row.id!r:.120} comes twice", mend="--id-column names another column")
                seen.add(row.id)
                yield row


def _unpacked(reply: Reply) -> list[Row]:
    """Rows of an answer, nothing of which is taken on trust."""
    told, lengths = reply.json.get("rows"), reply.json.get("lengths")
    if (
        not isinstance(told, list)
        or not isinstance(lengths, list)
        or len(told) != len(lengths)
        or len(reply.arrays) != 1
    ):
        raise ChildFailed("the confined reader answered with no rows")
    data = memoryview(reply.arrays[0].data)
    if not all(type(n) is int and 0 < n <= MOST_PICTURE_BYTES for n in lengths) or sum(lengths) != len(data):
        raise ChildFailed("the confined reader answered with other pictures than it counted")
    out, at = [], 0
    for names, length in zip(told, lengths, strict=True):
        if not isinstance(names, list) or len(names) != 3 or not all(isinstance(n, str) and n for n in names):
            raise ChildFailed("the confined reader answered with a row of no names")
        out.append(Row(names[0], names[1], names[2], bytes(data[at : at + length])))
        at += length
    for row in out:
        for name in row[:3]:
            check_id(name)
    return out
