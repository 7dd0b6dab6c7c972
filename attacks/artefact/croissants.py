"""Hostile Croissant documents: each would have other bytes taken than those it seems to name.

`attacks` gives, by name, how a good document is changed and what the refusal says. ``python attacks/artefact/croissants.py``
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """How a document is changed, what is said to that, and what it would do."""

    change: Change
    says: str
    story: str


def world(place: Path) -> Path:
    """A folder with three pictures and its document, both good; the document's path."""
    from countermark.lifecycle.croissant import write

    for name, data in (("nut/1.png", b"one"), ("nut/2.png", b"two"), ("bolt/1.png", b"three")):
        (place / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "photos" / name).write_bytes(data)
    (place / "secret.png").write_bytes(b"secret")
    file = place / "photos.croissant.json"
    file.write_bytes(write(place / "photos", {}, file).data)
    return file


def first(**members: Any) -> Change:
    """Change members of the first file; None takes one away."""

    def change(document: dict[str, Any]) -> None:
        for name, value in members.items():
            document["distribution"][0].pop(name)
            if value is not None:
                document["distribution"][0][name] = value

    return change


def context(**members: Any) -> Change:
    """Change the context."""
    return lambda document: document["@context"].update(members)


def top(name: str, value: Any) -> Change:
    """Change a member of the document."""
    return lambda document: document.update({name: value})


def added(name: str, value: Any) -> Change:
    """Give the first file one member more."""
    return lambda document: document["distribution"][0].update({name: value})


def row(**members: Any) -> Change:
    """Change the first record."""
    return lambda document: document["recordSet"][0]["data"][0].update({f"rows/{n}": v for n, v in members.items()})


def nested(document: dict[str, Any]) -> None:
    """A context within a file."""
    document["distribution"][0]["@context"] = {"sha256": "sc:text"}


def twice(document: dict[str, Any]) -> None:
    """A file named twice."""
    document["distribution"].append(dict(document["distribution"][0], sha256="0" * 64))


OTHER = "0" * 64
FILE_SET = {"@type": "cr:FileSet", "@id": "all", "includes": "**/*", "encodingFormat": "image/png"}


def attacks() -> dict[str, Attack]:
    """All, by name."""
    return {
        "another digest": Attack(first(sha256=OTHER), "named SHA-256", "bytes were changed after the document was written"),
        "another size": Attack(first(contentSize="4 B"), "named 4 bytes", "bytes were changed after the document was written"),
        "no digest": Attack(first(sha256=None), "no SHA-256", "any bytes pass"),
        "MD5 only": Attack(lambda d: (first(sha256=None)(d), added("md5", "0" * 32)(d)), "no SHA-256", "two files of one MD5 are made in seconds"),
        "a digest that is a link": Attack(first(sha256="https://github.com/mlcommons/croissant/issues/80"), "no SHA-256", "what some sites write"),
        "a remote file": Attack(first(contentUrl="https://example.invalid/1.png"), "not beside", "the reader's address is told, other bytes come"),
        "a file by scheme": Attack(first(contentUrl="file:///etc/passwd"), "not beside", "private files are delivered"),
        "a file of another host": Attack(first(contentUrl="//example.invalid/1.png"), "not beside", "as above"),
        "an absolute path": Attack(lambda d: (top("cm:folder", "")(d), first(contentUrl="/etc/passwd")(d)), "not a name inside", "private files are delivered"),
        "a path above": Attack(lambda d: (top("cm:folder", "")(d), first(contentUrl="photos/../secret.png")(d)), "not a name inside", "private files are delivered"),
        "an archive": Attack(added("containedIn", {"@id": "a.zip"}), "archive", "what is taken out of it has no digest"),
        "a file set": Attack(top("distribution", [FILE_SET]), "FileSet", "any files pass"),
        "a file twice": Attack(twice, "twice", "one of two digests is compared"),
        "a folder elsewhere": Attack(top("cm:folder", "phot"), "where the files lie", "names are cut in their middle"),
        "another tree": Attack(top("cm:tree", OTHER), "not the folder", "files were taken out or put in"),
        "a remote context": Attack(top("@context", "https://example.invalid/context.json"), "lies elsewhere", "whoever serves it changes the meaning"),
        "a list of contexts": Attack(top("@context", [{}, "https://example.invalid/context.json"]), "lies elsewhere", "as above"),
        "a context that imports": Attack(context(**{"@import": "https://example.invalid/c"}), "@import", "as above"),
        "a context with a base": Attack(context(**{"@base": "https://example.invalid/"}), "@base", "paths lead elsewhere"),
        "a digest that is text": Attack(context(sha256="sc:text"), "another meaning", "other readers see no digest to compare"),
        "another vocabulary": Attack(context(**{"@vocab": "https://example.invalid/"}), "another meaning", "as above"),
        "a second name for digests": Attack(context(checksum="sc:sha256"), "as well", "other readers see two digests"),
        "a digest spelt out": Attack(added("https://schema.org/sha256", OTHER), "a member called", "as above"),
        "a digest by prefix": Attack(added("sc:sha256", OTHER), "a member called", "as above"),
        "a context within": Attack(nested, "a member called '@context'", "the meaning changes half-way"),
        "no version": Attack(lambda d: d.pop("conformsTo"), "conforms to no", "0.8 spells digests otherwise"),
        "an old version": Attack(top("conformsTo", "http://mlcommons.org/croissant/0.8"), "conforms to no", "as above"),
        "a label for no file": Attack(row(file="photos/nut/9.png"), "no file of this document", "rows without files"),
        "a label twice": Attack(lambda d: d["recordSet"][0]["data"].append(d["recordSet"][0]["data"][0]), "two records", "readers take either label"),
        "a label that leads outside": Attack(lambda d: (d.pop("cm:tree"), row(label="../../nut")(d)), "not a name inside", "rows are written elsewhere"),
        "a label that is none": Attack(row(label=7), "no file of this document", "rows without class"),
        "no files": Attack(top("distribution", []), "names no files", "nothing is compared"),
    }  # fmt: skip


def hostile(document: bytes, attack: Attack) -> bytes:
    """The document, changed."""
    changed = json.loads(document)
    attack.change(changed)
    return json.dumps(changed).encode()


def main() -> int:
    """Read each, and show what is said; 1 where one passed."""
    from countermark.errors import CountermarkError
    from countermark.lifecycle.croissant import read

    passed = 0
    with tempfile.TemporaryDirectory() as place:
        file = world(Path(place))
        good = file.read_bytes()
        for name, attack in attacks().items():
            file.write_bytes(hostile(good, attack))
            try:
                read(file, Path(place) / "out")
                said, passed = "PASSED", passed + 1
            except CountermarkError as error:
                said = error.what
            print(f"{name:28} {said:90.90} {attack.story}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
