"""Which names a pickle may use, and how: data files with source and date, exact entries, no prefixes in what is allowed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Role = Literal["reduce", "newobj", "build", "setitem", "append", "additems", "reference"]
PROFILES = ("tensors", "estimators")
FOLDER = Path(__file__).parent / "names"
_OBJECTS = frozenset({"reduce", "newobj"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One allowed name.

    Attributes:
        roles: what may be done with it or with what it makes. arguments: shape that a call must have, see `_shapes`.
        profile: list it stands in.
    """

    roles: frozenset[str]
    arguments: str
    profile: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a name is refused outright.

    Attributes:
        why: in a few words. advisory: id of a published one, or empty.
    """

    why: str
    advisory: str = ""


def allowed(module: str, qualname: str) -> Entry | None:
    """What the lists allow a name, None where no list has it."""
    return _allowed().get((module, qualname))


def refusal(module: str, qualname: str) -> Refusal | None:
    """Why a name that no list allows is refused; None where nothing is known of it."""
    exact, whole, standard = _refused()
    if (module, qualname) in exact:
        return exact[module, qualname]
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        if (found := whole.get(".".join(parts[:count]))) is not None:
            return found
    return Refusal("a name of the standard library that no list allows") if parts[0] in standard else None


def uncallable(module: str) -> Refusal | None:
    """Why nothing of a module may be called that no list has; None where that is not known."""
    return _uncallable().get(module.split(".", maxsplit=1)[0])


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """Fields of each line of a list that is no comment."""
    return [line.split("\t") for line in _text(name).splitlines() if line and not line.startswith("#")]


@cache
def digests() -> dict[str, str]:
    """Name -> SHA-256 hex of each list, these and those of the grammars, as they stand here."""
    return {place.name: hashlib.sha256(place.read_bytes()).hexdigest() for place in sorted(FOLDER.glob("*.names"))}


@cache
def _allowed() -> dict[tuple[str, str], Entry]:
    return {
        (module, qualname): Entry(frozenset(roles.split(",")), arguments, profile)
        for profile in reversed(PROFILES)
        for module, qualname, roles, arguments in rows(f"{profile}.names")
    }


@cache
def _refused() -> tuple[dict[tuple[str, str], Refusal], dict[str, Refusal], frozenset[str]]:
    exact, whole = {}, {}
    for module, qualname, advisory, why in rows("refused.names"):
        if qualname == "()":
            continue
        if qualname == "*":
            whole[module] = Refusal(why, advisory)
        else:
            exact[module, qualname] = Refusal(why, advisory)
    return exact, whole, frozenset(row[0] for row in rows("standard-library.names"))


@cache
def _uncallable() -> dict[str, Refusal]:
    return {row[0]: Refusal(row[3], row[2]) for row in rows("refused.names") if row[1] == "()"}
