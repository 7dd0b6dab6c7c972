"""All parametric parts: every (type, size) of every family, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

from countermark.cases.factory import _electrics, _fasteners, _machinery
from countermark.cases.factory._solids import Build

FAMILIES = {**_fasteners.FAMILIES, **_machinery.FAMILIES, **_electrics.FAMILIES}


@dataclass(frozen=True, slots=True)
class Model:
    """A (type, size) of a family: its label, its family, and how to build its surface."""

    label: str
    family: str
    build: Build


def models() -> list[Model]:
    """Every parametric part; labels are unique."""
    return [
        Model(label.replace(".", "_"), family, build) for family, sized in FAMILIES.items() for label, build in sized()
    ]
