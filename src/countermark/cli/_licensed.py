"""What `countermark license grant` is about: a folder or its digest, and the sealed form, read here or typed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from countermark.cli._progress import Bar
from countermark.cli._sealing import refuse_missing
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.cli._show import View
    from countermark.lifecycle.desk import Desk
    from countermark.statement.predicates.licence_claims import Subject

_DIGITS = frozenset("0123456789abcdef")
_HOW = "FOLDER or DIGEST names the plain form, and --asset FILE.cmsealed the sealed one"


def subject(desk: Desk, plain: str, sealed: Path | None, typed: tuple[str | None, str | None], view: View) -> Subject:
    """What is licensed; with `sealed`, the ciphertext of that file alone, which is read from one end to the other.

    Args:
        plain: a folder, or its tree digest in hex. typed: root and digest of the manifest, in hex, as they were typed.

    Raises:
        Unusable: what is licensed is said twice, or not readable. NothingToVerify: the sealed file has no manifest.
        Refusal: the manifest or the ciphertext does not hold, or nobody who may seal such an asset signed it.
    """
    from countermark.lifecycle import license_use
    from countermark.lifecycle import seal as stage
    from countermark.statement.predicates.licence_claims import Subject

    for name, text in zip(("--ciphertext-root", "--manifest"), typed, strict=True):
        _refuse_no_digest(name, text)
    if sealed is None:
        return Subject(_digest(plain, view), *typed)
    if any(typed):
        raise Unusable(
            "the sealed form is named twice",
            why="--asset reads both digests",
            mend="leave out --ciphertext-root and --manifest",
        )
    if sealed.suffix != stage.SUFFIX:
        raise Unusable(
            f"{sealed.name} is not called as a sealed file",
            why=_HOW,
            mend=f"--asset FILE{stage.SUFFIX}, or leave it out",
        )
    refuse_missing(sealed)
    digest, reader = _digest(plain, view), stage.reader_of(desk)
    with Bar(view) as bar:
        return license_use.sealed_subject(digest, stage.check(sealed, reader, progress=bar.files))


def _digest(plain: str, view: View) -> str:
    if _is_digest(plain):
        return plain
    path = Path(plain)
    from countermark.artefact.folder import read_folder
    from countermark.lifecycle.seal import SUFFIX

    if path.suffix == SUFFIX:
        raise Unusable(
            f"{path.name} is a sealed file",
            why=_HOW,
            mend=f"FOLDER --asset {path.name}, with the folder that was sealed, or its digest",
        )
    with Bar(view) as bar:
        bar.expect(path)
        return read_folder(path, progress=bar.files).digest


def _refuse_no_digest(option: str, text: str | None) -> None:
    if text is not None and not _is_digest(text):
        raise Unusable(
            f"{option} is {text!r:.80}",
            why="a digest has 64 hexadecimal digits, in small letters",
            mend="--asset FILE.cmsealed reads it",
        )


def _is_digest(text: str) -> bool:
    return len(text) == 64 and _DIGITS.issuperset(text)
