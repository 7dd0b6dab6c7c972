"""API keys: made once, shown once, stored as hashes in a private file of the operator's workspace.

A token is ``cmk_ID_SECRET`` with 256 random bits of secret, so one SHA-256 is a sufficient hash (there is nothing to
guess; NIST SP 800-63B asks for slow hashes of secrets that people choose). The id is public and finds the entry; the
hash is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import StatementRefused, Unusable
from countermark.workspace.place import Workspace

FORMAT = 1
FILE, LOCK = "api-keys.json", "api-keys.lock"
MAX_FILE_BYTES = 4 << 20
_TOKEN = re.compile(rb"Bearer (cmk_([0-9a-f]{16})_[A-Za-z0-9_-]{43})")
_NOBODY = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """One API key as stored: never the key itself.

    Attributes:
        id: 16 hex digits, public. name: whom it was given to. hash: SHA-256 of the token, hex.
        created, revoked: RFC 3339 UTC; revoked is None while it counts.
    """

    id: str
    name: str
    hash: str
    created: str
    revoked: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"id": self.id, "name": self.name, "hash": self.hash, "created": self.created, "revoked": self.revoked}

    @classmethod
    def from_json(cls, value: Any) -> Entry:
        """Parse strictly.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(value, "API key")
        out = cls(
            fields.hex("id", size=8), fields.text("name", most=200), fields.hex("hash"), fields.text("created", most=40),
            fields.optional_text("revoked"),
        )  # fmt: skip
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class Caller:
    """A handle to somebody who showed an API key that counts."""

    id: str
    name: str


def create(space: Workspace, name: str, now: str) -> tuple[Entry, str]:
    """Make an API key.

    Args:
        name: whom it is for. now: RFC 3339 UTC.

    Returns:
        What is stored, and the token, which is shown this once.

    Raises:
        Unusable: the file cannot be read or written. StatementRefused: it is malformed, or the name is.
    """
    key_id = secrets.token_hex(8)
    token = f"cmk_{key_id}_{secrets.token_urlsafe(32)}"
    entry = Entry.from_json(Entry(key_id, name, canonical.sha256_hex(token.encode()), now).to_json())
    with space.lock(LOCK):
        _save(space, (*entries(space), entry))
    return entry, token


def revoke(space: Workspace, key_id: str, now: str) -> Entry:
    """End an API key; a running guard notices within a second.

    Raises:
        Unusable: no such key, or the file cannot be written. StatementRefused: the file is malformed.
    """
    with space.lock(LOCK):
        kept = {e.id: e for e in entries(space)}
        if key_id not in kept:
            raise Unusable(f"there is no API key {key_id!r:.40}", mend="list them first")
        kept[key_id] = replace(kept[key_id], revoked=kept[key_id].revoked or now)
        _save(space, tuple(kept.values()))
    return kept[key_id]


def entries(space: Workspace) -> tuple[Entry, ...]:
    """All API keys, revoked ones included, oldest first.

    Raises:
        Unusable: the file cannot be read, or others can read it. StatementRefused: it is malformed.
    """
    return _read(space.home / FILE)[1]


def _save(space: Workspace, every: tuple[Entry, ...]) -> None:
    data = canonical.to_bytes({"format": FORMAT, "keys": [e.to_json() for e in every]})
    if len(data) > MAX_FILE_BYTES:
        raise Unusable("there are too many API keys", mend="start a new workspace for this operator")
    space.disk.write(space.home / FILE, data, mode=0o600)


def _read(path: Path) -> tuple[object, tuple[Entry, ...]]:
    """What identifies this version of the file, and its entries."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or "", mend="check the path") from error
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or (os.name == "posix" and stat.S_IMODE(state.st_mode) & 0o077):
            raise Unusable(f"{path} is no file, or others can read it", mend=f"chmod 600 {path}")
        data = file.read(MAX_FILE_BYTES + 1)
    return _version(state), _parse(data)


def _version(state: os.stat_result) -> object:
    return state.st_ino, state.st_mtime_ns, state.st_size


def _parse(data: bytes) -> tuple[Entry, ...]:
    fields = Fields(canonical.from_bytes(data, what=FILE, max_bytes=MAX_FILE_BYTES), FILE)
    if fields.integer("format") != FORMAT:
        raise StatementRefused(f"{FILE} has an unknown format", mend="update Countermark")
    out = tuple(Entry.from_json(v) for v in fields.items("keys"))
    fields.done()
    return out


class KeyRing:
    """The API keys that count, as a guard asks for them; notices changes of the file.

    Where the file has become unreadable or malformed nobody is let in.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._hashes: dict[bytes, tuple[bytes, Caller]] = {}
        self._version: object = self
        self._looked = float("-inf")

    @classmethod
    def of(cls, space: Workspace, clock: Callable[[], float]) -> KeyRing:
        """The ring of a workspace.

        Args:
            clock: seconds; may be set back.

        Raises:
            Unusable, StatementRefused: the file cannot be read or is malformed.
        """
        entries(space)
        return cls(space.home / FILE, clock)

    def identify(self, authorization: bytes) -> Caller | None:
        """Whose key an Authorization field shows; None for no key, a wrong one or a revoked one."""
        if not 0.0 <= self._clock() - self._looked < 1.0:  # a clock that was set back must not keep a revoked key alive
            self._look()
        shown = _TOKEN.fullmatch(authorization)
        expected, caller = self._hashes.get(shown[2] if shown else b"", (_NOBODY, None))
        seen = hashlib.sha256(shown[1] if shown else b"").digest()
        return caller if hmac.compare_digest(seen, expected) else None

    def _look(self) -> None:
        self._looked = self._clock()
        try:
            if self._version != _version(self._path.stat(follow_symlinks=False)):
                self._version, every = _read(self._path)
                live = (e for e in every if e.revoked is None)
                self._hashes = {e.id.encode(): (bytes.fromhex(e.hash), Caller(e.id, e.name)) for e in live}
        except (OSError, Unusable, StatementRefused):
            self._version, self._hashes = self, {}
