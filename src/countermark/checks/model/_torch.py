"""Pickles of torch: storages behind persistent ids, in a zip or in the order of before 1.6; TorchScript archives."""

from __future__ import annotations

from dataclasses import dataclass

from countermark.checks.model._judge import PickleJudge
from countermark.checks.model._streams import ends, inflated, plain
from countermark.formats import torch_layout, zipped
from countermark.formats.limits import Malformed
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Listed, Made, Name, Value, number
from countermark.formats.source import Memory
from countermark.sandbox.task import Source


@dataclass(frozen=True, slots=True)
class Storage:
    """What a pickle says of one storage of torch: its key, how many elements it has, and the bytes of one."""

    key: str
    count: int
    width: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.count * self.width


class TorchJudge(PickleJudge):
    """Knows the ids that torch gives its storages.

    Attributes:
        storages: as the pickle names them, by key. places: where the bytes of each begin, in a file of the old order.
    """

    def __init__(self, path: str, inside: str = "") -> None:
        super().__init__(path, inside)
        self.storages: dict[str, Storage] = {}
        self.places: dict[str, int] = {}

    def persistent(self, id: Value, at: int) -> Value:
        """``("storage", class, key, location, count)``, and a view of it where the format is the old one."""
        if isinstance(id, tuple) and len(id) in (5, 6) and id[0] == "storage" and isinstance(id[1], Name):
            kind, key, count = id[1], id[2], number(id[4])
            width = torch_layout.ELEMENT_BYTES.get(kind.qualname)
            if (
                kind.entry is not None
                and width
                and isinstance(key, str)
                and count is not None
                and isinstance(id[3], str)
            ):
                return self._storage(kind, Storage(key, count, width), at)
        if isinstance(id, tuple) and len(id) == 4 and id[0] == "module" and isinstance(id[1], Name):
            return id[1]  # a class with the text of its source, which loaders compare and do not run
        return super().persistent(id, at)

    def _storage(self, kind: Name, named: Storage, at: int) -> Value:
        if self.storages.setdefault(named.key, named) != named:
            raise wrong("storage", f"storage {named.key[:40]!r} has two sizes", at)
        return Made(kind, (named.key,), named.count)


def torch_legacy(source: Source, judge: TorchJudge, body: Machine | None = None) -> None:
    """Magic number, protocol, system, the object, the keys of its storages, and the storages.

    Args:
        body: machine for the object, where somebody wants what it holds.

    Raises:
        Malformed: another order, or storages of other sizes than the object says.
    """
    at = 0
    for _ in range(3):
        at = follow(Machine(source, judge), at)
    at = follow(body or Machine(source, judge), at)
    keys = Machine(source, judge)
    keys.captures = True
    at = follow(keys, at)
    listed = keys.stack[-1].items if isinstance(keys.stack[-1], Listed) else None
    if listed is None or len(listed) != len(set(map(str, listed))) or set(listed) != judge.storages.keys():
        raise wrong("storage", "the list of storages is another than the object names", at)
    for key in listed:
        said, named = int.from_bytes(source.read(at, 8), "little"), judge.storages[key]
        if said != named.count:
            raise wrong("storage", f"storage {key!r} has {said} elements, the object names {named.count}", at)
        judge.places[key] = at + 8
        at += 8 + named.size
        if at > source.size:
            raise Malformed("truncated", f"storage {key!r} ends beyond the file", offset=source.size)
    ends(at, source)


def torch_zip(source: Source, archive: zipped.Archive, root: str, judge: TorchJudge) -> list[str]:
    """``data.pkl`` and the storages it names; returns the names of members that are no part of this.

    Raises:
        Malformed: a storage that is not there, or of another size.
    """
    layout = torch_layout.parted(archive, root)
    plain(Memory(inflated(source, layout.pickle)), judge)
    left = held(layout.storages, judge.storages, f"{root}data/")
    for record in layout.records:
        if record.size > 64:
            raise Malformed("pickle-record", f"{record.name!r} of {record.size} bytes", offset=record.header_at)
    return [*(member.name for member in layout.others), *left]


def held(members: dict[str, zipped.Member], named: dict[str, Storage], prefix: str) -> list[str]:
    """Compare the storages that an archive holds with those that its pickle names; returns names of those it does not name.

    Raises:
        Malformed: one is not there, or of another size.
    """
    for storage in named.values():
        member = members.get(storage.key)
        if member is None or member.size != storage.size:
            raise Malformed(
                "pickle-storage", f"storage {storage.key[:40]!r} of {storage.size} bytes",
                offset=member.header_at if member else None,
                why=f"the archive holds {member.size} of it" if member else "it is not there",
            )  # fmt: skip
    return [f"{prefix}{key}" for key in members.keys() - named.keys()]
