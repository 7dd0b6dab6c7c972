"""DVC pointer files: which data a ``.dvc`` file beside it names. Source: DVC's documentation, ".dvc files"."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from countermark.artefact.tree import check_path
from countermark.errors import FormatRefused

SUFFIX = ".dvc"
MOST_BYTES = 64 << 10
_LINE = re.compile(r"(- |  )(\w+): *(.*)")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a DVC pointer says: path of the data beside it, MD5 (of a listing where it is a folder), size in bytes."""

    path: str
    md5: str
    size: int | None

    @property
    def is_folder(self) -> bool:
        """Whether it points at a folder."""
        return self.md5.endswith(".dir")


def read_pointer(data: bytes) -> Pointer:
    """Parse a ``.dvc`` file with one output; nothing else of YAML is understood.

    Raises:
        FormatRefused: too large, several outputs, or lines that such a file does not have.
    """
    if len(data) > MOST_BYTES:
        raise FormatRefused("this is no pointer file", why=f"{len(data)} bytes")
    found: dict[str, str] = {}
    inside = False
    for line in _text(data).splitlines():
        if not line.startswith((" ", "-")):
            inside = line.strip() == "outs:"
            continue
        hit = _LINE.fullmatch(line)
        if not inside or not hit or hit[2] in found:
            raise FormatRefused("a pointer file with more than one plain output is not read", why=f"line {line!r:.80}")
        found[hit[2]] = hit[3].strip("'\"")
    if found.get("hash", "md5") != "md5" or not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", found.get("md5", "")):
        raise FormatRefused("a pointer file without an MD5", why=f"seen: {sorted(found)!r:.120}")
    size = found.get("size", "")
    check_path(found.get("path", ""))
    return Pointer(found["path"], found["md5"], int(size) if size.isdecimal() and len(size) < 19 else None)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FormatRefused("this is no pointer file", why="it is not UTF-8") from error


def follow(path: Path) -> Path:
    """`path` itself, or the data that it points at where it is a pointer file.

    Raises:
        FormatRefused, TreeRefused: as `read_pointer` and `check_pointer`.
    """
    if path.suffix != SUFFIX or not path.is_file():
        return path
    with path.open("rb") as file:
        return check_pointer(read_pointer(file.read(MOST_BYTES + 1)), path.parent)


def check_pointer(pointer: Pointer, here: Path) -> Path:
    """The data that a pointer names, once its MD5 was compared; MD5 only shows that the right thing was fetched.

    Raises:
        FormatRefused: it is not there, or is something else.
    """
    target = here / pointer.path
    if not target.exists():
        raise FormatRefused(f"{target} is not here", mend="`dvc pull`, then try again")
    seen = _folder_md5(target) if pointer.is_folder else _file_md5(target)
    if seen != pointer.md5.removesuffix(".dir"):
        raise FormatRefused(f"{target} is not what its pointer names", why=f"expected MD5 {pointer.md5}, seen {seen}",
                            mend="`dvc checkout`, or sign what is there without the pointer")  # fmt: skip
    return target


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _folder_md5(folder: Path) -> str:
    """MD5 of DVC's listing: JSON of md5 and relpath, sorted by relpath."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    listing = sorted((p.relative_to(folder).as_posix(), _file_md5(p)) for p in files)
    text = ", ".join(f'{{"md5": "{md5}", "relpath": {json.dumps(path)}}}' for path, md5 in listing)
    return hashlib.md5(f"[{text}]".encode(), usedforsecurity=False).hexdigest()
