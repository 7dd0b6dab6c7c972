"""How an OMS statement names and hashes files: whole, or in shards of one size; strictly.

Sources: ossf/model-signing-spec v1.0, section 6.3; `model-signing` 1.1 where the two differ: resources are ordered by
path components and offsets, a single file is called ``"."``. A shard is ``path:start:end``; the format has no name for an
empty file in shards, so one that is found counts as never signed.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countermark.errors import StatementRefused

SINGLE_FILE = "."
MAX_NAME_BYTES = 4096
MAX_SHARD_BYTES = 1 << 53
DIGEST_LENGTHS = {"sha256": 64, "blake2b": 128, "blake3": 64}
_HEX = re.compile("[0-9a-f]*")
_NO_PARTS = frozenset({"", ".", ".."})
_OFFSET = re.compile("0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Serialization:
    """How resources were named and hashed.

    Attributes:
        hash_type: ``"sha256"``, ``"blake2b"`` or ``"blake3"``.
        ignored: paths that the signer says were left out; a claim, obeyed nowhere.
        shard_size: bytes of each shard but a file's last; None for whole files.
    """

    hash_type: str
    ignored: tuple[str, ...] = ()
    shard_size: int | None = None

    @property
    def algorithm(self) -> str:
        """What each resource calls its hash."""
        return self.hash_type if self.shard_size is None else f"{self.hash_type}-sharded-{self.shard_size}"

    def path(self, name: str) -> str:
        """The file that a resource's name is about."""
        return name if self.shard_size is None else name.rsplit(":", 2)[0]

    def order(self, name: str) -> tuple[list[str], int]:
        """Where the reference puts a resource: by the components of its path, then by its offset."""
        start = 0 if self.shard_size is None else int(name.rsplit(":", 2)[1])
        return self.path(name).split("/"), start

    def end(self, name: str) -> int:
        """The byte after a shard; 0 for a whole file."""
        return 0 if self.shard_size is None else int(name.rsplit(":", 1)[1])

    def to_json(self) -> dict[str, Any]:
        """The field ``serialization`` of the predicate."""
        out: dict[str, Any] = {"hash_type": self.hash_type, "allow_symlinks": False}
        out |= {"method": "files"} if self.shard_size is None else {"method": "shards", "shard_size": self.shard_size}
        return out | ({"ignore_paths": sorted(self.ignored)} if self.ignored else {})

    @classmethod
    def parse(cls, value: Any) -> Serialization:
        """Parse strictly; `shard_size` may be written ``10.0``, as the reference does.

        Raises:
            StatementRefused: unknown, malformed, or symbolic links were followed.
        """
        allowed = {"method", "hash_type", "allow_symlinks", "ignore_paths", "shard_size"}
        if not isinstance(value, dict) or not value.keys() <= allowed:
            raise StatementRefused("the OMS serialization has unknown fields")
        method, size = value.get("method"), value.get("shard_size")
        if method not in ("files", "shards") or (method == "shards") != ("shard_size" in value):
            raise StatementRefused("the OMS serialization names an unknown method", why=repr(method)[:80])
        if value.get("hash_type") not in list(DIGEST_LENGTHS):
            raise StatementRefused("the OMS serialization names an unknown hash", why=repr(value.get("hash_type"))[:80])
        if value.get("allow_symlinks") is not False:
            raise StatementRefused(
                "the OMS bundle followed symbolic links",
                why="what lies behind them may be unsigned",
                mend="sign real files",
            )
        ignored = value.get("ignore_paths", [])
        if not isinstance(ignored, list):
            raise StatementRefused("the OMS list of ignored paths is malformed")
        return cls(value["hash_type"], tuple(check_ignored(ignored)), _shard_size(size) if method == "shards" else None)


FILES = Serialization("sha256")
"""Whole files under SHA-256: what the reference's command line takes."""


def _shard_size(value: Any) -> int:
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    if not whole or not 0 < value <= MAX_SHARD_BYTES:
        raise StatementRefused("the OMS shard size is not a number of bytes", why=repr(value)[:80])
    return int(value)


def named(path: str, size: int, digests: Sequence[str], shard_size: int | None) -> list[tuple[str, str]]:
    """Names and digests of one file's resources.

    Args:
        digests: of the whole file, or of each shard in order; of an empty file in shards, that of no bytes.
    """
    if shard_size is None:
        return [(path, digests[0])]
    starts = range(0, max(size, 1), shard_size)
    return [(f"{path}:{at}:{min(at + shard_size, size)}", d) for at, d in zip(starts, digests, strict=True)]


def parse_resources(value: Any, serialization: Serialization) -> dict[str, str]:
    """Digest by name, in the given order; shards of a file follow each other from its first byte without a gap.

    Raises:
        StatementRefused: none, malformed, a name that could leave the model, or one twice.
    """
    if not isinstance(value, list) or not value:
        raise StatementRefused("an OMS statement without files signs nothing")
    single = len({serialization.path(str(i.get("name"))) for i in value if isinstance(i, dict)}) == 1
    out: dict[str, str] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    for item in value:
        if not isinstance(item, dict) or item.get("algorithm") != serialization.algorithm:
            raise StatementRefused(
                f"an OMS resource is not hashed with {serialization.algorithm}", why=repr(item)[:200]
            )
        name, span = _split(item.get("name"), serialization)
        path = SINGLE_FILE if name == SINGLE_FILE and single else _checked_name(name)
        spans.setdefault(unicodedata.normalize("NFC", path), []).append(span)
        out[item["name"]] = _checked_digest(item.get("digest"), serialization.hash_type)
    _refuse_gaps(spans, serialization.shard_size)
    if len(out) != len(value):
        raise StatementRefused("the OMS statement lists a name twice")
    return out


def _split(name: Any, serialization: Serialization) -> tuple[Any, tuple[int, int]]:
    """Path, and the bytes it is about; (0, 0) for a whole file."""
    if serialization.shard_size is None or not isinstance(name, str):
        return name, (0, 0)
    path, *offsets = name.rsplit(":", 2)
    if len(offsets) != 2 or not all(_OFFSET.fullmatch(o) for o in offsets):
        raise StatementRefused(f"{name!r:.200} is not path:start:end")
    return path, (int(offsets[0]), int(offsets[1]))


def _refuse_gaps(spans: dict[str, list[tuple[int, int]]], shard_size: int | None) -> None:
    for path, found in spans.items():
        if shard_size is None:
            if len(found) > 1:
                raise StatementRefused(f"the OMS statement lists {path!r} twice")
            continue
        ordered = sorted(found)
        whole = all(b - a == shard_size for a, b in ordered[:-1]) and 0 < ordered[-1][1] - ordered[-1][0] <= shard_size
        if ordered[0][0] != 0 or not whole or any(a[1] != b[0] for a, b in itertools.pairwise(ordered)):
            raise StatementRefused(f"the OMS shards of {path!r} leave a gap, overlap or are of another size")


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name.isprintable():
        raise StatementRefused("an OMS resource has no printable name", why=ascii(name)[:200])
    parts = name.split("/")
    if not _NO_PARTS.isdisjoint(parts) or "\\" in name or ":" in name:
        raise StatementRefused(
            f"{name!r} cannot name a file inside a model", why="absolute, empty, '.', '..', backslash or colon in it"
        )
    if len(name.encode()) > MAX_NAME_BYTES:
        raise StatementRefused(f"an OMS resource's name is longer than {MAX_NAME_BYTES} bytes")
    return name


def check_ignored(paths: list[Any]) -> list[str]:
    """The paths that a signer says were left out.

    Raises:
        StatementRefused: malformed, or the whole model.
    """
    for path in paths:
        if path in ("", ".", "./"):
            raise StatementRefused("the OMS bundle ignores the whole model", why=f"ignore_paths holds {path!r}")
    return [_checked_name(path) for path in paths]


def _checked_digest(digest: Any, hash_type: str) -> str:
    if not isinstance(digest, str) or len(digest) != DIGEST_LENGTHS[hash_type] or not _HEX.fullmatch(digest):
        raise StatementRefused(f"not a {hash_type} digest in lower-case hex", why=repr(digest)[:100])
    return digest
