"""The extras of this installation and the libraries they bring, as its own metadata name them (pyproject.toml when it was built)."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata

NAME = "countermark"
MAIN = ("screen", "serve", "demo")
"""What the main job needs; the others serve one purpose each. In this order an extra is proposed for a library that several bring."""
MODULES = {"PIL": "pillow", "sklearn": "scikit-learn", "pkcs11": "python-pkcs11"}
"""Modules that are named otherwise than the distribution they come from."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
Needed = tuple[str, tuple[str, ...]]


@cache
def extras() -> dict[str, tuple[str, ...]]:
    """Extra -> distributions that it asks for, those of the main job first; empty where the program was not installed as a package."""
    try:
        named = metadata.metadata(NAME).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    ordered = [*(e for e in MAIN if e in named), *sorted(set(named) - set(MAIN))]
    return {extra: tuple(dict.fromkeys(name for name, _ in _asked(NAME, extra))) for extra in ordered}


def absent(extra: str) -> list[str]:
    """Distributions of an extra that are not installed here, those that they ask for by extras of their own included."""
    return sorted({name for name, inner in _asked(NAME, extra) for name in _missing(name, inner)})


def bringing(module: str) -> str | None:
    """The extra that brings a module, where one does."""
    wanted = _plain(MODULES.get(module, module))
    return next((extra for extra, names in extras().items() if wanted in names), None)


def _missing(name: str, inner: tuple[str, ...]) -> list[str]:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return [name]
    return [gone for extra in inner for asked, more in _asked(name, extra) for gone in _missing(asked, more)]


def _asked(name: str, extra: str) -> list[Needed]:
    """What one extra of a distribution asks for, extras of its own followed."""
    out: list[Needed] = []
    for line in metadata.requires(name) or []:
        requirement, _, marker = line.partition(";")
        if (said := _EXTRA.search(marker)) and said[1] == extra and (found := _REQUIREMENT.match(requirement)):
            inner = tuple(part.strip() for part in (found[2] or "").split(",") if part.strip())
            if _plain(found[1]) == name:
                out += [needed for each in inner for needed in _asked(name, each)]
            else:
                out.append((_plain(found[1]), inner))
    return out


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
