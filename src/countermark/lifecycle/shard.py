"""Split a model into a file that is shipped and a small shard, and join them again to the bit. Research: no protection by itself."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from countermark.errors import FormatRefused, StatementRefused, Unusable
from countermark.formats import safetensors
from countermark.formats.source import FileSource
from countermark.lifecycle.weights import FLOATS, WeightsFile
from countermark.tracing.key import named
from countermark.tracing.shard import Mask, choose, turned
from countermark.tracing.spread import carries
from countermark.workspace.disk import Disk

FORMAT = "countermark-shard-v1"


@dataclass(frozen=True, slots=True)
class Split:
    """What was written: tensors and weights that the shard turns, its bytes, and SHA-256 of the shipped file."""

    tensors: int
    weights: int
    shard_bytes: int
    shipped: str


def split(model: Path, shipped: Path, shard: Path, share: float, disk: Disk | None = None) -> Split:
    """Write both halves; the shard for its owner alone (mode 0600), to be sealed to a licence.

    Raises:
        Unusable: one of them exists, or cannot be written. FormatRefused: malformed, or no tensor is large enough.
    """
    for out in (shipped, shard):
        if out.exists():
            raise Unusable(f"{out} exists", mend="name a new file; nothing is overwritten")
    disk, secret = disk or Disk(), secrets.token_bytes(32)
    with WeightsFile(model) as file:
        masks: dict[str, Mask] = {}
        for name in sorted(file.tensors, key=lambda n: file.tensors[n].begin):
            if file.tensors[name].dtype in FLOATS and carries(array := file.array(name)):
                masks[name] = choose(np.abs(array.reshape(-1)), share, named(secret, name.encode()))
        if not masks:
            raise FormatRefused(
                f"{model.name} has no matrix of 1,024 floating-point numbers or more", mend="seal the whole file"
            )
        disk.pour(shipped, file.pieces(_turned(file, masks)), mode=0o644)
        original = file.sha256
    with FileSource(shipped) as written:
        digest = written.sha256
    data = _to_bytes(masks, {"format": FORMAT, "original": original, "shipped": digest})
    disk.write(shard, data)
    return Split(len(masks), sum(int(mask.sum()) for mask in masks.values()), len(data), digest)


def join(shipped: Path, shard: Path, out: Path, disk: Disk | None = None) -> str:
    """Write the model as it was; returns its SHA-256.

    Raises:
        Unusable: `out` exists, or a file cannot be read. FormatRefused, StatementRefused: malformed, or the shard is of another file.
    """
    if out.exists():
        raise Unusable(f"{out} exists", mend="name a new file; nothing is overwritten")
    metadata, packed = _read(shard)
    with WeightsFile(shipped) as file:
        if metadata.get("shipped") != file.sha256:
            raise StatementRefused("the shard is of another file", why=f"it is of {metadata.get('shipped')}, this is {file.sha256}",
                                   mend="take the file and the shard of one delivery")  # fmt: skip
        masks = {name: _unpacked(file, name, packed[name]) for name in sorted(packed, key=lambda n: _begin(file, n))}
        whole = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for piece in file.pieces(_turned(file, masks)):
                whole.update(piece)
                yield piece
            if whole.hexdigest() != metadata.get("original"):  # nothing is left of what was poured
                raise StatementRefused("the shard does not give the model that it names", mend="ask for it again")

        (disk or Disk()).pour(out, pieces(), mode=0o600)
    return whole.hexdigest()


def _turned(file: WeightsFile, masks: dict[str, Mask]) -> Iterator[tuple[str, bytes]]:
    for name, mask in masks.items():
        yield name, turned(file.content(name), safetensors.BITS[file.tensors[name].dtype] // 8, mask)


def _begin(file: WeightsFile, name: str) -> int:
    stored = file.tensors.get(name)
    if stored is None or stored.dtype not in FLOATS:
        raise StatementRefused(f"the shard names {name[:80]!r}, which the file does not have")
    return stored.begin


def _unpacked(file: WeightsFile, name: str, bits: bytes) -> Mask:
    count = int(np.prod(file.tensors[name].shape, dtype=np.int64))
    if len(bits) != (count + 7) // 8:
        raise StatementRefused(
            f"the shard's piece for {name[:80]!r} has {len(bits)} bytes where {(count + 7) // 8} are due"
        )
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(np.bool_)


def _to_bytes(masks: dict[str, Mask], metadata: dict[str, str]) -> bytes:
    header: dict[str, object] = {"__metadata__": metadata}
    data, at = [np.packbits(mask).tobytes() for mask in masks.values()], 0
    for name, bits in zip(masks, data, strict=True):
        header[name] = {"dtype": "U8", "shape": [len(bits)], "data_offsets": [at, at + len(bits)]}
        at += len(bits)
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(data)


def _read(shard: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    with FileSource(shard) as source:
        facts = safetensors.read(source)
        if facts.metadata.get("format") != FORMAT or any(one.dtype != "U8" for one in facts.tensors):
            raise FormatRefused(f"{shard.name} is no shard", mend="`countermark fingerprint shard split` makes one")
        return facts.metadata, {one.name: source.read(one.begin, one.end - one.begin) for one in facts.tensors}
