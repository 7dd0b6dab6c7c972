"""Work that a stage kept for the next time: computed again wherever it is not exactly what this workspace wrote.

A file is an HMAC-SHA256 over its name and content (32 bytes), then the content. The key is 32 random bytes in the
workspace's folder of keys, so that who can write the kept files alone, or brings them from elsewhere, is not believed.
Who can read and write that folder too can forge kept work; docs/reference/formats/kept.md says what then still stands.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from countermark.errors import Unusable
from countermark.workspace.place import Workspace

FOLDER, SECRET = "kept", "kept-work.secret"
SUFFIX = ".kept"
MOST_BYTES = 1 << 30
_MAC_BYTES = _SECRET_BYTES = 32


class Kept:
    """Files by name; what cannot be shown to be this workspace's own is as good as none.

    `read` and `refused` count what was read back, and what was there and not believed.
    """

    def __init__(self, space: Workspace) -> None:
        """Take or make the folder and the secret; what a killed run left half written is swept.

        Raises:
            Unusable: they cannot be made or read.
        """
        self._disk, self._folder = space.disk, space.folder(FOLDER)
        with space.lock("kept.lock"):
            self._disk.sweep(self._folder)
            self._secret = _secret(space)
        self.read = self.refused = 0

    def get(self, name: str) -> bytes | None:
        """Content as it was put under this very name, or None: it is not there, too large, damaged, or forged."""
        data = _whole(self._folder / (name + SUFFIX))
        if data is None:
            return None
        body = memoryview(data)[_MAC_BYTES:]
        if not hmac.compare_digest(bytes(data[:_MAC_BYTES]), self._mac(name, body)):
            self.refused += 1
            return None
        self.read += 1
        return bytes(body)

    def put(self, name: str, content: bytes) -> None:
        """Keep content; durable when this returns. What is too large is not kept.

        Raises:
            Unusable: it cannot be written.
        """
        if len(content) + _MAC_BYTES <= MOST_BYTES:
            self._disk.write(self._folder / (name + SUFFIX), self._mac(name, content) + content)

    def keep_only(self, names: set[str]) -> None:
        """Remove what none of these names is; for the end of a screening that went through.

        Raises:
            Unusable: something cannot be removed.
        """
        for path in self._folder.glob(f"*{SUFFIX}"):
            if path.name.removesuffix(SUFFIX) not in names:
                self._disk.unlink(path)

    def _mac(self, name: str, content: bytes | memoryview) -> bytes:
        told = hmac.new(self._secret, b"cm-kept/v1\0" + hashlib.sha256(name.encode()).digest(), hashlib.sha256)
        told.update(content)
        return told.digest()


def _whole(path: Path) -> bytes | None:
    """A plain file's bytes; None where there is none; empty where it is too large, or no plain file."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return b""
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        shown = os.fstat(descriptor)
        return file.read(shown.st_size) if stat.S_ISREG(shown.st_mode) and shown.st_size <= MOST_BYTES else b""


def _secret(space: Workspace) -> bytes:
    """The key of the MACs: made on first use, refused where others than its owner may read or write it."""
    path = space.folder("keys") / SECRET
    if not path.exists():
        space.disk.write(path, secrets.token_bytes(_SECRET_BYTES))
    data = _owned(path)
    if len(data) != _SECRET_BYTES:
        raise Unusable(f"{path} is no secret", mend="remove it: kept work is then made anew")
    return data


def _owned(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            shown = os.fstat(file.fileno())
            data = file.read(_SECRET_BYTES + 1)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error)) from error
    if os.name == "posix" and (shown.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or shown.st_uid != os.geteuid()):
        raise Unusable(f"{path} can be read or written by others", mend=f"chmod 600 {path}, or remove it")
    return data
