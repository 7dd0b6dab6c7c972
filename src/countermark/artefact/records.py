"""Data sets that are not folders: records inside shards, as label, name and bytes.

Source: WebDataset format (a sample is the run of members whose names agree up to the first dot of the last part).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from countermark import canonical
from countermark.artefact.tree import check_path
from countermark.errors import FormatRefused, TreeRefused
from countermark.formats import tar
from countermark.formats.samples import samples
from countermark.sandbox.task import Source

PICTURES = ("png", "jpg", "jpeg", "gif", "bmp", "webp")
LABEL_SUFFIXES = ("cls", "label", "json")
VALUES = "json"  # suffix of a row of values; no picture has it
SUPPLIER = "supplier"  # column that is left out of rows of values: who signed them is known, and no check looks at it
MOST_RECORD_BYTES = 64 << 20
MOST_LABEL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled picture or row of values: its name inside its shard, class, file suffix and bytes."""

    key: str
    label: str
    suffix: str
    data: bytes

    @property
    def path(self) -> str:
        """``label/key.suffix`` for a folder-per-class data set; folders of the key become dashes."""
        return f"{self.label}/{self.key.replace('/', '-')}.{self.suffix}"


def webdataset(source: Source, field: str = "label") -> Iterator[Record]:
    """Records of one WebDataset shard (tar).

    Args:
        field: member of a ``.json`` component that holds the class; a ``.cls`` or ``.label`` component is text.

    Raises:
        FormatRefused: not a strict tar, a sample with no or several pictures or labels, a key that comes twice.
    """
    seen: set[str] = set()
    for sample in samples(source):
        for suffix in sample.parts:
            check_path(f"{sample.key}.{suffix}")
        if sample.key in seen:
            raise FormatRefused(f"sample {sample.key!r:.120} comes twice", why="readers would disagree on which counts")
        seen.add(sample.key)
        yield _record(source, sample.key, sample.parts, field)


def _record(source: Source, key: str, sample: dict[str, tar.Member], field: str) -> Record:
    pictures = [s for s in sample if s in PICTURES]
    labels = [s for s in sample if s in LABEL_SUFFIXES]
    if len(pictures) != 1 or len(labels) != 1:
        raise FormatRefused(
            f"sample {key!r:.120} has {len(pictures)} pictures and {len(labels)} labels", why=f"seen: {sorted(sample)!r:.200}",
            mend=f"one of {', '.join(PICTURES)} and one of {', '.join(LABEL_SUFFIXES)} make a sample",
        )  # fmt: skip
    label = _label(_bytes(source, sample[labels[0]], MOST_LABEL_BYTES), labels[0], key, field)
    return Record(key, label, pictures[0], _bytes(source, sample[pictures[0]], MOST_RECORD_BYTES))


def _bytes(source: Source, member: tar.Member, most: int) -> bytes:
    if member.size > most:
        raise FormatRefused(f"{member.name!r:.120} has {member.size} bytes; the limit is {most}")
    return source.read(member.data_at, member.size)


def _label(data: bytes, suffix: str, key: str, field: str) -> str:
    value = canonical.object_from_bytes(data, what=f"{key}.json").get(field) if suffix == "json" else _text(data, key)
    if not isinstance(value, (str, int)) or isinstance(value, bool) or not str(value):
        raise FormatRefused(f"sample {key!r:.120} has no class", mend="--field names the member that holds it")
    return class_name(str(value))


def _text(data: bytes, key: str) -> str:
    try:
        return data.decode().strip()
    except UnicodeDecodeError as error:
        raise FormatRefused(f"the class of sample {key!r:.120} is not UTF-8") from error


def class_name(label: str) -> str:
    """A class as the folder it becomes.

    Raises:
        TreeRefused: it is no folder name.
    """
    check_path(label)
    if "/" in label:
        raise TreeRefused(f"the class {label!r:.80} is no folder name", why="it holds a slash")
    return label
