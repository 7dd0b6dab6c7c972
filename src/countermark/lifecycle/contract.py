"""The contract with the suppliers, and the examination of a delivery against it at the door.

Free and first: rows per supplier and class, kinds of rows, picture formats and sizes, and whether every picture and clip decodes.
Tables were read in full before, in a confined child (`artefact.shards`).
It is a JSON or TOML file of the data owner's; nothing that a delivery brings changes it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from countermark import canonical
from countermark.artefact import shards
from countermark.artefact.dataset import Dataset
from countermark.canonical import Fields
from countermark.errors import FormatRefused, MissingExtra, StatementRefused
from countermark.formats.decode import Decoder
from countermark.formats.image import FORMATS, ImageFacts, name_mismatch, sniff
from countermark.lifecycle import clips
from countermark.lifecycle.kinds import KINDS, kind_of

FORMAT = 1
MAX_BYTES = 16 << 20
MOST_REASONS = 100
BATCH = 256


@dataclass(frozen=True, slots=True)
class Contract:
    """What suppliers agreed to deliver.

    Attributes:
        formats: picture formats that are taken. width, height: exact size in pixels, or None for any.
        rows: supplier -> class -> number of rows; empty for an open contract.
        notes: per class, free facts such as the field of view, which no check reads.
        kinds: of rows that are taken.
    """

    formats: tuple[str, ...] = FORMATS
    width: int | None = None
    height: int | None = None
    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = KINDS


def parse(data: bytes, *, toml: bool = False) -> Contract:
    """Parse a contract strictly.

    Raises:
        StatementRefused: malformed, or an unknown key.
    """
    fields = Fields(
        _toml(data) if toml else canonical.from_bytes(data, what="contract", max_bytes=MAX_BYTES), "contract"
    )
    if fields.integer("format") != FORMAT:
        raise StatementRefused("contract of an unknown format", mend=f"format = {FORMAT}")
    image = Fields(fields.optional("image") or {}, "contract: image")
    rows = Fields(fields.optional("rows") or {}, "contract: rows")
    out = Contract(
        formats=image.texts("formats") if image.optional("formats") else FORMATS,
        width=image.integer("width", least=1) if image.optional("width") else None,
        height=image.integer("height", least=1) if image.optional("height") else None,
        rows={s: _counts(rows.object(s), s) for s in fields.optional("rows") or {}},
        notes=fields.optional("notes") or {},
        kinds=_kinds(fields),
    )
    image.done()
    fields.done()
    unknown = set(out.formats) - set(FORMATS)
    if unknown:
        raise StatementRefused(f"contract: unknown picture format {min(unknown)!r}", mend=f"of {', '.join(FORMATS)}")
    return out


def _kinds(fields: Fields) -> tuple[str, ...]:
    """Who agreed on pictures alone is delivered nothing else."""
    if not fields.optional("kinds"):
        return KINDS[:1] if fields.optional("image") else KINDS
    kinds = fields.texts("kinds")
    if unknown := set(kinds) - set(KINDS):
        raise StatementRefused(f"contract: unknown kind of rows {min(unknown)!r}", mend=f"of {', '.join(KINDS)}")
    return kinds


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise StatementRefused("the contract is not TOML", why=str(error)) from error


def _counts(value: dict[str, Any], supplier: str) -> dict[str, int]:
    fields = Fields(value, f"contract: rows of {supplier}")
    return {label: fields.integer(label) for label in value}


@dataclass(frozen=True, slots=True)
class Door:
    """The examination that `receive` calls: (supplier, dataset, private rows) -> reasons to refuse.

    Attributes:
        decoder: kept by a caller who receives many deliveries; else each gets a child of its own.
    """

    contract: Contract
    decoder: Decoder | None = None

    def __call__(self, supplier: str, dataset: Dataset, contents: Iterator[tuple[str, bytes]]) -> Sequence[str]:
        """All reasons, file by file; an empty list admits.

        Raises:
            MissingExtra: decoding needs the screen extra.
        """
        reasons = _count_reasons(self.contract, supplier, dataset)
        good: dict[str, list[tuple[str, bytes]]] = {kind: [] for kind in KINDS}
        for path, data in contents:
            kind = kind_of(path, inside=dataset.layout == shards.LAYOUT)
            reason = _row_reason(self.contract, kind, path, data)
            reasons += [reason] if reason else []
            good[kind] += [] if reason or kind == "tables" else [(path, data)]
        if reasons:
            return reasons
        return [*self._decoded(good["pictures"]), *clips.reasons(good["clips"], MOST_REASONS)]

    def _decoded(self, pictures: Sequence[tuple[str, bytes]]) -> list[str]:
        if not pictures or self.decoder:
            return _decode_reasons(self.decoder, pictures) if self.decoder else []
        with Decoder() as decoder:
            return _decode_reasons(decoder, pictures)


def _count_reasons(contract: Contract, supplier: str, dataset: Dataset) -> list[str]:
    agreed = contract.rows.get(supplier)
    if not contract.rows:
        return []
    if agreed is None:
        return [f"the contract names no rows of {supplier}"]
    seen = dataset.classes()
    return [
        f"class {label}: {seen.get(label, 0)} rows, the contract says {agreed.get(label, 0)}"
        for label in sorted(agreed.keys() | seen.keys())
        if seen.get(label, 0) != agreed.get(label, 0)
    ]


def _row_reason(contract: Contract, kind: str, path: str, data: bytes) -> str:
    if kind not in contract.kinds:
        return f"{path}: is one of {kind}, the contract takes {', '.join(contract.kinds)}"
    if kind == "pictures":
        return _file_reason(contract, path, data)
    return clips.head_reason(path, data) if kind == "clips" else ""


def _file_reason(contract: Contract, path: str, data: bytes) -> str:
    try:
        facts = sniff(data)
    except FormatRefused as error:
        return f"{path}: {error.what}"
    if facts.format not in contract.formats:
        return f"{path}: is {facts.format}, the contract takes {', '.join(contract.formats)}"
    if name_mismatch(path, facts):
        return f"{path}: its name says {name_mismatch(path, facts)}, its content is {facts.format}"
    if facts.flags:
        return f"{path}: {facts.flags[0].what}"
    return _size_reason(contract, path, facts)


def _size_reason(contract: Contract, path: str, facts: ImageFacts) -> str:
    wanted = (contract.width or facts.width, contract.height or facts.height)
    if (facts.width, facts.height) != wanted:
        return f"{path}: {facts.width} x {facts.height} pixels, the contract says {wanted[0]} x {wanted[1]}"
    return ""


def _decode_reasons(decoder: Decoder, files: Sequence[tuple[str, bytes]]) -> list[str]:
    reasons: list[str] = []
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        for (path, _), pixels in zip(batch, decoder.each([data for _, data in batch]), strict=True):
            if isinstance(pixels, str):
                reasons.append(f"{path}: {pixels}")
            if len(reasons) >= MOST_REASONS:
                return reasons
    return reasons


def can_decode() -> bool:
    """Whether this installation can look at pixels at all."""
    try:
        with Decoder() as decoder:
            decoder.each([])
    except MissingExtra:
        return False
    return True
